/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A connection to a server; see client.h
 */

#include <mysql.h>
#include <errmsg.h>
#include <mysqld_error.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include "util/clock.h"
#include "writers/common/child.h"
#include "writers/mariadb/client.h"

#define SQL_MAX 4096u
#define FULL_USEC (500 * USEC_PER_MSEC)
#define FULL_AGAIN_USEC (20 * USEC_PER_MSEC)

static void set_error(Client *client, unsigned code, const char *text) {
        client->code = code;
        (void)snprintf(client->error, sizeof(client->error), "%s",
                       text && text_is_clean(text) ? text : "unreadable");
}

static int classify(Client *client) {
        unsigned code = mysql_errno(client->mysql);

        set_error(client, code, mysql_error(client->mysql));
        switch (code) {
        case ER_ACCESS_DENIED_ERROR:
        case ER_DBACCESS_DENIED_ERROR:
        case ER_SPECIFIC_ACCESS_DENIED_ERROR:
        case ER_HOST_NOT_PRIVILEGED:
        case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
        case CR_AUTH_PLUGIN_CANNOT_LOAD:
                return -EACCES;
        case ER_CON_COUNT_ERROR:
        case ER_TOO_MANY_USER_CONNECTIONS:
        case ER_USER_LIMIT_REACHED:
                return -EUSERS;
        case CR_SERVER_GONE_ERROR:
        case CR_SERVER_LOST:
        case CR_CONNECTION_ERROR:
        case CR_CONN_HOST_ERROR:
        case ER_CONNECTION_KILLED:
                return -ECONNRESET;
        default:
                return -EREMOTEIO;
        }
}

/* Wait for what the library waits for. Return: what came, as the library says it; 0 when the time is over.
 */
