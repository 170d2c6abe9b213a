/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shadow copies as directories in one directory, each named by its id and with its identity in it
 *
 * Something is told of each, whatever is in it: what a crash left is "incomplete", with the reason, and can
 * be deleted like any other.
 */

#include "util/value.h"

/* Adds to what is told of a copy that is there, or makes it incomplete (copies_set_incomplete()). */
typedef int (*CopiesVisit)(void *userdata, int store_fd, vss_value *info);

/* Appends the properties of each to @list. Those of @set_under_way (or NULL) that are not done are
 * "preparing". -E2BIG beyond @max. @visit may be NULL. Return: 0 or a negative errno. */
int copies_list(int store_fd, const char *set_under_way, unsigned max, CopiesVisit visit, void *userdata,
                vss_value *list);
int copies_set_incomplete(vss_value *info, const char *reason);
