/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * File sets by their directory
 *
 * Pure. A system's writers name tens of thousands of file sets, and a backup asks about millions of files:
 * what covers a file can only lie in the directories above it, and there it is a pattern or has the file's
 * name.
 */

#include <stdbool.h>
#include <stddef.h>

typedef struct FileIndexEntry {
        const char *directory, *filespec; /* borrowed */
        bool is_exact;
        size_t number; /* the caller's */
} FileIndexEntry;

typedef struct FileIndex {
        FileIndexEntry *entries;
        size_t n;
} FileIndex;

/* An empty one with room for @n entries. Return: 0, -ENOMEM. */
int file_index_init(FileIndex *index, size_t n);
void file_index_clear(FileIndex *index);
void file_index_add(FileIndex *index, const char *directory, const char *filespec, size_t number);
/* When all are there: by directory, in there patterns before exact names, the same ones in their order. */
void file_index_sort(FileIndex *index);

/* Return: true to end the walk. */
typedef bool (*FileIndexEach)(const void *owner, size_t number, void *userdata);

/**
 * file_index_walk() - all entries that may be about a file of a directory
 * @path:  absolute and normal
 * @from:  bytes of it that are the directory; those above it are looked at, too
 * @name:  the file's name; without one, only patterns
 */
void file_index_walk(const FileIndex *index, const char *path, size_t from, const char *name,
                     FileIndexEach each, const void *owner, void *userdata);
/* The directory above the one that is the @n first bytes of @path; 0 above the root. */
size_t file_index_above(const char *path, size_t n);
