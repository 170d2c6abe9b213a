/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Putting files back below a root
 *
 * A file appears at its place whole, with all that belongs to it, or not at all: it is made beside it and
 * renamed over it. No symbolic link is followed on the way, and nothing outside of the root is written.
 * Directories that are missing on the way are made. Paths are relative to the root, without a leading slash.
 *
 * Functions return 0 or a negative errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "files/meta.h"

/* File systems that have something to be flushed yet. */
#define PUT_SYNC_MAX 32u

typedef struct PutSync {
        uint64_t devices[PUT_SYNC_MAX];
        int fds[PUT_SYNC_MAX];
        size_t n;
} PutSync;

/*
 * put_file() - a regular file with the content of @source_fd
 * @later: NULL: it is on the disk when this returns. Else that is put_sync()'s to see to, for all files
 * together, which is many times as fast; what is replaced is not lost either way, as the new content goes
 * first. -EISDIR where a directory lies.
 */
int put_file(int root_fd, const char *path, int source_fd, const FileMeta *meta, PutSync *later);
/* Flush what was put there; nothing is open any more afterwards. */
int put_sync(PutSync *later);
/* A directory; one that is there stays, and gets what belongs to it. */
int put_directory(int root_fd, const char *path, const FileMeta *meta);
int put_symlink(int root_fd, const char *path, const char *target, const FileMeta *meta);
/* A FIFO, socket or device node. */
int put_special(int root_fd, const char *path, const FileMeta *meta);

typedef struct PutRange {
        uint64_t offset, length;
} PutRange;

/*
 * put_ranges() - write @n parts into a file that is there
 * @source_offsets: where each part is in @source_fd; NULL: at the same offset as in the target
 * -ENOENT if the file is not there. What is written is on the disk when it returns.
 */
int put_ranges(int root_fd, const char *path, int source_fd, const PutRange *ranges,
               const uint64_t *source_offsets, size_t n);

/* What is at a place now, for the decision whether a component may be restored there. */
typedef struct PutFacts {
        bool exists;
        bool replaceable; /* true also if nothing is there and it can be made */
        char reason[160]; /* why not */
} PutFacts;

/*
 * put_examine() - look at a place without changing anything
 *
 * A file cannot be replaced if it is open for writing somewhere (whoever has it open would go on writing to
 * one that nobody sees any more), is marked immutable or append-only, is a mount point or a directory, or if
 * its directory cannot be written to.
 */
int put_examine(int root_fd, const char *path, PutFacts *ret_facts);
