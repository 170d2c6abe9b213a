/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Restores of clusters
 *
 * Before: the server is stopped, and what lies in its directories is moved aside. Afterwards: what the files
 * lack is made, the server is told how far to replay its log and started, and once it answers what was aside
 * goes. A full backup may be followed by log backups; only the last of them starts the server.
 */

#include "writers/postgresql/options.h"
#include "writers/postgresql/writer.h"

/* In the directory of data: a full backup was restored, and more is to come. */
#define MORE_MARK ".linuxvss-more"
/* Below pg_wal: what the full backup had there, while a log backup is put in its place. */
#define BASE_WAL ".linuxvss-base"

typedef struct Restore {
        vss_writer_call *call;
        bool dry, before; /* before the files: in pre_restore */
        const vss_value *component;
        const char *logical_path, *name;
        BackupInfo info;
        PgOptions options;
        Cluster *cluster; /* of the list, or own */
        Cluster own;
        const PgSettings *settings;
        bool failed;
        char why[2000];
} Restore;

void restore_fail(Restore *restore, vss_result code, const char *format, ...) _printf_(3, 4);
void restore_note(const Restore *restore, const char *format, ...) _printf_(2, 3);

/* places.c: directories. They return 0 or a negative errno, and tell which one it was. */

typedef int (*PlaceAction)(int directory_fd, const char *path, const char *const *keep, void *userdata);
/* For the directory of data, of the log, and of each tablespace, as they are and as they were; those that
 * are not there are left out. */
int restore_each_place(const Restore *restore, PlaceAction action, void *userdata, char *ret_path,
                       size_t size);
/* Links and directories that a server does not make by itself; its remains of another time. */
int restore_settle(const Restore *restore, char *ret_path, size_t size);
/* Before and after a log backup takes the place of the log. @keep_new: else it is thrown away. */
int restore_put_log_aside(const char *wal);
int restore_take_log(const char *wal, bool keep_new);
bool restore_has_log(const char *wal);
void restore_drop_log(const char *wal);

/* recover.c: the server is started, and replays its log. */
void restore_start(Restore *restore);
