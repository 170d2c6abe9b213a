/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client of PostgreSQL
 */

#include <libpq-fe.h>
#include <stdio.h>
#include "bench/probe.h"

static void *open_server(const char *where) {
        PGconn *connection = PQconnectdb(where);

        if (PQstatus(connection) == CONNECTION_OK)
                return connection;
        fputs(PQerrorMessage(connection), stderr);
        PQfinish(connection);
        return NULL;
}

static bool commit(void *connection, uint64_t n) {
        PGresult *result = PQexec(connection, "UPDATE probe SET n = n + 1");
        bool good = PQresultStatus(result) == PGRES_COMMAND_OK;

        if (!good)
                fputs(PQerrorMessage(connection), stderr);
        PQclear(result);
        return good;
}

const ProbeEngine probe_postgresql = { .name = "postgresql", .open = open_server, .commit = commit };
