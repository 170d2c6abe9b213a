/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What differs between two trees
 *
 * Both are walked side by side; directories with the same id are the same and are not looked into. No more
 * is in memory than the directories on the way to where it is.
 */

#include "repository/repository.h"

typedef enum DiffKind {
        DIFF_ADDED,
        DIFF_REMOVED,
        DIFF_CHANGED,
} DiffKind;

/* What of an entry has changed. Times of access and of change of the inode do not count, nor do inodes. */
enum {
        DIFF_TYPE = 1 << 0, /* then nothing else is said */
        DIFF_CONTENT = 1 << 1,
        DIFF_SIZE = 1 << 2,
        DIFF_MODE = 1 << 3,
        DIFF_OWNER = 1 << 4,
        DIFF_TIME = 1 << 5, /* of modification */
        DIFF_XATTRS = 1 << 6,
        DIFF_TARGET = 1 << 7, /* of a symbolic link */
        DIFF_DEVICE = 1 << 8,
};

typedef struct DiffCounts {
        uint64_t added, removed, changed; /* entries of any type */
        uint64_t bytes_added, bytes_removed,
                bytes_changed; /* of files; of those with other content as they are now */
        uint64_t trees;        /* that were read */
        uint64_t errors;
} DiffCounts;

typedef struct DiffOptions {
        const char *const *paths; /* absolute; NULL-terminated. None: everything */
        const char *passed_over; /* a name at the top that is not looked at unless it is named; NULL: none */
        /* @before or @after is NULL where there is none. Return: 0, or a negative errno that ends it. */
        int (*found)(void *userdata, DiffKind kind, const char *path, const Node *before, const Node *after,
                     unsigned what);
        /* A directory that cannot be read. May be NULL. */
        void (*told)(void *userdata, const char *path, const char *what);
        /* For each directory. Return: true to stop. May be NULL. */
        bool (*progress)(void *userdata, const DiffCounts *counts, const char *path);
        void *userdata;
} DiffOptions;

/* What differs between two entries of one name; 0: nothing. Directories: without what is in them. */
unsigned node_diff(const Node *before, const Node *after);
/* Return: 0, also with errors that were told; -ENOENT for a path that neither has; -ECANCELED; that of
 * found(). */
int tree_diff(Repository *repo, const BlobId *before, const BlobId *after, const DiffOptions *options,
              Why *why, DiffCounts *ret_counts);
