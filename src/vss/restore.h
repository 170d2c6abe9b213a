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
#include "vss/stringlist.h"

/* What a backup adds to the files: left out of a restore unless it is named. */
#define RESTORE_HIDDEN "/.linuxvss-backup"

#define RESTORE_COMPONENT_SIZE 256u

typedef struct Restore {
        Cli *cli;
        RepoArgs repo_args;
        const char *target;
        bool original, dry_run, verify;
        ExtractOverwrite overwrite;
        Strings writers; /* NAME[:/logical/path/component] */
        Strings options, new_targets;
        bool without_writers, trust_documents;
        const char *staging;
        Repository *repo;
        const Snapshot *point;
        char point_text[BLOB_ID_TEXT]; /* of the one that was asked for */
        bool target_missing;           /* in a dry run */
        uint64_t since;
        Progress progress;
        char component[RESTORE_COMPONENT_SIZE]; /* whose files are being written; "": of none */
        vss_value *failed, *planned, *components; /* lists */
        ExtractCounts counts;
        bool partly; /* something was named that is not in order */
} Restore;

/* The directory that the files go to, made if need be. */
int restore_open_target(Restore *restore, int *ret_fd);
/* What every extraction of a restore has in common. */
ExtractOptions restore_extract_options(Restore *restore);
/* One line of what is not in order; the rest goes on, and the exit status is EXIT_PARTLY. */
void restore_complain(Restore *restore, const char *format, ...) _printf_(2, 3);

/* restore-writers.c: what --writer names, of this point; @additional: other points on top of it follow. */
int restore_components(Restore *restore, bool additional);
