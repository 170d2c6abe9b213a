/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What writers exclude from shadow copies: deleted from the copy before it is complete, and told file by
 * file
 */

#include "vssd/set.h"
#include "vssd/worker.h"

typedef struct ExcludeArgs {
        const Set *set;
        const SetWriter *writer;
        int fds[VSS_VOLUMES_MAX]; /* by volume: a mount of its copy that can be written to; -1: there is none
                                   */
} ExcludeArgs;

/* @arg: an ExcludeArgs. Works with the rights of whom judge.h found for each entry. Answer: "files", list of
 * {path, done, reason}, and "more", how many are not in it. */
int exclude_main(void *arg, WorkerAnswer *answer);

/* Adds to a set's @result what the worker answered: "excluded-from-snapshot", list of {writer, path, done,
 * reason}, and "excluded-from-snapshot-more". @error: of the worker. */
void exclude_tell(vss_value *result, const ExcludeArgs *args, int error, const vss_value *answer);
