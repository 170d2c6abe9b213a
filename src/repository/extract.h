/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Putting the files of a tree below a directory
 *
 * What was there is replaced by what is whole, or stays. What is new appears under its name at once, but
 * until it is whole nobody can read it, and its mode says so (EXTRACT_UNFINISHED): a run that ends
 * early leaves nothing that looks like a file of the point, and the next one finds it out and writes it
 * again. Nothing outside of the directory is written, whatever links lie there and whatever the tree says.
 * What cannot be restored is told with its reason, and the rest goes on.
 */

#include "repository/repository.h"

/* The mode of files, and with all rights of the owner of directories, that are not done. Nobody else gives
 * it to a file: it means nothing there. Attributes of its own can only be given to what can be written. */
#define EXTRACT_UNFINISHED 01200u

typedef enum ExtractOverwrite {
        EXTRACT_CHANGED, /* what has another size or time; when verified, other content */
        EXTRACT_ALWAYS,
        EXTRACT_NEVER, /* what is there stays, as it is */
} ExtractOverwrite;

/* What becomes, or in a dry run would become, of one entry. */
typedef enum ExtractFate { EXTRACT_MADE, EXTRACT_REPLACED, EXTRACT_SET, EXTRACT_LEFT } ExtractFate;

typedef struct ExtractCounts {
        uint64_t files, directories, others, bytes; /* made or replaced; bytes: of files; holes count */
        uint64_t replaced;                          /* of files and others */
        uint64_t left, bytes_left; /* files and others that were there, as they have to be */
        uint64_t kept;             /* ... and stay though nobody looked: EXTRACT_NEVER */
        uint64_t verified, bytes_verified;
        uint64_t errors;
} ExtractCounts;

typedef struct ExtractOptions {
        int target_fd;
        bool target_missing; /* in a dry run: it would be made, and "target_fd" is its file system's */
        /* Absolute paths in the tree, "/" for all of it; NULL-terminated. */
        const char *const *paths;
        /* What the point is of, absolute and NULL-terminated: directories above it, which only lead there,
         * are left as they are if they are there. NULL: none are. */
        const char *const *roots;
        const char *hidden; /* a path that is left out, unless it or what is in it is named; NULL: none */
        ExtractOverwrite overwrite;
        bool dry_run; /* nothing is written; "planned" says what would be */
        /* What is there is compared by its content, and what was written is read again. */
        bool verify;
        uint64_t expected; /* bytes of files, if they are known: their room need not be counted first */
        unsigned threads;  /* 0: one for each processor */
        /* May be NULL. From the threads: one at a time. */
        void (*told)(void *userdata, const char *path, const char *what);
        void (*planned)(void *userdata, const char *path, const Node *node, ExtractFate fate);
        /* There may be too little room: told before anything is written. */
        void (*short_of_room)(void *userdata, uint64_t needed, uint64_t room);
        /* Return: true to stop. From the threads as well, one at a time. */
        bool (*progress)(void *userdata, const ExtractCounts *counts, const char *path);
        void *userdata;
} ExtractOptions;

/* Return: 0, also with errors that were told; -ENOENT if there is none of the paths; -ENOSPC; -ECANCELED. */
int extract_run(Repository *repo, const BlobId *tree, const ExtractOptions *options, Why *why,
                ExtractCounts *ret_counts);

/* One entry of the tree, and where it goes: below the target, whatever it is called there. */
typedef struct ExtractItem {
        const char *path;  /* absolute, in the tree */
        const char *place; /* relative to the target, without a slash before it */
} ExtractItem;

/*
 * extract_items() - put these, and nothing that is in them
 * Directories that are missing on the way are made, with what the tree says of them where it has the same
 * path. Items of one directory that stand together are put together. "paths" and "hidden" of the options do
 * not count.
 */
int extract_items(Repository *repo, const BlobId *tree, const ExtractOptions *options,
                  const ExtractItem *items, size_t n, Why *why, ExtractCounts *ret_counts);
/* The content of one file. -ENOENT if the tree has none there. */
int extract_content(Repository *repo, const BlobId *tree, const char *path, int fd, Why *why);
/* What is there: -ENOENT. Borrowed from @ret_tree, which is to be cleared. */
int extract_find(Repository *repo, const BlobId *tree, const char *path, Tree *ret_tree,
                 const Node **ret_node, Why *why);
