/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One session with a server, over its socket; everything has a deadline
 *
 * A session may be used by one thread at a time. What went wrong is kept in it, in words for people.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/macro.h"

#define SQL_WHY_SIZE 700u

typedef struct Sql Sql;

typedef struct SqlTarget {
        const char *socket_dir;
        unsigned port;
        const char *user, *database;
} SqlTarget;

/*
 * sql_open() - connect; the session has no time limits of its own, whatever the server's settings
 * @ret_why:   SQL_WHY_SIZE bytes
 * Return: 0; -EAGAIN while the server starts; -ECONNREFUSED, when nobody listens; -EUSERS when it has no
 * connection left; -EACCES when it does not let us in; -ETIMEDOUT; -EIO for other reasons.
 */
int sql_open(const SqlTarget *target, uint64_t deadline_usec, Sql **ret_sql, char *ret_why);
/* Also while a query is under way. */
Sql *sql_close(Sql *sql);
DEFINE_CLEANUP(Sql *, sql_close)

/* One statement, parameters $1 and on as texts. Return: 0 with its rows kept until the next one; -EACCES
 * when a right is missing; -ETIMEDOUT (of the session nothing but its end can be expected then); -EPIPE when
 * the session is gone; -EIO when it failed. */
int sql_run(Sql *sql, uint64_t deadline_usec, const char *statement, size_t n_parameters,
            const char *const *parameters);
size_t sql_count(const Sql *sql);
/* "" for NULL, and beyond what there is. */
const char *sql_value(const Sql *sql, size_t row, size_t column);
bool sql_is_true(const Sql *sql, size_t row, size_t column);
const char *sql_why(const Sql *sql);
/* As server_version_num: 150018. */
int sql_version(const Sql *sql);
/* Has the server not ended it? Without waiting for anything. */
bool sql_is_alive(Sql *sql);
