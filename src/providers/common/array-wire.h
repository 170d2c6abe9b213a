/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the array of vss-array(8) and its hosts say to each other: a length and a dictionary in JSON, each
 * way in turn
 *
 * Neither believes the other: lengths and depths are limited, and everything that waits has a deadline.
 *
 *     request  {"call": NAME, ...}
 *     answer   {...}, or {"error": a sentence, "errno": a positive number}
 */

#include <stdint.h>
#include "util/value.h"

#define ARRAY_WIRE_VERSION 1
#define ARRAY_WIRE_MAX (4u << 20)

/* Of hosts and LUNs: letters, digits, ".", "_" and "-", of which a letter or a digit comes first. */
#define ARRAY_NAME_MAX 63u

bool array_name_is_valid(const char *name);

/* @fd: a pipe or socket that does not block. -ETIMEDOUT at the monotonic @deadline; 0: none. -EPIPE: the
 * other side has gone. -EBADMSG: what it said is no message. */
int array_wire_send(int fd, const vss_value *message, uint64_t deadline);
int array_wire_receive(int fd, uint64_t deadline, vss_value **ret_message);
