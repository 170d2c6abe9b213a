/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The file record of a point: which file is of which component
 *
 * One JSON object a line. It was sealed with the point, but by whoever made that: what it says of places
 * counts only as far as the documents and those who vouch for them agree.
 */

#include <stdbool.h>
#include <stddef.h>

#define RECORD_FILES_MAX 10000000u
#define RECORD_LINE_MAX 65536u

typedef struct RecordFile {
        char *writer;
        char *component,
                *set;    /* "path/name": whose file set it is, and the one that was added to the backup */
        char *tree_path; /* in the point */
        char *path;      /* by the file set's own name of its directory */
        char *pattern;
        bool recursive, directory, ok;
} RecordFile;

typedef struct Record {
        RecordFile *files;
        size_t n;
} Record;

void record_clear(Record *record);
/* 0; -EBADMSG and the line; another negative errno. */
int record_read(int fd, Record *ret_record, unsigned *ret_line);
