/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Holding instances; see hold.h
 */

#include <fcntl.h>
#include <limits.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "writers/mariadb/hold.h"

#define SLACK_USEC (300 * USEC_PER_MSEC)
#define CULPRIT_USEC (500 * USEC_PER_MSEC)
#define RETRY_USEC (20 * USEC_PER_MSEC)
#define THAW_USEC (5 * USEC_PER_SEC)

void hold_fail(Hold *hold, vss_result code, const char *format, ...) {
        va_list args;

        if (hold->code < 0)
                return;
        hold->code = code;
        va_start(args, format);
        (void)vsnprintf(hold->text, sizeof(hold->text), format, args);
        va_end(args);
}

static void *thread_main(void *userdata) {
        void **order = userdata;
        void (*work)(Hold *) = *(void (**)(Hold *))order[0];

        work(order[1]);
        return NULL;
}

void hold_each(HoldSet *set, void (*work)(Hold *hold)) {
        pthread_t threads[INSTANCES_MAX];
        void *orders[INSTANCES_MAX][2];
        bool started[INSTANCES_MAX] = { 0 };
        Hold *last = NULL;

        for (size_t i = 0; i < set->n; i++) {
                if (set->items[i].code < 0)
                        continue;
                /* The last is this thread's: with one instance there is no other. */
                if (last) {
                        size_t k = (size_t)(last - set->items);

                        orders[k][0] = &work;
                        orders[k][1] = last;
                        started[k] = pthread_create(&threads[k], NULL, thread_main, orders[k]) == 0;
                        if (!started[k])
                                work(last);
                }
                last = &set->items[i];
        }
        if (last)
                work(last);
        for (size_t i = 0; i < set->n; i++)
                if (started[i])
                        (void)pthread_join(threads[i], NULL);
}

static enum ServerKind kind_of(const Hold *hold) {
        return server_kind(instance_get(hold->instance, "version"));
}

/* Who may be in the way: the statement that has run longest, or who is idle with locks. */
static void name_culprit(const Hold *hold, char *ret_text, size_t size) {
        _cleanup_rows_ MYSQL_RES *rows = NULL;
        uint64_t deadline = now_usec() + CULPRIT_USEC;
        Client client = { 0 };
        char **row = NULL;

        (void)snprintf(ret_text, size, "SHOW PROCESSLIST tells who is at work");
        if (client_connect(&client, &hold->address, deadline) >= 0 &&
            client_runf(&client, deadline, &rows,
                        "SELECT ID, USER, TIME, COALESCE(LEFT(INFO,100),''), COMMAND FROM "
                        "information_schema.PROCESSLIST "
                        "WHERE ID NOT IN (%lu, CONNECTION_ID()) AND COMMAND NOT IN ('Daemon','Binlog "
                        "Dump','Slave_IO') "
                        "AND COALESCE(STATE,'') NOT LIKE 'Waiting for backup lock%%' "
                        "ORDER BY COMMAND='Sleep', TIME DESC LIMIT 1",
                        hold->client.thread) >= 0)
                row = client_row(rows);
        if (row && row[4] && strcmp(row[4], "Sleep") != 0)
                (void)snprintf(ret_text, size, "connection %s (user %s) has been at work for %s s: %.150s",
                               row[0] ?: "?", row[1] ?: "?", row[2] ?: "?", row[3] ?: "");
        else if (row)
                (void)snprintf(ret_text, size,
                               "no statement is at work, so an idle connection has locked tables (LOCK "
                               "TABLES, FLUSH TABLES "
                               "WITH READ LOCK); idle longest is connection %s (user %s)",
                               row[0] ?: "?", row[1] ?: "?");
        for (char *p = ret_text; *p; p++)
                if ((unsigned char)*p < 0x20)
                        *p = ' ';
        client_close(&client);
}

static bool is_lock_wait(unsigned code) {
        return code == ER_LOCK_WAIT_TIMEOUT || code == ER_STATEMENT_TIMEOUT || code == ER_QUERY_INTERRUPTED;
}

