/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a backup has to read for one explicit component: walks, and what to do with each file they find
 *
 * From what the writer declared of the component and of those that come with it, and from what it left with
 * it in the document. Excluded files are left out whatever else is said of them; then files that the writer
 * named as differenced count by their time, those it named as partial by their ranges, and the others by the
 * backup mask of their file set.
 */

#include <stdint.h>
#include "model/filespec.h"
#include "model/why.h"
#include "util/value.h"

/* File sets and exclusions of one component. */
#define JOBS_MAX 200000u

typedef struct FileJob {
        char *component; /* "logical/path/name" of the component it is declared for */
        const vss_value
                *set;    /* as declared, borrowed; NULL for what the writer named in the document only */
        char *directory; /* where its files belong, resolved */
        char *source;    /* where they are read, resolved; the same unless there is an alternate path */
        const char *filespec; /* borrowed */
        bool recursive;
        bool wanted;   /* its mask has this type of backup save its files */
        bool snapshot; /* ... from the shadow copy, and from nowhere else */
} FileJob;

typedef struct FilePlace {
        char *directory;        /* resolved */
        const vss_value *entry; /* borrowed */
} FilePlace;

typedef struct FilePlaces {
        FilePlace *items;
        size_t n;
} FilePlaces;

typedef struct FileJobs {
        FileJob *jobs;
        size_t n;
        FilePlaces excludes, differenced, partial;
        int64_t last_backup_usec;
} FileJobs;

typedef struct FileJobsInput {
        const vss_value *metadata;            /* the writer's */
        const vss_value *component;           /* in the document, explicit */
        const vss_value *explicit_components; /* all of the writer's in the document */
        enum vss_backup_type type;
        int64_t last_backup_usec; /* when the requester last saved it; 0: never */
} FileJobsInput;

void file_jobs_clear(FileJobs *jobs);
#define _cleanup_file_jobs_ _cleanup_(file_jobs_clear)

/* All values are borrowed for the life of the jobs. Return: VSS_S_OK; VSS_E_INVALIDARG for a path that means
 * nothing here (a variable that is not set, for instance), or ranges that are none; VSS_E_OUTOFMEMORY. */
vss_result file_jobs_make(const FileJobsInput *input, FileJobs *ret_jobs, Why *why);

typedef enum FileChoice {
        FILE_LEFT_OUT, /* excluded */
        FILE_NOT_NEEDED,
        FILE_WHOLE,
        FILE_PARTIAL,
} FileChoice;

/*
 * file_jobs_choose() - what becomes of a file that a job has found
 * @path:        where it belongs, resolved
 * @mtime_usec:  when it was last modified
 * @ret_partial: FILE_PARTIAL: the writer's entry, borrowed
 */
FileChoice file_jobs_choose(const FileJobs *jobs, const FileJob *job, const char *path, int64_t mtime_usec,
                            const vss_value **ret_partial);
