/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From the actions of a restore plan to the places of single files
 */

#include "files/put.h"
#include "model/restore-plan.h"

/* Is "logical/path/name" the component's? */
bool place_is_of(const char *full_name, const vss_value *component);
/* Where a file that was saved from @source goes, below @destination. Allocated; NULL if it is not below it.
 */
char *place_below(const char *path, const char *source, const char *destination);
/* Where the action puts the saved file; links on the way to its destination are resolved. Allocated; NULL.
 */
char *place_find(const char *path, const RestoreAction *action);

/* "a:b, c:d" of the source go to the ranges of the destination, in order; each pair is of one length.
 * @to: "": the same. 0, -EBADMSG, -ENOMEM; arrays to be freed. */
int place_pair_ranges(const char *from, const char *to, PutRange **ret_ranges, uint64_t **ret_offsets,
                      size_t *ret_n);