static void fail_statement(Hold *hold, const char *what, int error) {
        const char *name = hold->instance->logical_path;
        char culprit[512];

        if (error == -ETIMEDOUT || (error == -EREMOTEIO && is_lock_wait(hold->client.code))) {
                name_culprit(hold, culprit, sizeof(culprit));
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "%s: %s did not get its lock in time and was given up: %s; end that, or try again "
                          "later",
                          name, what, culprit);
        } else
                hold_fail(hold,
                          error == -EACCES ? VSS_E_WRITERERROR_NONRETRYABLE : VSS_E_WRITERERROR_RETRYABLE,
                          "%s: %s: %s", name, what, hold->client.error);
        /* What waits in the server must not wait on. */
        if (error == -ETIMEDOUT)
                client_cancel(&hold->client, &hold->address, now_usec() + CULPRIT_USEC);
        else
                client_close(&hold->client);
}

static bool run(Hold *hold, const char *sql) {
        int r;

        if (hold->code < 0)
                return false;
        r = client_run(&hold->client, sql, hold->deadline_usec, NULL);
        if (r < 0)
                fail_statement(hold, sql, r);
        return r >= 0;
}

/* Without queueing: who waits for a lock makes those behind it wait. */
static bool run_when_free(Hold *hold, const char *sql) {
        int r;

        if (hold->code < 0)
                return false;
        for (;;) {
                r = client_run(&hold->client, sql, hold->deadline_usec, NULL);
                if (r != -EREMOTEIO || !is_lock_wait(hold->client.code) ||
                    now_usec() + RETRY_USEC >= hold->deadline_usec)
                        break;
                (void)usleep(RETRY_USEC);
        }
        if (r < 0)
                fail_statement(hold, sql, r);
        return r >= 0;
}

/* A server that does not run is locked out by what it locks when it starts. */
static void prepare_down(Hold *hold) {
        static const char *const names[] = { "ibdata1", "aria_log_control" };
        char path[PATH_MAX], directory[PATH_MAX];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                instance_path(hold->instance, i == 0 ? "innodb_data_home_dir" : "aria_log_dir_path",
                              directory, sizeof(directory));
                if (!*directory)
                        instance_path(hold->instance, "datadir", directory, sizeof(directory));
                (void)snprintf(path, sizeof(path), "%.4000s/%s", directory, names[i]);
                hold->locks[i] = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
                n += hold->locks[i] >= 0;
        }
        if (n == 0)
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "%s: it does not run, and its files cannot be opened to keep it so: %s",
                          hold->instance->logical_path, strerror(errno));
}

static void freeze_down(Hold *hold) {
        struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

        FOREACH_ELEMENT (fd, hold->locks)
                if (*fd >= 0 && fcntl(*fd, F_OFD_SETLK, &lock) < 0) {
                        hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                                  "%s: it is starting, or was started while the shadow copy was prepared: "
                                  "try again when it runs",
                                  hold->instance->logical_path);
                        return;
                }
}

void hold_prepare(Hold *hold) {
        bool mysql = kind_of(hold) == SERVER_MYSQL;
        char sql[256];
        int r;

        if (hold->instance->pid == 0) {
                prepare_down(hold);
                hold->prepared = hold->code >= 0;
                return;
        }
        r = client_connect(&hold->client, &hold->address, hold->deadline_usec);
        if (r < 0) {
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE, "%s: no connection: %s%s",
                          hold->instance->logical_path, hold->client.error, client_advice(r));
                return;
        }
        (void)snprintf(sql, sizeof(sql), "SET SESSION wait_timeout=%u, lock_wait_timeout=%u",
                       HOLD_PREPARE_SECONDS, mysql ? 1 : 0);
        if (!run(hold, sql))
                return;
        hold->prepared = mysql ? run_when_free(hold, "LOCK INSTANCE FOR BACKUP")
                               : run_when_free(hold, "BACKUP STAGE START") &&
                                         run_when_free(hold, "BACKUP STAGE FLUSH");
}

/* What is committed must be in the files, also where commits do not wait for them. */
static bool flush_log(Hold *hold) {
        if (strcmp(instance_get(hold->instance, "innodb_flush_log_at_trx_commit"), "1") == 0)
                return true;
        return run(hold, "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS");
}

