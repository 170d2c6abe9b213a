/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is said to a server from PrepareSnapshot to Thaw, by product and version, and what is made of its
 * answers
 *
 * The connection is not a real one: it notes each statement, and answers as the server's manual says. So
 * also of products that cannot be installed here.
 */

#include <mysql.h>
#include <mysqld_error.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "util/test.h"
#include "util/value.h"
#include "writers/mariadb/hold.h"

#define COLUMNS_MAX 8u

/* What a statement that begins so is answered, once or more; the last row has no columns. */
typedef struct Answer {
        const char *sql;
        int error;     /* as client_run() */
        unsigned code; /* of the server */
        const char *rows[4][COLUMNS_MAX];
} Answer;

typedef struct Rows {
        const Answer *answer;
        size_t next;
} Rows;

static const Answer *answers;
static size_t n_answers;
static char said[4096];

int client_connect(Client *client, const ClientAddress *address, uint64_t deadline_usec) {
        *client = (Client){ .thread = 7 };
        return 0;
}

const char *client_advice(int error) {
        return "";
}

int client_run(Client *client, const char *sql, uint64_t deadline_usec, MYSQL_RES **ret_rows) {
        const Answer *answer = NULL;
        size_t n = strlen(said);

        (void)snprintf(said + n, sizeof(said) - n, "%s;", sql);
        for (size_t i = 0; i < n_answers && !answer; i++)
                if (strncmp(sql, answers[i].sql, strlen(answers[i].sql)) == 0)
                        answer = &answers[i];
        if (answer && answer->error < 0) {
                client->code = answer->code;
                (void)snprintf(client->error, sizeof(client->error), "no");
                return answer->error;
        }
        if (ret_rows) {
                Rows *rows = calloc(1, sizeof(*rows));

                if (!rows)
                        return -ENOMEM;
                rows->answer = answer;
                *ret_rows = (MYSQL_RES *)(void *)rows;
        }
        return 0;
}

int client_runf(Client *client, uint64_t deadline_usec, MYSQL_RES **ret_rows, const char *format, ...) {
        return client_run(client, format, deadline_usec, ret_rows);
}

char **client_row(MYSQL_RES *result) {
        Rows *rows = (Rows *)(void *)result;

        if (!rows->answer || !rows->answer->rows[rows->next][0])
                return NULL;
        return (char **)(uintptr_t)rows->answer->rows[rows->next++];
}

unsigned client_columns(const MYSQL_RES *result) {
        const Rows *rows = (const Rows *)(const void *)result;
        unsigned n = 0;

        while (rows->answer && n < COLUMNS_MAX && rows->answer->rows[0][n])
                n++;
        return n;
}

MYSQL_RES *client_free_rows(MYSQL_RES *result) {
        free(result);
        return NULL;
}

int client_get(Client *client, const char *sql, uint64_t deadline_usec, char *ret_text, size_t size) {
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        int r = client_run(client, sql, deadline_usec, &rows);
        char **row = r < 0 ? NULL : client_row(rows);

        (void)snprintf(ret_text, size, "%s", row ? row[0] : "");
        return r;
}

void client_cancel(Client *client, const ClientAddress *address, uint64_t deadline_usec) {
}

void client_close(Client *client) {
}

/* One instance, whose set is cut at one instant, or not. */
static Hold hold_of(Instance *instance, const char *version, const Answer *list, size_t n) {
        answers = list;
        n_answers = n;
        said[0] = '\0';
        *instance = (Instance){ .pid = 1, .logical_path = (char *)"db", .variables = vss_value_new_dict() };
        (void)vss_value_set_string(instance->variables, "version", version);
        (void)vss_value_set_string(instance->variables, "innodb_flush_log_at_trx_commit", "1");
        return (Hold){ .instance = instance,
                       .locks = { -1, -1 },
                       .one_instant = true,
                       .deadline_usec = now_usec() + USEC_PER_SEC };
}

static const char log_status[] = "SELECT LOCAL->>'$.binary_log_file'";