static int wait_for(Client *client, int status, uint64_t deadline_usec) {
        uint64_t now = now_usec();
        int limit = deadline_usec <= now ? 0
                                         : (int)MIN((deadline_usec - now + 999) / 1000, UINT64_C(3600000));
        struct pollfd fd = {
                .fd = (int)mysql_get_socket(client->mysql),
                .events = (short)((status & MYSQL_WAIT_READ ? POLLIN : 0) |
                                  (status & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
                                  (status & MYSQL_WAIT_EXCEPT ? POLLPRI : 0)),
        };
        int r;

        do
                r = poll(&fd, 1, limit);
        while (r < 0 && errno == EINTR);
        if (r <= 0)
                return 0;
        return (fd.revents & (POLLIN | POLLHUP | POLLERR) ? MYSQL_WAIT_READ : 0) |
               (fd.revents & (POLLOUT | POLLHUP | POLLERR) ? MYSQL_WAIT_WRITE : 0) |
               (fd.revents & POLLPRI ? MYSQL_WAIT_EXCEPT : 0);
}

/* A connection in the middle of something is of no use any more. */
static int give_up(Client *client, const char *what) {
        set_error(client, 0, what);
        return -ETIMEDOUT;
}

static int try_connect(Client *client, const ClientAddress *address, uint64_t deadline_usec) {
        unsigned seconds = 3600;
        MYSQL *connected = NULL;
        int status;

        *client = (Client){ .mysql = mysql_init(NULL) };
        if (!client->mysql)
                return -ENOMEM;
        (void)mysql_options(client->mysql, MYSQL_OPT_NONBLOCK, NULL);
        /* Ours are shorter; the library's would begin anew with each packet. */
        (void)mysql_options(client->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
        if (address->file) {
                (void)mysql_options(client->mysql, MYSQL_READ_DEFAULT_FILE, address->file);
                (void)mysql_options(client->mysql, MYSQL_READ_DEFAULT_GROUP, "client");
        }
        status = mysql_real_connect_start(&connected, client->mysql, NULL,
                                          address->file ? NULL : address->user, NULL, NULL, 0,
                                          address->socket, 0);
        while (status) {
                int came = wait_for(client, status, deadline_usec);

                if (came == 0) {
                        client_close(client);
                        return give_up(client, "it does not answer");
                }
                status = mysql_real_connect_cont(&connected, client->mysql, came);
        }
        if (!connected) {
                int r = classify(client);

                client_close(client);
                return r;
        }
        client->thread = mysql_thread_id(client->mysql);
        return 0;
}

int client_connect(Client *client, const ClientAddress *address, uint64_t deadline_usec) {
        uint64_t patience = MIN(deadline_usec, now_usec() + FULL_USEC);

        for (;;) {
                int r = try_connect(client, address, deadline_usec);

                /* The last one may be our own, which we have closed, and which the server has yet to notice.
                 */
                if (r != -EUSERS || now_usec() + FULL_AGAIN_USEC >= patience)
                        return r;
                (void)usleep(FULL_AGAIN_USEC);
        }
}

const char *client_advice(int error) {
        switch (error) {
        case -EUSERS:
                return ": all connections are taken: end one, or raise max_connections; for an account with "
                       "the "
                       "right CONNECTION ADMIN one more is kept";
        case -ECONNRESET:
                return ": it is starting or stopping: try again when it lets clients in";
        default:
                return "";
        }
}

int client_run(Client *client, const char *sql, uint64_t deadline_usec, MYSQL_RES **ret_rows) {
        MYSQL_RES *rows = NULL;
        int status, failed = 0;

        if (!client->mysql) {
                set_error(client, CR_SERVER_LOST, "the connection is lost");
                return -ECONNRESET;
        }
        for (status = mysql_real_query_start(&failed, client->mysql, sql, strlen(sql)); status;) {
                int came = wait_for(client, status, deadline_usec);

                if (came == 0)
                        return give_up(client, "no answer in time");
                status = mysql_real_query_cont(&failed, client->mysql, came);
        }
        if (failed)
                return classify(client);
        for (status = mysql_store_result_start(&rows, client->mysql); status;) {
                int came = wait_for(client, status, deadline_usec);

                if (came == 0)
                        return give_up(client, "no answer in time");
                status = mysql_store_result_cont(&rows, client->mysql, came);
        }
        if (!rows && mysql_field_count(client->mysql) > 0)
                return classify(client);
        if (ret_rows && !rows) {
                set_error(client, 0, "no rows");
                return -EREMOTEIO;
        }
        if (ret_rows)
                *ret_rows = rows;
        else
                mysql_free_result(rows);
        return 0;
}

int client_runf(Client *client, uint64_t deadline_usec, MYSQL_RES **ret_rows, const char *format, ...) {
        char sql[SQL_MAX];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(sql, sizeof(sql), format, args);
        va_end(args);
        if (n < 0 || n >= (int)sizeof(sql))
                return -E2BIG;
        return client_run(client, sql, deadline_usec, ret_rows);
}

char **client_row(MYSQL_RES *rows) {
        return mysql_fetch_row(rows);
}

unsigned client_columns(const MYSQL_RES *rows) {
        return mysql_num_fields((MYSQL_RES *)rows);
}

MYSQL_RES *client_free_rows(MYSQL_RES *rows) {
        mysql_free_result(rows);
        return NULL;
}

int client_get(Client *client, const char *sql, uint64_t deadline_usec, char *ret_text, size_t size) {
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        char **row;
        int r;

        r = client_run(client, sql, deadline_usec, &rows);
        if (r < 0)
                return r;
        row = client_row(rows);
        (void)snprintf(ret_text, size, "%s", row && row[0] ? row[0] : "");
        return 0;
}

void client_cancel(Client *client, const ClientAddress *address, uint64_t deadline_usec) {
        unsigned long thread = client->thread;
        Client second;

        client_close(client);
        if (thread == 0 || client_connect(&second, address, deadline_usec) < 0)
                return;
        (void)client_runf(&second, deadline_usec, NULL, "KILL %lu", thread);
        client_close(&second);
}

void client_close(Client *client) {
        if (!client->mysql)
                return;
        /* Its good-bye must not wait for room in the socket: the end of the socket says it as well. */
        (void)shutdown((int)mysql_get_socket(client->mysql), SHUT_RDWR);
        mysql_close(client->mysql);
        client->mysql = NULL;
}
