/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a running server says of itself, and of our rights
 */

#include <mysql.h>
#include <string.h>
#include "util/value.h"
#include "writers/mariadb/instance.h"

/* Variables that both kinds of server have, or one: who lacks one just does not list it. */
#define VARIABLES                                                                                           \
        "'version','version_comment','datadir','socket','pid_file','log_error','innodb_data_home_dir',"     \
        "'innodb_data_file_path','innodb_log_group_home_dir','innodb_undo_directory','innodb_flush_log_at_" \
        "trx_commit',"                                                                                      \
        "'innodb_buffer_pool_filename','innodb_temp_data_file_path','log_bin','log_bin_basename','log_bin_" \
        "index',"                                                                                           \
        "'relay_log_basename','aria_log_dir_path','wsrep_on','server_id','server_uuid','gtid_domain_id',"   \
        "'general_log_file','slow_query_log_file','plugin_dir','basedir'"

static int read_variables(Client *client, Instance *instance, uint64_t deadline_usec) {
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        char **row;
        int r;

        r = client_run(client, "SHOW GLOBAL VARIABLES WHERE Variable_name IN (" VARIABLES ")", deadline_usec,
                       &rows);
        if (r < 0)
                return r;
        while ((row = client_row(rows)))
                if (row[0] && row[1] && vss_value_set_string(instance->variables, row[0], row[1]) < 0)
                        return -ENOMEM;
        return 0;
}

static int read_list(Client *client, const char *sql, uint64_t deadline_usec, vss_value *list) {
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        char **row;
        int r;

        r = client_run(client, sql, deadline_usec, &rows);
        while (r >= 0 && (row = client_row(rows)))
                if (row[0] && value_append_string(list, row[0]) < 0)
                        r = -ENOMEM;
        return r;
}

static char *account_of(Client *client, uint64_t deadline_usec) {
        char text[256] = "";

        /* As SHOW GRANTS writes it; quotes in names are doubled by the server. */
        if (client_get(client,
                       "SELECT CONCAT('`',REPLACE(SUBSTRING_INDEX(CURRENT_USER(),'@',1),'`','``'),'`@`',"
                       "REPLACE(SUBSTRING_INDEX(CURRENT_USER(),'@',-1),'`','``'),'`')",
                       deadline_usec, text, sizeof(text)) < 0)
                return NULL;
        return strdup(text);
}

static bool has(const vss_value *rights, const char *right) {
        return value_contains(rights, right);
}

static void tell_missing(Instance *instance, const vss_value *rights, Client *client,
                         uint64_t deadline_usec) {
        bool mysql = server_kind(instance_get(instance, "version")) == SERVER_MYSQL;
        static const char *const for_mariadb[] = { "RELOAD", "PROCESS", "BINLOG MONITOR", NULL };
        static const char *const for_mysql[] = { "RELOAD", "PROCESS", "BACKUP_ADMIN", "REPLICATION CLIENT",
                                                 NULL };
        _cleanup_(freep) char *account = NULL;
        char missing[256] = "";

        for (const char *const *right = mysql ? for_mysql : for_mariadb; *right; right++)
                /* 10.4 has another name for this one. */
                if (!has(rights, *right) && !has(rights, "SUPER") &&
                    !(strcmp(*right, "BINLOG MONITOR") == 0 && has(rights, "REPLICATION CLIENT")))
                        (void)snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), "%s%s",
                                       *missing ? ", " : "", *right);
        if (!*missing)
                return;
        account = account_of(client, deadline_usec);
        (void)!asprintf(&instance->missing_right, "%s: %s has not the right %s", instance->logical_path,
                        account ?: "the writer's account", missing);
        (void)!asprintf(&instance->remedy, "GRANT %s ON *.* TO %s;", missing, account ?: "CURRENT_USER");
}

/* SUPER does not have RELOAD and PROCESS in it. */
static int read_rights(Client *client, Instance *instance, uint64_t deadline_usec) {
        _cleanup_value_ vss_value *rights = vss_value_new_list();
        int r;

        if (!rights)
                return -ENOMEM;
        r = read_list(client,
                      "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE="
                      "CONCAT('''',SUBSTRING_INDEX(CURRENT_USER(),'@',1),'''@''',SUBSTRING_INDEX(CURRENT_"
                      "USER(),'@',-1),'''')",
                      deadline_usec, rights);
        if (r >= 0)
                tell_missing(instance, rights, client, deadline_usec);
        return r;
}

static void tell_refused(const InstanceList *list, Instance *instance, const Client *client, int error) {
        (void)!asprintf(&instance->unreachable, "%s%s", *client->error ? client->error : strerror(-error),
                        client_advice(error));
        if (error != -EACCES)
                return;
        (void)!asprintf(&instance->missing_right, "%s: %s may not log in (%s)", instance->logical_path,
                        list->user, client->error);
        /* The account of the operating system's user, without a password. */
        (void)!asprintf(&instance->remedy,
                        strstr(instance->program, "mariadb")
                                ? "CREATE USER `%s`@`localhost` IDENTIFIED VIA unix_socket; "
                                  "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `%s`@`localhost`;"
                                : "CREATE USER `%s`@`localhost` IDENTIFIED WITH auth_socket; "
                                  "GRANT RELOAD, PROCESS, BACKUP_ADMIN, REPLICATION CLIENT ON *.* TO "
                                  "`%s`@`localhost`;",
                        list->user, list->user);
}

void instance_ask(const InstanceList *list, Instance *instance, uint64_t deadline_usec) {
        ClientAddress address = instance_address(list, instance);
        Client client = { 0 };
        int r;

        r = client_connect(&client, &address, deadline_usec);
        if (r >= 0)
                r = read_variables(&client, instance, deadline_usec);
        if (r >= 0)
                r = read_rights(&client, instance, deadline_usec);
        if (r >= 0)
                r = read_list(&client, "SHOW DATABASES", deadline_usec, instance->databases);
        if (r >= 0)
                r = replicas_read(&client, instance_get(instance, "version"), deadline_usec,
                                  &instance->replicas);
        if (r >= 0 && !instance->missing_right)
                /* Tables with a DATA DIRECTORY of their own; MySQL has the view under another name. */
                (void)read_list(&client,
                                server_kind(instance_get(instance, "version")) == SERVER_MYSQL
                                        ? "SELECT PATH FROM information_schema.INNODB_DATAFILES WHERE PATH "
                                          "LIKE '/%' LIMIT 1000"
                                        : "SELECT PATH FROM information_schema.INNODB_SYS_DATAFILES WHERE "
                                          "PATH LIKE '/%' LIMIT 1000",
                                deadline_usec, instance->remote_files);
        if (r < 0)
                tell_refused(list, instance, &client, r);
        else if (server_kind(instance_get(instance, "version")) == SERVER_UNSUPPORTED)
                (void)!asprintf(&instance->unreachable,
                                "it is of version %s: the writer wants MariaDB 10.4.1 or MySQL 8.0",
                                instance_get(instance, "version"));
        client_close(&client);
}
