/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * postgresql-load SOCKET-DIRECTORY PORT FILE - commits that are counted, until SIGTERM
 *
 * Each transaction adds a row to "counter" and changes others; FILE gets a line "N SENT_USEC ACK_USEC" for
 * each once it is committed. Who loses the server ends with status 1.
 */

#include <libpq-fe.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"
#include "util/macro.h"

static volatile sig_atomic_t ended;

static void on_signal(int number) {
        ended = 1;
}

static bool execute(PGconn *connection, const char *statement) {
        PGresult *result = PQexec(connection, statement);
        ExecStatusType status = PQresultStatus(result);

        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
                fprintf(stderr, "%s: %s", statement, PQerrorMessage(connection));
        PQclear(result);
        return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static unsigned long first_number(PGconn *connection) {
        PGresult *result = PQexec(connection, "SELECT coalesce(max(n), 0) FROM counter");
        unsigned long n = PQresultStatus(result) == PGRES_TUPLES_OK
                                  ? strtoul(PQgetvalue(result, 0, 0), NULL, 10)
                                  : 0;

        PQclear(result);
        return n;
}

int main(int argc, char **argv) {
        struct sigaction action = { .sa_handler = on_signal };
        char statement[400];
        PGconn *connection;
        unsigned long n;
        FILE *file;

        if (argc != 4)
                return 2;
        (void)sigaction(SIGTERM, &action, NULL);
        connection = PQsetdbLogin(argv[1], argv[2], NULL, NULL, "postgres", "postgres", NULL);
        file = fopen(argv[3], "we");
        if (!file || PQstatus(connection) != CONNECTION_OK) {
                fprintf(stderr, "%s\n", file ? PQerrorMessage(connection) : argv[3]);
                return 1;
        }
        for (n = first_number(connection) + 1; !ended; n++) {
                uint64_t sent = now_usec();

                (void)snprintf(statement, sizeof(statement),
                               "BEGIN; INSERT INTO counter VALUES (%lu, repeat('x', 200)); UPDATE pairs SET "
                               "n = %lu, t = md5('%lu') "
                               "WHERE id = %lu %% 2000; COMMIT",
                               n, n, n, n * 7919);
                if (!execute(connection, statement))
                        return 1;
                fprintf(file, "%lu %lu %lu\n", n, (unsigned long)sent, (unsigned long)now_usec());
                (void)fflush(file);
        }
        PQfinish(connection);
        return fclose(file) == 0 ? 0 : 1;
}
