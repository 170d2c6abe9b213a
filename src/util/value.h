/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values inside the project: the public vss_value with what C callers of ours want on top
 */

#include <linuxvss/types.h>
#include "util/macro.h"

/* Limits on trees from outside. */
#define VALUE_DEPTH_MAX 12u

DEFINE_CLEANUP(vss_value *, vss_value_free)

#define _cleanup_value_ _cleanup_(vss_value_freep)

/* The dictionary's member @key as a list or dictionary, made if missing; borrowed. NULL without memory. */
vss_value *value_require(vss_value *dict, const char *key, enum vss_kind kind);
/* A member that may be changed; borrowed. NULL if there is none. */
vss_value *value_get_mutable(vss_value *dict, const char *key);
vss_value *value_at_mutable(vss_value *value, size_t index);
/* Is @string in a list of strings? */
int value_contains(const vss_value *list, const char *string);
/* Do both say the same? Members of dictionaries may stand in any order; NULL is VSS_KIND_NULL. */
bool value_equals(const vss_value *a, const vss_value *b);
vss_result value_set_printf(vss_value *dict, const char *key, const char *format, ...) _printf_(3, 4);
vss_result value_append_string(vss_value *list, const char *string);
/* Replaces what is no UTF-8 in all texts of the tree by '?'. */
void value_make_utf8(vss_value *value);
/* Removes a dictionary's member, if it is there. */
void value_unset(vss_value *dict, const char *key);
