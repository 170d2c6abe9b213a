/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A connection to a server, with a deadline for everything
 *
 * The client library's own non-blocking calls are used, so that a server that does not answer costs no more
 * than its deadline. A statement that was given up may go on waiting in the server: what may wait there has
 * a limit of its own (max_statement_time), and client_cancel() ends it from a second connection.
 *
 * Functions return 0 or a negative errno: -ETIMEDOUT, -ECONNRESET when the connection is lost, -EACCES when
 * the server refuses this user, -EUSERS when it has no connection left, -EREMOTEIO for an error of the
 * server; the words are in Client.error.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/macro.h"

struct st_mysql;
struct st_mysql_res;

typedef struct ClientAddress {
        const char *socket;
        const char *user;
        const char *file; /* with a password, perhaps; NULL: none */
} ClientAddress;

typedef struct Client {
        struct st_mysql *mysql; /* NULL: not connected */
        unsigned long thread;   /* the server's number of this connection */
        unsigned code;          /* the server's number of the last error */
        char error[512];
} Client;

int client_connect(Client *client, const ClientAddress *address, uint64_t deadline_usec);
/* What to do about a connection that could not be made, to be put behind the words; "" most often. */
const char *client_advice(int error);
/* @ret_rows: for client_free_rows(); NULL if nobody wants them. */
int client_run(Client *client, const char *sql, uint64_t deadline_usec, struct st_mysql_res **ret_rows);
/* The same with a statement made as printf() does. */
int client_runf(Client *client, uint64_t deadline_usec, struct st_mysql_res **ret_rows, const char *format,
                ...) _printf_(4, 5);
/* The next row: its fields, NULL where the server says NULL; NULL after the last. */
char **client_row(struct st_mysql_res *rows);
unsigned client_columns(const struct st_mysql_res *rows);
struct st_mysql_res *client_free_rows(struct st_mysql_res *rows);
DEFINE_CLEANUP(struct st_mysql_res *, client_free_rows)
#define _cleanup_rows_ _cleanup_(client_free_rowsp)

/* The first field of the first row, copied; "" if there is none. */
int client_get(Client *client, const char *sql, uint64_t deadline_usec, char *ret_text, size_t size);
/* End what @client's connection does in the server, and the connection: it may be waiting there. */
void client_cancel(Client *client, const ClientAddress *address, uint64_t deadline_usec);
/* Never waits. */
void client_close(Client *client);
