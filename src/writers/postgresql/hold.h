/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One cluster in one shadow copy set
 *
 * Nothing of PostgreSQL is ever frozen. A copy that is cut at one instant is what a crash leaves, and is
 * recovered as such. For any other one the server is told that a backup is made: pg_backup_start in
 * PrepareSnapshot, pg_backup_stop when the copy is cut, both on one session that is held in between; if it
 * ends, however it ends, the server gives the backup up by itself. What of the log was written in between is
 * added to the copy.
 *
 * Functions without a call may run in a thread for each cluster.
 */

#include <linuxvss/writer.h>
#include "writers/postgresql/backup-info.h"
#include "writers/postgresql/cluster.h"

/* What a server that is down would not leave as it is. */
typedef struct ControlTrace {
        ino_t inode;
        struct timespec changed;
} ControlTrace;

typedef struct Hold {
        Cluster *cluster;
        const PgSettings *settings;
        const char *set_id;
        enum vss_backup_type type;
        Stamp previous; /* of a log backup */
        uint64_t deadline_usec;
        uint64_t began_usec; /* a date */

        PgFacts facts;
        PgMode mode;
        Sql *sql; /* held while a backup is under way */
        BackupInfo info;
        uint64_t to_replay; /* bytes of log since the last checkpoint */
        ControlTrace trace;
        bool stopped; /* the backup has been ended, and info has its label */
        bool slot;    /* the session has one of its own, which keeps the log */
        char name_of_slot[64];
        vss_result code; /* what went wrong */
        char why[1200];
        bool told;
} Hold;

void hold_clear(Hold *hold);
/* PrepareSnapshot: @facts.one_instant and all above are set. */
void hold_prepare(Hold *hold);
/* Freeze: is it still as it was? Without waiting for anything. */
void hold_check(Hold *hold);
/* Thaw: the copy is cut. */
void hold_thaw(Hold *hold);
/* PostSnapshot: what belongs to the copy is written into it, and told. */
void hold_finish(Hold *hold, vss_writer_call *call);

void hold_fail(Hold *hold, vss_result code, const char *format, ...) _printf_(3, 4);

/* wal.c */

/* Where @path lies in the shadow copy, in post_snapshot and verify. Return: 0, -ENOENT, -ENAMETOOLONG. */
int copy_path(const vss_writer_call *call, const char *path, char *ret_path, size_t size);
/* Write @text as @directory/@name. */
int write_text(const char *directory, const char *name, const char *text);
/* All segments of @range, of one timeline, from the directory @from to the directory @to. @ret_name: which
 * one it was that failed. -ENODATA: it is not there. */
int wal_copy(const char *from, const char *to, uint32_t timeline, SegmentRange range, uint64_t segment_size,
             char ret_name[static SEGMENT_NAME_SIZE]);
/* Are all there? -ENODATA with the name of the first that is not. */
int wal_check(const char *directory, uint32_t timeline, SegmentRange range, uint64_t segment_size,
              char ret_name[static SEGMENT_NAME_SIZE]);
/* A copy of a small file that is written to: the same twice in a row. */
int copy_steady(const char *from, const char *to, uint64_t deadline_usec);
