/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The application of the demo: a shop that commits to two databases in turn
 *
 *   demo-commit init DATABASE wal|delete     a database of some megabytes with a counter at 0
 *   demo-commit run ORDERS STOCK [LOG]       until SIGTERM or SIGINT
 *
 * Each round adds 1 to the counter of ORDERS and commits, then to that of STOCK: at any instant the two are
 * equal, or ORDERS is one ahead. A backup in which they are anything else was not taken at one instant. Each
 * commit also rewrites rows all over the file, so that a file that is copied while this runs is a mixture.
 *
 * LOG gets a line "N SENT ACK" for each round: what the counters are now, and when the first commit was
 * begun and the second was done, in microseconds of the monotonic clock. At the end: "rounds N, longest
 * commit M.M ms, at second S.S".
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"
#include "util/macro.h"

#define ROWS 15000
#define ROWS_A_COMMIT 12
#define BUSY_POLL_NSEC 500000 /* SQLite's own waiting doubles its steps, and would be measured instead */
#define BUSY_LIMIT_USEC (30 * USEC_PER_SEC)

static volatile sig_atomic_t stopped;

static void on_signal(int signal) {
        stopped = 1;
}

static int complain(sqlite3 *db, const char *what) {
        fprintf(stderr, "demo-commit: %s: %s\n", what, db ? sqlite3_errmsg(db) : strerror(errno));
        return -1;
}

static int run_sql(sqlite3 *db, const char *sql) {
        return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : complain(db, sql);
}

static int wait_busy(void *userdata, int count) {
        struct timespec pause = { .tv_nsec = BUSY_POLL_NSEC };

        (void)nanosleep(&pause, NULL);
        return (uint64_t)count * BUSY_POLL_NSEC / 1000 < BUSY_LIMIT_USEC;
}

static int open_database(const char *path, sqlite3 **ret_db) {
        sqlite3 *db = NULL;

        if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_busy_handler(db, wait_busy, NULL) != SQLITE_OK) {
                (void)complain(db, path);
                (void)sqlite3_close(db);
                return -1;
        }
        *ret_db = db;
        return 0;
}

static int fill(sqlite3 *db, bool wal) {
        char *sql = sqlite3_mprintf(
                "PRAGMA journal_mode=%s;"
                "BEGIN;"
                "CREATE TABLE counter (n INTEGER NOT NULL);"
                "INSERT INTO counter VALUES (0);"
                "CREATE TABLE rows (id INTEGER PRIMARY KEY, key BLOB, value BLOB);"
                "CREATE INDEX by_key ON rows (key);"
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                "INSERT INTO rows SELECT i, randomblob(16), randomblob(2000) FROM n;"
                "COMMIT;",
                wal ? "WAL" : "DELETE", ROWS);
        int r = sql ? run_sql(db, sql) : complain(NULL, "init");

        sqlite3_free(sql);
        return r;
}

static int commit_once(sqlite3 *db) {
        char sql[512];

        (void)snprintf(
                sql, sizeof(sql),
                "BEGIN IMMEDIATE;"
                "UPDATE counter SET n = n + 1;"
                "UPDATE rows SET key = randomblob(16), value = randomblob(1500 + abs(random() %% 1000)) "
                "WHERE id IN (SELECT 1 + abs(random() %% %d) FROM rows LIMIT %d);"
                "COMMIT",
                ROWS, ROWS_A_COMMIT);
        return run_sql(db, sql);
}

static int take_number(void *number, int n, char **values, char **names) {
        if (n > 0 && values[0])
                *(unsigned long *)number = strtoul(values[0], NULL, 10);
        return 0;
}

static int commit_until_stopped(sqlite3 *const databases[2], FILE *log) {
        uint64_t began = now_usec(), longest = 0, longest_at = 0;
        unsigned long rounds = 0, first = 0;

        if (sqlite3_exec(databases[1], "SELECT n FROM counter", take_number, &first, NULL) != SQLITE_OK)
                return complain(databases[1], "counter");
        for (; !stopped; rounds++) {
                uint64_t sent = now_usec();

                for (size_t i = 0; i < 2; i++) {
                        uint64_t before = now_usec(), took;

                        if (commit_once(databases[i]) < 0)
                                return -1;
                        took = now_usec() - before;
                        if (took > longest) {
                                longest = took;
                                longest_at = before - began;
                        }
                }
                if (log && (fprintf(log, "%lu %" PRIu64 " %" PRIu64 "\n", first + rounds + 1, sent,
                                    now_usec()) < 0 ||
                            fflush(log) != 0))
                        return complain(NULL, "the log cannot be written");
        }
        printf("rounds %lu, longest commit %.1f ms, at second %.1f\n", rounds,
               (double)longest / USEC_PER_MSEC, (double)longest_at / USEC_PER_SEC);
        return 0;
}

int main(int argc, char *argv[]) {
        const struct sigaction action = { .sa_handler = on_signal };
        sqlite3 *databases[2] = { NULL, NULL };
        _cleanup_(fclosep) FILE *log = NULL;
        int r = -1;

        if ((argc != 4 || strcmp(argv[1], "init") != 0) &&
            (argc < 4 || argc > 5 || strcmp(argv[1], "run") != 0)) {
                fprintf(stderr, "Usage: demo-commit init DATABASE wal|delete\n"
                                "       demo-commit run ORDERS STOCK [LOG]\n");
                return 2;
        }
        if (argc == 5 && !(log = fopen(argv[4], "we"))) {
                (void)complain(NULL, argv[4]);
                return 1;
        }
        (void)sigaction(SIGTERM, &action, NULL);
        (void)sigaction(SIGINT, &action, NULL);
        if (strcmp(argv[1], "init") == 0) {
                if (open_database(argv[2], &databases[0]) == 0)
                        r = fill(databases[0], strcmp(argv[3], "wal") == 0);
        } else if (open_database(argv[2], &databases[0]) == 0 && open_database(argv[3], &databases[1]) == 0)
                r = commit_until_stopped(databases, log);
        for (size_t i = 0; i < ELEMENTS(databases); i++)
                (void)sqlite3_close(databases[i]);
        return r < 0 ? 1 : 0;
}
