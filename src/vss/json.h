/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values as JSON
 */

#include <jansson.h>
#include "util/value.h"

/* A new reference. NULL without memory, or for text that is not UTF-8 even after repair. */
json_t *json_from_value(const vss_value *value);

/*
 * json_to_value() - one JSON document from outside
 * No deeper than VALUE_DEPTH_MAX; nulls in lists and numbers with a fraction become "".
 * Return: 0; -EBADMSG for what is none; -ENOMEM.
 */
int json_to_value(const char *text, size_t size, vss_value **ret_value);
