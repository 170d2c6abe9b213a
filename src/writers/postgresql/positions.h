/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What PostgreSQL says of itself in texts: positions in its log, names of segments, postmaster.pid,
 * pg_controldata
 *
 * Pure. Functions return 0 or a negative errno; results are set on success only.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint64_t Lsn; /* a byte of the write-ahead log */

#define LSN_SIZE 20u
#define SEGMENT_NAME_SIZE 25u
#define STAMP_SIZE 80u

/* "16/B374D848". -EINVAL. */
int lsn_parse(const char *text, Lsn *ret_lsn);
const char *lsn_format(Lsn lsn, char text[static LSN_SIZE]);

/* The name of a segment in pg_wal. */
void segment_name(uint32_t timeline, uint64_t number, uint64_t segment_size,
                  char ret_name[static SEGMENT_NAME_SIZE]);
bool segment_is_name(const char *name);

/* Which segments hold [@from, @to)? A position at the start of a segment is the end of the one before. */
typedef struct SegmentRange {
        uint64_t first, last; /* inclusive */
} SegmentRange;

SegmentRange segment_range(Lsn from, Lsn to, uint64_t segment_size);

/* Where a backup ended: what a log backup on top of it goes on from. */
typedef struct Stamp {
        char system_id[24];
        uint32_t timeline;
        Lsn lsn;
} Stamp;

/* -EINVAL for a text that is not ours. */
int stamp_parse(const char *text, Stamp *ret_stamp);
void stamp_format(const Stamp *stamp, char ret_text[static STAMP_SIZE]);

/* postmaster.pid, as far as it is written: a server that starts adds line after line. */
typedef struct PidFile {
        pid_t pid;
        char data[PATH_MAX];
        unsigned port;        /* 0: not known yet */
        char socket_dir[108]; /* "": none, or not known yet */
        bool ready;           /* it answers, */
        bool standby;         /* as a standby */
        bool stopping;
} PidFile;

int pid_file_parse(const char *text, PidFile *ret_file);

/* What pg_controldata prints in the C locale. */
typedef struct Control {
        char system_id[24];
        char state[64]; /* "in production", "shut down", ... */
        uint32_t timeline;
        Lsn checkpoint, redo;
        uint64_t segment_size;
        bool checksums;
        /* What a server needs at least to replay the log. */
        unsigned max_connections, max_worker_processes, max_wal_senders, max_prepared_xacts,
                max_locks_per_xact;
} Control;

/* -EBADMSG if anything of it is missing. */
int control_parse(const char *text, Control *ret_control);

/* How a cluster takes part in a set. */
typedef enum PgMode {
        PG_NONE,        /* not at all: it failed before */
        PG_STOPPED,     /* the server is down, and stays so */
        PG_ONE_INSTANT, /* all of it is cut at one instant: recovery does the rest */
        PG_BACKUP,      /* between pg_backup_start and pg_backup_stop */
        PG_LOG,         /* segments of the log alone */
} PgMode;

const char *pg_mode_name(PgMode mode);

typedef struct PgFacts {
        bool running, connected, one_instant, log_backup;
        /* Of a server that is connected. Without its flushes, or with pages that may be torn, one cut is no
         * crash that it would recover from. */
        bool fsync, full_page_writes;
} PgFacts;

/* PG_NONE if there is no way; @ret_why then says what is in the way (static), or is NULL if that is the
 * connection. */
PgMode pg_choose_mode(const PgFacts *facts, const char **ret_why);
