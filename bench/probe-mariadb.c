/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client of MariaDB
 */

#include <mysql.h>
#include <stdio.h>
#include "bench/probe.h"

static void *open_server(const char *where) {
        MYSQL *connection = mysql_init(NULL);

        if (connection && mysql_real_connect(connection, NULL, "root", NULL, "bench", 0, where, 0))
                return connection;
        fprintf(stderr, "%s\n", connection ? mysql_error(connection) : "no memory");
        if (connection)
                mysql_close(connection);
        return NULL;
}

static bool commit(void *connection, uint64_t n) {
        if (mysql_query(connection, "UPDATE probe SET n = n + 1") == 0)
                return true;
        fprintf(stderr, "%s\n", mysql_error(connection));
        return false;
}

const ProbeEngine probe_mariadb = { .name = "mariadb", .open = open_server, .commit = commit };
