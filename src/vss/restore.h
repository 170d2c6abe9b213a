/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vss restore: what its parts share
 *
 * Functions return EXIT_DONE, or another status after a message.
 */

#include "repository/extract.h"
#include "vss/progress.h"
#include "vss/repository.h"

/* What a backup adds to the files: left out of a restore unless it is named. */
#define RESTORE_HIDDEN "/.linuxvss-backup"

typedef struct Restore {
        Cli *cli;
        RepoArgs repo_args;
        const char *target;
        bool original, dry_run, verify;
        ExtractOverwrite overwrite;
        Repository *repo;
        const Snapshot *point;
        bool target_missing; /* in a dry run */
        uint64_t since;
        Progress progress;
        vss_value *failed, *planned; /* lists */
        ExtractCounts counts;
} Restore;

/* The directory that the files go to, made if need be. */
int restore_open_target(Restore *restore, int *ret_fd);
