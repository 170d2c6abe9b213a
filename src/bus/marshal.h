/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values and results on the bus
 *
 * Functions here return 0 or a negative errno, as sd-bus does.
 */

#include <systemd/sd-bus.h>
#include "util/value.h"

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_error_ _cleanup_(sd_bus_error_free)

/* A dictionary as "a{sv}"; NULL is an empty one. */
int marshal_append_dict(sd_bus_message *m, const vss_value *dict);
/* A list of dictionaries as "aa{sv}", of strings as "as". */
int marshal_append_dicts(sd_bus_message *m, const vss_value *list);
int marshal_append_strings(sd_bus_message *m, const vss_value *list);

/* The reverse. -EBADMSG for kinds that values do not have, -E2BIG beyond VALUE_DEPTH_MAX. */
int marshal_read_dict(sd_bus_message *m, vss_value **ret_dict);
int marshal_read_dicts(sd_bus_message *m, vss_value **ret_list);
int marshal_read_strings(sd_bus_message *m, vss_value **ret_list);

/* Fills @error with the bus name of @result and a message. Return: what sd_bus_error_set() does, for
 * handlers. */
int bus_error_setf(sd_bus_error *error, vss_result result, const char *format, ...) _printf_(3, 4);
/* The result a bus error stands for; foreign errors (no owner, no reply, denied) are mapped. */
vss_result bus_error_result(const sd_bus_error *error);
