/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Holders: one child per database, which holds its write lock while the writer is frozen
 *
 * A process of its own per database because closing any descriptor of a file drops all locks that the
 * process has on it. A holder runs as the owner of the database. The lock ends by itself: with the holder,
 * which dies with the broker, at the end of its socket, and by an alarm when the freeze has lasted too long.
 *
 * The broker sends a HolderOrder and gets a HolderReply for each; the first reply comes unasked when the
 * database is open and checkpointed.
 */

#include <linuxvss/types.h>
#include "writers/common/child.h"
#include "writers/sqlite/scan.h"

/* From the start to Freeze, and from Freeze to Thaw: then the holder ends, and its lock with it. */
#define HOLDER_PREPARE_SECONDS 900u
#define HOLDER_LEASE_SECONDS 60u
/* How long a Freeze waits for the transactions of an application. */
#define HOLDER_LOCK_MS 5000u

enum { HOLDER_FREEZE = 1, HOLDER_THAW = 2 };

typedef struct HolderOrder {
        uint32_t order;
        uint32_t limit_ms; /* FREEZE */
} HolderOrder;

typedef struct HolderReply {
        int32_t code; /* a vss_result */
        char text[1024];
} HolderReply;

typedef struct Holder {
        Child child;
        char *path, *logical_path, *name; /* the last two of its component */
        bool held;                        /* the lock was taken at Freeze */
        HolderReply reply;                /* the last one; code VSS_S_FALSE while it is awaited */
} Holder;

typedef struct HolderSet {
        Holder *items;
        size_t n;
} HolderSet;

/* What a child of a database is given. */
typedef struct HolderTask HolderTask;
struct sqlite3;
struct HolderTask {
        const Database *database;
        pid_t broker;
        int fd;
        struct sqlite3 *db;
        uint64_t deadline_usec; /* of the lock that is being waited for */
};

/* In a child that has become the owner: bounded memory, no core, no new rights. */
void database_limit_process(void);
/* Open it, trusting nothing that it says. Return: a result of SQLite; *@ret_db is to be closed also then. */
int database_open(const char *path, struct sqlite3 **ret_db);

/* Start a holder for @database; its first reply is awaited with holder_set_collect(). */
int holder_set_add(HolderSet *set, const Database *database);
/* The same with another child, which gets a HolderTask, and answers with one HolderReply by itself. */
int holder_set_add_main(HolderSet *set, const Database *database, child_main_fn child_main);
/* Send an order to all that have not failed; the answers are awaited with holder_set_collect(). */
void holder_set_order(HolderSet *set, uint32_t order, uint32_t limit_ms);
/* Wait for all answers; who is late is killed and gets VSS_E_WRITERERROR_TIMEOUT. */
void holder_set_collect(HolderSet *set, uint64_t deadline_usec);
/* End all; who does not end by @deadline_usec is killed. */
void holder_set_end(HolderSet *set, uint64_t deadline_usec);
