/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Servers that replicate from another one: from where, how far they are, and how far behind
 */

#include <inttypes.h>
#include <mysql.h>
#include <string.h>
#include <strings.h>
#include "util/value.h"
#include "writers/common/child.h"
#include "writers/mariadb/instance.h"

/* The text of a column that one product calls so, and the other so; "" if there is none. */
static const char *column(MYSQL_RES *rows, char **row, const char *name, const char *other) {
        const MYSQL_FIELD *fields = mysql_fetch_fields(rows);

        for (unsigned i = 0; i < client_columns(rows); i++)
                if (strcasecmp(fields[i].name, name) == 0 || strcasecmp(fields[i].name, other) == 0)
                        return row[i] ?: "";
        return "";
}

static void take(MYSQL_RES *rows, char **row, Replica *replica) {
        const char *behind = column(rows, row, "Seconds_Behind_Master", "Seconds_Behind_Source");
        const char *file = column(rows, row, "Relay_Master_Log_File", "Relay_Source_Log_File");

        *replica = (Replica){
                .running = strcasecmp(column(rows, row, "Slave_SQL_Running", "Replica_SQL_Running"),
                                      "Yes") == 0,
                .behind_seconds = *behind ? strtoll(behind, NULL, 10) : -1,
        };
        (void)snprintf(replica->source, sizeof(replica->source), "%.250s:%.10s",
                       column(rows, row, "Master_Host", "Source_Host"),
                       column(rows, row, "Master_Port", "Source_Port"));
        if (*file)
                (void)snprintf(replica->position, sizeof(replica->position), "%.500s:%.20s", file,
                               column(rows, row, "Exec_Master_Log_Pos", "Exec_Source_Log_Pos"));
}

/* Anybody may know how many there are at work. */
static bool has_some(Client *client, uint64_t deadline_usec) {
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        char **row = NULL;

        if (client_run(client, "SHOW GLOBAL STATUS LIKE 'Slaves\\_running'", deadline_usec, &rows) >= 0)
                row = client_row(rows);
        return row && row[0] && row[1] && strtoul(row[1], NULL, 10) > 0;
}

int replicas_read(Client *client, const char *version, uint64_t deadline_usec, ReplicaList *ret_list) {
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        char **row;
        int r;

        *ret_list = (ReplicaList){ 0 };
        r = client_run(client, server_replica_statement(version), deadline_usec, &rows);
        if (r == -EACCES) {
                ret_list->refused = has_some(client, deadline_usec);
                return 0;
        }
        while (r >= 0 && ret_list->n < REPLICAS_MAX && (row = client_row(rows)))
                take(rows, row, &ret_list->items[ret_list->n++]);
        return MIN(r, 0);
}

static int warn(const Instance *instance, const Replica *replica, vss_value *warnings) {
        char how[64], text[1024];

        if (!replica->running)
                (void)snprintf(how, sizeof(how), "does not apply what that one sends");
        else if (replica->behind_seconds < 0)
                (void)snprintf(how, sizeof(how), "does not know how far it is behind");
        else
                (void)snprintf(how, sizeof(how), "is %" PRIi64 " s behind", replica->behind_seconds);
        (void)snprintf(
                text, sizeof(text),
                "%.200s: it is a replica of %s and %s: a copy has what it has applied, which is all before "
                "%s of its source's log",
                instance->logical_path, replica->source, how,
                *replica->position ? replica->position : "the start");
        return text_is_clean(text) ? value_append_string(warnings, text) : 0;
}

int replicas_warn(const Instance *instance, vss_value *warnings) {
        const ReplicaList *list = &instance->replicas;
        char text[512];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < list->n; i++)
                if (!list->items[i].running || list->items[i].behind_seconds != 0)
                        r = warn(instance, &list->items[i], warnings);
        if (r < 0 || !list->refused)
                return r;
        (void)snprintf(
                text, sizeof(text),
                "%.200s: it is a replica, and how far it is behind it tells only with the right SLAVE "
                "MONITOR",
                instance->logical_path);
        return value_append_string(warnings, text);
}
