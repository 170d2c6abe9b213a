/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What writers say of their components on its way into the Backup Components Document
 *
 * Answers are kept as they come, also while everything stands still. At the end of a call they are judged,
 * in a worker since that looks at paths, and what may be believed is merged.
 */

#include "vssd/set.h"

typedef struct Merge Merge;
typedef void (*MergeDone)(void *userdata);

/* Keeps what @writer answered to @event ("PostSnapshot"), a dictionary, if it says something of components.
 */
void merge_note(SetWriter *writer, const char *event, const vss_value *answer);

/**
 * merge_start() - judge and merge all that is kept
 * @dropped: borrowed until the end; what was not taken is appended: {writer, logical-path, name, path or
 * key, reason}
 *
 * Return: 1 if it is done already (@done is not called), 0 if @done will be called, or a negative errno.
 */
int merge_start(Set *set, vss_value *dropped, MergeDone done, void *userdata, Merge **ret_merge);
Merge *merge_cancel(Merge *merge);
