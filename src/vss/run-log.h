/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs of backups and restores, for the history (tasks/catalog.h)
 */

#include "vss/cli.h"

/* "done", "partly", "failed" or "interrupted". */
const char *run_result_name(int status);

/*
 * run_outcome() - what the history is told of a run that has ended
 * @answer: of the backup or restore: sizes, "point", "failed", ...; NULL: it has none
 * @errors: what has failed as a whole; NULL: nothing
 * NULL without memory.
 */
vss_value *run_outcome(const vss_value *answer, const vss_value *errors, int status);

/*
 * A run that is of no task: in the history if there is a place for it that can be written, and without a
 * word if not. From its begin on failures are collected in cli->noted.
 */
typedef struct RunLog {
        Cli *cli;
        char *path;
        int64_t number; /* 0: it is not in the history */
} RunLog;

/* @type: of the backup, or "restore"; @repository may be NULL: that of the environment. */
void run_log_begin(RunLog *log, Cli *cli, const char *type, const char *repository);
/* Also without a begin. */
void run_log_end(RunLog *log, const vss_value *answer, int status);