static void note_position(Hold *hold) {
        int r;

        r = position_read_logs(&hold->client, kind_of(hold), hold->deadline_usec, &hold->position);
        if (r >= 0 && strcasecmp(instance_get(hold->instance, "wsrep_on"), "ON") == 0)
                r = client_get(
                        &hold->client,
                        "SELECT GROUP_CONCAT(VARIABLE_VALUE ORDER BY VARIABLE_NAME SEPARATOR ':') FROM "
                        "information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN "
                        "('wsrep_cluster_state_uuid', 'wsrep_last_committed')",
                        hold->deadline_usec, hold->position.wsrep, sizeof(hold->position.wsrep));
        /* Of a replica, also where its source stood. Others are not asked again. */
        if (r >= 0 && hold->instance->replicas.n > 0)
                r = replicas_read(&hold->client, instance_get(hold->instance, "version"),
                                  hold->deadline_usec, &hold->replicas);
        if (r >= 0 && !hold->one_instant)
                r = hold_note_files(hold);
        /* In this order: the checkpoint that was noted is behind what has been written by now. */
        if (r >= 0 && !hold->one_instant)
                r = position_read_innodb(&hold->client, kind_of(hold), hold->deadline_usec, &hold->position);
        if (r < 0)
                fail_statement(hold, "its position cannot be read", r);
}

void hold_freeze(Hold *hold) {
        uint64_t now = now_usec();
        uint64_t limit_usec = hold->deadline_usec > now ? hold->deadline_usec - now : 0;
        bool mysql = kind_of(hold) == SERVER_MYSQL;
        char sql[256];

        hold->frozen = true;
        if (hold->instance->pid == 0) {
                freeze_down(hold);
                return;
        }
        /* The server gives up by itself at the limit; the connection a moment later. */
        if (mysql)
                (void)snprintf(sql, sizeof(sql), "SET SESSION wait_timeout=%u", HOLD_LEASE_SECONDS);
        else
                (void)snprintf(sql, sizeof(sql),
                               "SET SESSION wait_timeout=%u, lock_wait_timeout=%u, max_statement_time=%.3f",
                               HOLD_LEASE_SECONDS, (unsigned)(limit_usec / USEC_PER_SEC + 1),
                               (double)limit_usec / 1e6);
        hold->deadline_usec += mysql ? 0 : SLACK_USEC;
        if (!run(hold, sql))
                return;
        if (!(mysql ? run(hold, "FLUSH TABLES WITH READ LOCK")
                    : run(hold, "BACKUP STAGE BLOCK_DDL") && run(hold, "BACKUP STAGE BLOCK_COMMIT")))
                return;
        if (flush_log(hold))
                note_position(hold);
}

void hold_thaw(Hold *hold) {
        bool mysql = kind_of(hold) == SERVER_MYSQL;
        Position position = { .log_end = 0 };
        int r, read = 0;

        if (hold->instance->pid == 0) {
                hold_end(hold);
                return;
        }
        /* The one thing that has to be known of the time of the hold; a millisecond. */
        if (!hold->one_instant)
                read = position_read_innodb(&hold->client, kind_of(hold), hold->deadline_usec, &position);
        r = client_run(&hold->client, mysql ? "UNLOCK TABLES" : "BACKUP STAGE END", hold->deadline_usec,
                       NULL);
        if (mysql && r >= 0)
                r = client_run(&hold->client, "UNLOCK INSTANCE", hold->deadline_usec, NULL);
        hold->frozen = false;
        if (r < 0 || read < 0) {
                client_close(&hold->client);
                hold_fail(hold, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT,
                          "%s: the session that held it did not last until Thaw: %s",
                          hold->instance->logical_path, hold->client.error);
                return;
        }
        hold->log_end = position.log_end;
        hold->checkpoint = position.checkpoint;
        if (!hold->one_instant && !hold->has_redo &&
            (hold->log_end != hold->position.log_written || hold->checkpoint != hold->position.checkpoint))
                hold_fail(hold, VSS_E_WRITERERROR_RETRYABLE,
                          "%s: its files are not cut at one instant, and InnoDB wrote its log meanwhile: "
                          "try again, or have "
                          "all of its files on one volume whose provider copies it whole",
                          hold->instance->logical_path);
}

void hold_end(Hold *hold) {
        client_close(&hold->client);
        FOREACH_ELEMENT (fd, hold->locks) {
                closep(fd);
                *fd = -1;
        }
        hold->frozen = false;
}
