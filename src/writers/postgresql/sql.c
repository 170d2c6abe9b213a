/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One session with a server
 */

#include <libpq-fe.h>
#include <poll.h>
#include <string.h>
#include "util/clock.h"
#include "writers/common/child.h"
#include "writers/postgresql/sql.h"

struct Sql {
        PGconn *connection;
        PGresult *result; /* of the last statement */
        char why[SQL_WHY_SIZE];
};

Sql *sql_close(Sql *sql) {
        if (!sql)
                return NULL;
        PQclear(sql->result);
        PQfinish(sql->connection);
        free(sql);
        return NULL;
}

/* In one line, and without what is no text. */
static void set_why(char *why, const char *text) {
        size_t n;

        (void)snprintf(why, SQL_WHY_SIZE, "%.*s", (int)SQL_WHY_SIZE - 1, text ?: "");
        n = strlen(why);
        while (n > 0 && (unsigned char)why[n - 1] <= ' ')
                why[--n] = '\0';
        for (char *p = why; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = ' ';
        if (!text_is_clean(why))
                (void)snprintf(why, SQL_WHY_SIZE, "the server said something that cannot be shown");
}

/* Return: 0 when it can go on; -ETIMEDOUT. */
static int wait_for(const PGconn *connection, short events, uint64_t deadline_usec) {
        struct pollfd fd = { .fd = PQsocket(connection), .events = events };

        for (;;) {
                uint64_t now = now_usec();
                int n;

                if (now >= deadline_usec)
                        return -ETIMEDOUT;
                n = poll(&fd, 1, (int)MIN((deadline_usec - now) / 1000 + 1, UINT64_C(60000)));
                if (n > 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
}

/* What the words of a server that did not let us in mean; they carry no code. */
static int classify(const char *why) {
        static const struct {
                const char *words;
                int error;
        } known[] = {
                { "is starting up", -EAGAIN },
                { "not yet accepting connections", -EAGAIN },
                { "is not accepting connections", -EAGAIN },
                { "No such file or directory", -ECONNREFUSED },
                { "Connection refused", -ECONNREFUSED },
                { "is shutting down", -ECONNREFUSED },
                { "too many clients already", -EUSERS },
                { "remaining connection slots are reserved", -EUSERS },
                { "too many connections for", -EUSERS },
                { "no password supplied", -EACCES },
                { "authentication failed", -EACCES },
                { "pg_hba.conf", -EACCES },
                { "does not exist", -EACCES },
                { "not permitted to log in", -EACCES },
                { "permission denied", -EACCES },
        };

        FOREACH_ELEMENT (k, known)
                if (strstr(why, k->words))
                        return k->error;
        return -EIO;
}

static int connect_by(PGconn *connection, uint64_t deadline_usec) {
        PostgresPollingStatusType state = PGRES_POLLING_WRITING;

        if (!connection || PQstatus(connection) == CONNECTION_BAD)
                return connection ? -EIO : -ENOMEM;
        while (state != PGRES_POLLING_OK) {
                int r;

                if (state == PGRES_POLLING_FAILED)
                        return -EIO;
                r = wait_for(connection, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_usec);
                if (r < 0)
                        return r;
                state = PQconnectPoll(connection);
        }
        return PQsetnonblocking(connection, 1) < 0 ? -EIO : 0;
}

int sql_open(const SqlTarget *target, uint64_t deadline_usec, Sql **ret_sql, char *ret_why) {
        char port[16];
        const char *const keys[] = {
                "host",    "port",       "user",    "dbname", "application_name", "client_encoding",
                "sslmode", "gssencmode", "options", NULL
        };
        const char *const values[] = { target->socket_dir,
                                       port,
                                       target->user,
                                       target->database,
                                       "linuxvss",
                                       "UTF8",
                                       "disable",
                                       "disable",
                                       "-c lc_messages=C -c statement_timeout=0 -c lock_timeout=0",
                                       NULL };
        /* Without the right to choose a language there are words in another one. */
        const char *const modest[] = { target->socket_dir,
                                       port,
                                       target->user,
                                       target->database,
                                       "linuxvss",
                                       "UTF8",
                                       "disable",
                                       "disable",
                                       "-c statement_timeout=0 -c lock_timeout=0",
                                       NULL };
        int r = -EIO;

        (void)snprintf(port, sizeof(port), "%u", target->port);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_(sql_closep) Sql *sql = calloc(1, sizeof(*sql));

                if (!sql)
                        return -ENOMEM;
                sql->connection = PQconnectStartParams(keys, i == 0 ? values : modest, 0);
                r = connect_by(sql->connection, deadline_usec);
                if (r >= 0 && PQserverVersion(sql->connection) >= 140000)
                        r = sql_run(sql, deadline_usec, "SET idle_session_timeout = 0", 0, NULL);
                if (r >= 0) {
                        *ret_sql = TAKE_PTR(sql);
                        return 0;
                }
                if (r == -ETIMEDOUT) {
                        set_why(ret_why, "it does not answer in time");
                        return r;
                }
                set_why(ret_why, sql->connection ? PQerrorMessage(sql->connection) : "out of memory");
                r = classify(ret_why);
                if (!strstr(ret_why, "lc_messages"))
                        break;
        }
        return r;
}

/* All that was sent is with the server. */
static int flush(Sql *sql, uint64_t deadline_usec) {
        int r;

        while ((r = PQflush(sql->connection)) > 0) {
                r = wait_for(sql->connection, POLLIN | POLLOUT, deadline_usec);
                if (r < 0)
                        return r;
                if (!PQconsumeInput(sql->connection))
                        return -EPIPE;
        }
        return r < 0 ? -EPIPE : 0;
}

static int collect(Sql *sql, uint64_t deadline_usec) {
        int r = flush(sql, deadline_usec);

        while (r >= 0) {
                PGresult *result;

                while (PQisBusy(sql->connection)) {
                        r = wait_for(sql->connection, POLLIN, deadline_usec);
                        if (r < 0)
                                return r;
                        if (!PQconsumeInput(sql->connection))
                                return -EPIPE;
                }
                result = PQgetResult(sql->connection);
                if (!result)
                        return 0;
                /* Of one statement there is one; the first error is the one to tell. */
                if (sql->result)
                        PQclear(result);
                else
                        sql->result = result;
        }
        return r;
}

static int judge(Sql *sql) {
        ExecStatusType status = sql->result ? PQresultStatus(sql->result) : PGRES_FATAL_ERROR;
        const char *code;

        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
                return 0;
        set_why(sql->why, sql->result ? PQresultErrorMessage(sql->result) : PQerrorMessage(sql->connection));
        code = sql->result ? PQresultErrorField(sql->result, PG_DIAG_SQLSTATE) : NULL;
        if (PQstatus(sql->connection) == CONNECTION_BAD)
                return -EPIPE;
        return code && strcmp(code, "42501") == 0 ? -EACCES : -EIO;
}

int sql_run(Sql *sql, uint64_t deadline_usec, const char *statement, size_t n_parameters,
            const char *const *parameters) {
        int r;

        PQclear(sql->result);
        sql->result = NULL;
        sql->why[0] = '\0';
        if (!PQsendQueryParams(sql->connection, statement, (int)n_parameters, NULL, parameters, NULL, NULL,
                               0)) {
                set_why(sql->why, PQerrorMessage(sql->connection));
                return -EPIPE;
        }
        r = collect(sql, deadline_usec);
        if (r == -ETIMEDOUT)
                set_why(sql->why, "the server did not answer in time");
        else if (r < 0)
                set_why(sql->why, PQerrorMessage(sql->connection));
        return r < 0 ? r : judge(sql);
}

size_t sql_count(const Sql *sql) {
        return sql->result ? (size_t)PQntuples(sql->result) : 0;
}

const char *sql_value(const Sql *sql, size_t row, size_t column) {
        if (!sql->result || row >= sql_count(sql) || column >= (size_t)PQnfields(sql->result))
                return "";
        return PQgetvalue(sql->result, (int)row, (int)column);
}

bool sql_is_true(const Sql *sql, size_t row, size_t column) {
        return strcmp(sql_value(sql, row, column), "t") == 0;
}

const char *sql_why(const Sql *sql) {
        return sql->why;
}

int sql_version(const Sql *sql) {
        return PQserverVersion(sql->connection);
}

bool sql_is_alive(Sql *sql) {
        return PQconsumeInput(sql->connection) && PQstatus(sql->connection) == CONNECTION_OK;
}
