/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Putting the files of a tree below a directory
 *
 * Each appears at its place whole, with all that belongs to it, or not at all: it is made beside it and
 * renamed. Nothing outside of the directory is written, whatever links lie there and whatever the tree says.
 * What cannot be restored is told with its reason, and the rest goes on.
 */

#include "repository/repository.h"

typedef struct ExtractCounts {
        uint64_t files, directories, others, bytes; /* bytes: of files; holes count */
        uint64_t errors;
} ExtractCounts;

typedef struct ExtractOptions {
        int target_fd;
        /* Absolute paths in the tree, "/" for all of it; NULL-terminated. */
        const char *const *paths;
        unsigned threads; /* 0: one for each processor */
        /* May be NULL. From the threads: one at a time. */
        void (*told)(void *userdata, const char *path, const char *what);
        /* Return: true to stop. From the caller's thread. */
        bool (*progress)(void *userdata, const ExtractCounts *counts, const char *path);
        void *userdata;
} ExtractOptions;

/* Return: 0, also with errors that were told; -ENOENT if there is none of the paths; -ECANCELED. */
int extract_run(Repository *repo, const BlobId *tree, const ExtractOptions *options, Why *why,
                ExtractCounts *ret_counts);
