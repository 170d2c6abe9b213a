/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files of a backup: from what a writer declared and said to what is read where
 *
 * Pure. A plan is made for one writer, after the shadow copies are: writers may add to it until
 * PostSnapshot. It is a list of jobs, one file set each, in the order of the components; while the files of
 * a job are walked, each is asked about. A file that several jobs cover is taken by one of them: differenced
 * files before partial ones before file sets, then the first.
 */

#include "model/filespec.h"

typedef enum FileJobKind {
        FILE_JOB_DIFFERENCED, /* only what was modified since a date */
        FILE_JOB_PARTIAL,     /* only ranges of one file */
        FILE_JOB_SET,
} FileJobKind;

typedef struct FileJob {
        FileJobKind kind;
        bool needed;         /* else @reason says why not */
        bool from_snapshot;  /* must be read from the shadow copy */
        bool may_be_missing; /* nothing to match is no failure: a pattern */
        bool recursive;
        char *source;    /* the directory to read: the alternate path, if there is one; absolute, normal */
        char *directory; /* its default path: files are known and restored by it, and excludes match it */
        const char *filespec;        /* of @entry */
        const char *reason;          /* static */
        int64_t modified_after_usec; /* FILE_JOB_DIFFERENCED: 0: take all */
        const vss_value *entry;      /* the file set, partial file or differenced files */
        const vss_value *component;  /* whose it is, in the metadata; NULL if only the document has it */
        const vss_value *
                explicit_component; /* in the document, that it comes with; without a selection @component */
} FileJob;

typedef struct FilePlan FilePlan;

typedef struct FilePlanRules {
        enum vss_backup_type type;
        bool partial_file_support;
        /* Each backup is to be whole by itself: unless it is one of logs, its type and dates leave nothing
         * out.
         */
        bool everything;
        int64_t last_backup_usec; /* the requester's own: for differenced files that name no date */
        FilespecLookup lookup;    /* variables; may be NULL */
        void *userdata;
        /* Where a directory lies, without links, allocated: excludes count there, too. May be NULL. */
        char *(*resolve)(const char *directory);
} FilePlanRules;

/**
 * file_plan_new() - the jobs of one writer
 * @metadata:   the writer's; borrowed as long as the plan lives
 * @components: its list in the Backup Components Document; borrowed too; NULL: without a selection, all of
 * them
 *
 * Return: 0, -ENOMEM.
 */
int file_plan_new(const vss_value *metadata, const vss_value *components, const FilePlanRules *rules,
                  FilePlan **ret_plan);
FilePlan *file_plan_free(FilePlan *plan);
size_t file_plan_count(const FilePlan *plan);
const FileJob *file_plan_job(const FilePlan *plan, size_t index);
/* What cannot be read: list of {logical-path, name, path, reason}; such a component fails. */
const vss_value *file_plan_problems(const FilePlan *plan);
/* What a writer did wrong without harm: list of texts. */
const vss_value *file_plan_warnings(const FilePlan *plan);

typedef struct FileDecision {
        bool take;
        const vss_value *partial; /* take only the ranges that this says; NULL: the whole file */
        char reason[320];         /* why not, or why only a part; "" for a whole file */
} FileDecision;

/* Is this file taken by this job? @below: its path below the job's directory. */
void file_plan_decide(const FilePlan *plan, const FileJob *job, const char *below, int64_t modified_usec,
                      FileDecision *ret_decision);
/* Are all files at and below this directory excluded, so that it need not be looked into? */
bool file_plan_excludes_directory(const FilePlan *plan, const FileJob *job, const char *below);
/* Does the writer exclude this file, or all that is at and below this directory? @path is absolute and
 * normal. */
bool file_plan_excludes(const FilePlan *plan, const char *path, bool is_directory);
