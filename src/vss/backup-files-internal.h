/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the list of a backup's files and its record share
 */

#include "model/file-plan.h"
#include "vss/backup-files.h"

/* A file, or directory, of a component. */
typedef struct FileRecord {
        char *path;   /* in the point */
        char *source; /* where it is read, if that is elsewhere */
        bool live;    /* there as it is now, and not in a shadow copy */
        bool is_directory, is_mount_point, failed;
        bool beside; /* of no file set: it holds the ranges of a partial file */
        size_t plan; /* its writer's */
        const FileJob *job;
        const vss_value *partial;
} FileRecord;

/* An explicit component, or of whole volumes any. */
typedef struct FileOwner {
        size_t plan;
        const vss_value *component;
        bool partial; /* of whole volumes: some of its files lie elsewhere */
        size_t n_files, n_failed;
        char *reason; /* of the first failure */
} FileOwner;

typedef struct WriterFiles {
        const vss_value *metadata;
        FilePlan *plan;
} WriterFiles;

struct BackupFiles {
        bool chosen;          /* components were chosen: their files are listed */
        bool as_they_are;     /* there are no shadow copies: what would be read now is listed */
        int live_fd, here_fd; /* "/" as it is now, and where the shadow copies are seen */
        dev_t *devices;       /* of the shadow copies */
        size_t n_devices;
        WriterFiles *writers;
        size_t n_writers;
        FileOwner *owners;
        size_t n_owners;
        FileRecord *records; /* by their paths */
        size_t n_records, allocated;
};

const char *files_writer_name(const BackupFiles *files, size_t plan);
/* A failure of an owner's. */
void files_fail_owner(FileOwner *owner, const char *path, const char *why);
/* The owner of a job's files; NULL if there is none. */
FileOwner *files_find_owner(BackupFiles *files, size_t plan, const vss_value *component);
