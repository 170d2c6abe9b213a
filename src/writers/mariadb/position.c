/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a server stands: its binary log, and InnoDB's own
 */

#include <mysql.h>
#include <string.h>
#include "writers/mariadb/hold.h"

static void take(char *to, size_t size, const char *from) {
        (void)snprintf(to, size, "%s", from ?: "");
}

static int read_mysql(Client *client, uint64_t deadline_usec, Position *position) {
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        char **row;
        int r;

        /* All of it in one consistent look. */
        r = client_run(client,
                       "SELECT LOCAL->>'$.binary_log_file', LOCAL->>'$.binary_log_position', "
                       "LOCAL->>'$.gtid_executed', "
                       "STORAGE_ENGINES->>'$.InnoDB.LSN', STORAGE_ENGINES->>'$.InnoDB.LSN_checkpoint' "
                       "FROM performance_schema.log_status",
                       deadline_usec, &rows);
        if (r < 0)
                return r;
        row = client_row(rows);
        if (!row || client_columns(rows) < 5)
                return -EREMOTEIO;
        take(position->binlog_file, sizeof(position->binlog_file), row[0]);
        take(position->binlog_position, sizeof(position->binlog_position), row[1]);
        take(position->gtid_binlog, sizeof(position->gtid_binlog), row[2]);
        position->log_end = position->log_written = row[3] ? strtoull(row[3], NULL, 10) : 0;
        position->checkpoint = row[4] ? strtoull(row[4], NULL, 10) : 0;
        return 0;
}

int position_read_logs(Client *client, enum ServerKind kind, uint64_t deadline_usec, Position *position) {
        _cleanup_rows_ MYSQL_RES *status = NULL, *gtid = NULL;
        char **row;
        int r;

        if (kind == SERVER_MYSQL)
                return read_mysql(client, deadline_usec, position);
        r = client_run(client, "SHOW MASTER STATUS", deadline_usec, &status);
        if (r < 0)
                return r;
        row = client_row(status);
        if (row && client_columns(status) >= 2) {
                take(position->binlog_file, sizeof(position->binlog_file), row[0]);
                take(position->binlog_position, sizeof(position->binlog_position), row[1]);
        }
        r = client_run(client, "SELECT @@GLOBAL.gtid_binlog_pos, @@GLOBAL.gtid_slave_pos", deadline_usec,
                       &gtid);
        if (r < 0)
                return r;
        row = client_row(gtid);
        if (row) {
                take(position->gtid_binlog, sizeof(position->gtid_binlog), row[0]);
                take(position->gtid_slave, sizeof(position->gtid_slave), row[1]);
        }
        return 0;
}

int position_read_innodb(Client *client, enum ServerKind kind, uint64_t deadline_usec, Position *position) {
        static const char *const names[] = { "Innodb_lsn_current", "Innodb_lsn_flushed",
                                             "Innodb_lsn_last_checkpoint" };
        uint64_t *const numbers[] = { &position->log_end, &position->log_written, &position->checkpoint };
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        unsigned found = 0;
        char **row;
        int r;

        if (kind == SERVER_MYSQL)
                return read_mysql(client, deadline_usec, position);
        r = client_run(client, "SHOW GLOBAL STATUS LIKE 'Innodb\\_lsn\\_%'", deadline_usec, &rows);
        while (r >= 0 && (row = client_row(rows)))
                for (size_t i = 0; i < ELEMENTS(names); i++)
                        if (row[0] && row[1] && strcasecmp(row[0], names[i]) == 0) {
                                *numbers[i] = strtoull(row[1], NULL, 10);
                                found |= 1u << i;
                        }
        if (r >= 0 && found != 7) {
                (void)snprintf(client->error, sizeof(client->error),
                               "it does not tell where InnoDB's log stands");
                r = -EREMOTEIO;
        }
        return r;
}
