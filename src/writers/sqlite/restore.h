/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Restores of SQLite databases
 *
 * Before: nobody has the database open, and what lies beside it is gone, so that no old log is taken for one
 * of the files that come. Afterwards: SQLite finds them sound.
 */

#include <linuxvss/writer.h>
#include "writers/sqlite/scan.h"

/* Events of the table. */
vss_result sqlite_pre_restore(vss_writer_call *call);
vss_result sqlite_post_restore(vss_writer_call *call);

/* verify.c */
vss_result sqlite_verify(vss_writer_call *call);

/* "PRAGMA quick_check", as the owner, in a child. Return: a result of SQLite; @first (256 bytes) has what it
 * found, "ok" if nothing. */
int database_check(const char *path, char *first);

/* users.c */

#define USERS_END UINT32_MAX

typedef struct UsersOrder {
        const DatabaseList *databases;
        uint64_t deadline_usec;
        pid_t broker;
} UsersOrder;

/* One process that has a database open; the last has USERS_END for @index. */
typedef struct UsersMessage {
        uint32_t index, pid;
        char command[32];
} UsersMessage;

/* A child_main_fn. */
int users_main(int fd, void *order);
