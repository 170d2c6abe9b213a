/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Holds: one per instance of a set, all worked on side by side
 *
 * A running server is held by one session (BACKUP STAGE): its locks end with the session, which ends with
 * this process, and by itself when it has been idle for HOLD_LEASE_SECONDS. No setting of the server is
 * changed but the session's own. A server that does not run is held down: by a lock on two of its files that
 * a server which starts waits for.
 */

#include "writers/mariadb/instance.h"
#include "writers/mariadb/redo.h"

/* From PrepareSnapshot to Freeze, and from there to Thaw. */
#define HOLD_PREPARE_SECONDS 900u
#define HOLD_LEASE_SECONDS 60u
#define ARIA_CONTROL_MAX 512u

/* Where the server stood. */
typedef struct Position {
        char binlog_file[512], binlog_position[32];
        char gtid_binlog[2048], gtid_slave[2048];
        char wsrep[128];                           /* of Galera: UUID:SEQNO */
        uint64_t log_end, log_written, checkpoint; /* of InnoDB */
} Position;

typedef struct Hold {
        const Instance *instance;
        ClientAddress address;
        Client client;
        int locks[2];           /* of a server that does not run; -1 */
        uint64_t deadline_usec; /* of the work under way */
        bool one_instant;       /* all its files are cut at one */
        bool prepared, frozen;
        /* at Freeze */
        Position position;
        ReplicaList replicas;
        bool has_redo; /* its format is known */
        RedoHeader redo;
        unsigned char aria[ARIA_CONTROL_MAX];
        ssize_t n_aria; /* -1: there is none */
        /* at Thaw */
        uint64_t log_end, checkpoint;
        /* how it failed; VSS_S_OK if it did not */
        vss_result code;
        bool told;
        char text[1024];
} Hold;

typedef struct HoldSet {
        Hold items[INSTANCES_MAX];
        size_t n;
} HoldSet;

void hold_fail(Hold *hold, vss_result code, const char *format, ...) _printf_(3, 4);
/* Work on all that have not failed, each in a thread. */
void hold_each(HoldSet *set, void (*work)(Hold *hold));
void hold_prepare(Hold *hold);
void hold_freeze(Hold *hold);
void hold_thaw(Hold *hold);
/* Without a word: the server notices the end of the connection. */
void hold_end(Hold *hold);

/* position.c. Return: 0 or a negative errno, with the words in the client. */
int position_read_logs(Client *client, enum ServerKind kind, uint64_t deadline_usec, Position *position);
int position_read_innodb(Client *client, enum ServerKind kind, uint64_t deadline_usec, Position *position);

/* repair.c: after Thaw, what the copy needs to be recovered. @copy_of: maps a path to its copy; false if
 * there is none. */
typedef bool (*copy_of_fn)(void *userdata, const char *path, char *ret_path, size_t size);
void hold_repair(Hold *hold, copy_of_fn copy_of, void *userdata);
/* At Freeze: what hold_repair() goes by. */
int hold_note_files(Hold *hold);