static void test_mysql(const char *version) {
        static const Answer list[] = {
                { .sql = log_status, .rows = { { "binlog.000007", "157", "uuid:1-9", "4711", "4700" } } },
        };
        Instance instance;
        Hold hold = hold_of(&instance, version, list, ELEMENTS(list));

        hold_prepare(&hold);
        expect_str("MySQL: prepared without queueing for a lock", said,
                   "SET SESSION wait_timeout=900, lock_wait_timeout=1;LOCK INSTANCE FOR BACKUP;");
        said[0] = '\0';
        hold_freeze(&hold);
        expect_int("frozen", hold.code, VSS_S_OK);
        expect_true("by the read lock, on the same session",
                    strstr(said, "FLUSH TABLES WITH READ LOCK;SELECT LOCAL->>") != NULL);
        expect_true("no statement that newer versions have lost",
                    !strstr(said, "MASTER") && !strstr(said, "SLAVE") && !strstr(said, "BACKUP STAGE"));
        expect_str("where its binary log stood", hold.position.binlog_file, "binlog.000007");
        expect_str("the byte", hold.position.binlog_position, "157");
        expect_str("its GTIDs", hold.position.gtid_binlog, "uuid:1-9");
        said[0] = '\0';
        hold_thaw(&hold);
        expect_str("let go, tables first", said, "UNLOCK TABLES;UNLOCK INSTANCE;");
        expect_int("held to its end", hold.code, VSS_S_OK);
        vss_value_free(instance.variables);
}

static void test_mysql_busy(void) {
        static const Answer list[] = {
                { .sql = "FLUSH TABLES WITH READ LOCK", .error = -EREMOTEIO, .code = ER_LOCK_WAIT_TIMEOUT },
                { .sql = "SELECT ID, USER", .rows = { { "12", "app", "40", "UPDATE t", "Query" } } },
        };
        Instance instance;
        Hold hold = hold_of(&instance, "8.0.36", list, ELEMENTS(list));

        hold_freeze(&hold);
        expect_int("MySQL: a lock that is not had in time can be had later", hold.code,
                   VSS_E_WRITERERROR_RETRYABLE);
        expect_true("who is in the way is named", strstr(hold.text, "connection 12 (user app)") != NULL);
        vss_value_free(instance.variables);
}

static void test_mariadb(void) {
        static const Answer list[] = {
                { .sql = "SHOW MASTER STATUS", .rows = { { "bin.000003", "999", "", "" } } },
                { .sql = "SELECT @@GLOBAL.gtid_binlog_pos", .rows = { { "0-1-5", "" } } },
                { .sql = "SELECT GROUP_CONCAT(VARIABLE_VALUE", .rows = { { "uuid:77" } } },
        };
        Instance instance;
        Hold hold = hold_of(&instance, "10.11.6-MariaDB", list, ELEMENTS(list));

        (void)vss_value_set_string(instance.variables, "wsrep_on", "ON");
        hold_prepare(&hold);
        expect_str(
                "MariaDB: prepared", said,
                "SET SESSION wait_timeout=900, lock_wait_timeout=0;BACKUP STAGE START;BACKUP STAGE FLUSH;");
        hold_freeze(&hold);
        expect_int("frozen", hold.code, VSS_S_OK);
        expect_true("commits last",
                    strstr(said, "BACKUP STAGE BLOCK_DDL;BACKUP STAGE BLOCK_COMMIT;") != NULL);
        expect_str("where its binary log stood", hold.position.binlog_file, "bin.000003");
        expect_str("its GTIDs", hold.position.gtid_binlog, "0-1-5");
        expect_str("of a Galera node, where the cluster stood", hold.position.wsrep, "uuid:77");
        said[0] = '\0';
        hold_thaw(&hold);
        expect_str("let go", said, "BACKUP STAGE END;");
        vss_value_free(instance.variables);
}

int main(void) {
        test_mysql("8.0.36");
        test_mysql("8.4.0");
        test_mysql("9.1.0");
        test_mysql_busy();
        test_mariadb();
        return test_end();
}
