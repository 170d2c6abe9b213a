/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the kill tests need besides a shell: an application, and eyes
 *
 *   kill-tool init DATABASE wal|delete           a database with a counter at 0
 *   kill-tool load PROGRESS COUNTER...           until SIGTERM: rounds of setting each counter to the round
 *   kill-tool probe MILLISECONDS DIRECTORY...    a write and fsync in each, side by side; names those that
 *                                                hang
 *   kill-tool locks MILLISECONDS DATABASE...     BEGIN IMMEDIATE in each; names those that are locked
 *   kill-tool verify SCRATCH COUNTER...          reads copies of counters, prints them; 9 if they are torn
 *   kill-tool advances MILLISECONDS PROGRESS...  names the loads that do not go on
 *
 * A COUNTER is db:FILE or file:FILE. The load sets them one after another, so at any instant each is what
 * the one before it is, or one less, and the last not less than the first minus one: anything else is no
 * instant. Databases are read from a copy in SCRATCH, since what is read in a shadow copy cannot be written
 * to.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/macro.h"

#define COUNTERS_MAX 16
#define DIGITS 20
#define TORN 9
#define BUSY_USEC 500u
#define PAUSE_USEC 500u

typedef struct Counter {
        const char *path;
        bool is_db;
        int fd;
        sqlite3 *db;
        sqlite3_stmt *set;
} Counter;

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
        stopped = 1;
}

static int complain(const char *path, const char *what) {
        fprintf(stderr, "kill-tool: %s: %s\n", path, what);
        return EXIT_FAILURE;
}

static int wait_busy(void *userdata, int count) {
        const uint64_t *deadline = userdata;

        if (stopped || (*deadline > 0 && now_usec() >= *deadline))
                return 0;
        (void)usleep(BUSY_USEC);
        return 1;
}

static int db_open(const char *path, uint64_t *deadline, sqlite3 **ret_db) {
        sqlite3 *db = NULL;

        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
            sqlite3_busy_handler(db, wait_busy, deadline) != SQLITE_OK) {
                (void)complain(path, db ? sqlite3_errmsg(db) : "out of memory");
                (void)sqlite3_close(db);
                return -EIO;
        }
        *ret_db = db;
        return 0;
}

static bool parse_counter(const char *text, Counter *ret_counter) {
        bool is_db = strncmp(text, "db:", 3) == 0;

        if (!is_db && strncmp(text, "file:", 5) != 0)
                return false;
        *ret_counter = (Counter){ .path = strchr(text, ':') + 1, .is_db = is_db, .fd = -1 };
        return true;
}

/* Return: how many, or -1 after a message. */
static int parse_counters(char **argv, Counter counters[static COUNTERS_MAX]) {
        int n = 0;

        for (; argv[n] && n < COUNTERS_MAX; n++)
                if (!parse_counter(argv[n], &counters[n])) {
                        (void)complain(argv[n], "a counter is db:FILE or file:FILE");
                        return -1;
                }
        return n;
}

/* The application */

static int init(const char *path, const char *journal) {
        char sql[256];
        sqlite3 *db = NULL;
        int r = sqlite3_open(path, &db);

        (void)snprintf(
                sql, sizeof(sql),
                "PRAGMA journal_mode=%s; CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES(0)",
                journal);
        if (r == SQLITE_OK)
                r = sqlite3_exec(db, sql, NULL, NULL, NULL);
        if (r != SQLITE_OK)
                (void)complain(path, db ? sqlite3_errmsg(db) : "out of memory");
        (void)sqlite3_close(db);
        return r == SQLITE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int counter_begin(Counter *counter, uint64_t *deadline) {
        if (!counter->is_db) {
                counter->fd = open(counter->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
                return counter->fd < 0 ? -errno : 0;
        }
        if (db_open(counter->path, deadline, &counter->db) < 0)
                return -EIO;
        return sqlite3_prepare_v2(counter->db, "UPDATE counter SET n = ?", -1, &counter->set, NULL) ==
                               SQLITE_OK
                       ? 0
                       : -EIO;
}

static int counter_set(Counter *counter, uint64_t n) {
        char text[DIGITS + 2];
        int r;

        if (!counter->is_db) {
                (void)snprintf(text, sizeof(text), "%0*llu\n", DIGITS, (unsigned long long)n);
                if (pwrite(counter->fd, text, DIGITS + 1, 0) != DIGITS + 1)
                        return -errno;
                return fdatasync(counter->fd) < 0 ? -errno : 0;
        }
        (void)sqlite3_bind_int64(counter->set, 1, (sqlite3_int64)n);
        r = sqlite3_step(counter->set);
        (void)sqlite3_reset(counter->set);
        return r == SQLITE_DONE ? 0 : -EBUSY;
}

static int load(const char *progress, char **argv) {
        Counter counters[COUNTERS_MAX];
        struct sigaction action = { .sa_handler = on_signal };
        uint64_t *shared, forever = 0;
        int n = parse_counters(argv, counters);
        int fd = open(progress, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        if (n < 0 || fd < 0 || ftruncate(fd, sizeof(*shared)) < 0)
                return complain(progress, strerror(errno));
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (shared == MAP_FAILED)
                return complain(progress, strerror(errno));
        (void)sigaction(SIGTERM, &action, NULL);
        for (int i = 0; i < n; i++)
                if (counter_begin(&counters[i], &forever) < 0)
                        return complain(counters[i].path, "cannot be opened");
        for (uint64_t round = 1; !stopped; round++) {
                for (int i = 0; i < n && !stopped; i++) {
                        int r = counter_set(&counters[i], round);

                        if (r < 0 && !stopped)
                                return complain(counters[i].path, counters[i].is_db
                                                                          ? sqlite3_errmsg(counters[i].db)
                                                                          : strerror(-r));
                }
                *shared = round;
                (void)usleep(PAUSE_USEC);
        }
        return EXIT_SUCCESS;
}

/* Eyes */

/* A child that hangs must not keep anybody waiting who reads what we print. */
static void leave_output(void) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        for (int i = 0; i < 3; i++)
                (void)dup2(fd, i);
}

static int probe_one(const char *directory) {
        char path[4096];
        int fd, ok;

        (void)snprintf(path, sizeof(path), "%s/.probe", directory);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ok = fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0;
        return ok ? EXIT_SUCCESS : MIN(errno, 255);
}

/* The children may hang, and cannot be killed then; we do not wait for them. */
static int probe(uint64_t limit_usec, char **directories) {
        uint64_t deadline = now_usec() + limit_usec;
        pid_t pids[COUNTERS_MAX] = { 0 };
        int n = 0, bad = 0, status;

        for (; directories[n] && n < COUNTERS_MAX; n++) {
                pids[n] = fork();
                if (pids[n] == 0) {
                        leave_output();
                        _exit(probe_one(directories[n]));
                }
        }
        for (int i = 0; i < n; i++) {
                pid_t pid;

                while ((pid = waitpid(pids[i], &status, WNOHANG)) == 0 && now_usec() < deadline)
                        (void)usleep(1000);
                if (pid == pids[i] && status == 0)
                        continue;
                printf("%s: a write %s\n", directories[i],
                       pid == 0 ? "hangs" : strerror(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR));
                (void)kill(pids[i], SIGKILL);
                bad++;
        }
        return bad > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A locked database can be waited for; one on a volume that stands hangs, so each has a child of its own. */
static int lock_one(const char *path, uint64_t deadline) {
        sqlite3 *db = NULL;

        if (db_open(path, &deadline, &db) < 0)
                return EXIT_FAILURE;
        return sqlite3_exec(db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL) == SQLITE_OK ? EXIT_SUCCESS
                                                                                            : EXIT_FAILURE;
}

static int locks(uint64_t limit_usec, char **databases) {
        uint64_t deadline = now_usec() + limit_usec;
        pid_t pids[COUNTERS_MAX] = { 0 };
        int n = 0, bad = 0, status = 0;

        for (; databases[n] && n < COUNTERS_MAX; n++) {
                pids[n] = fork();
                if (pids[n] == 0) {
                        leave_output();
                        _exit(lock_one(databases[n], deadline));
                }
        }
        for (int i = 0; i < n; i++) {
                pid_t pid;

                while ((pid = waitpid(pids[i], &status, WNOHANG)) == 0 &&
                       now_usec() < deadline + USEC_PER_SEC / 5)
                        (void)usleep(1000);
                if (pid == pids[i] && status == 0)
                        continue;
                printf("%s: is locked\n", databases[i]);
                (void)kill(pids[i], SIGKILL);
                bad++;
        }
        return bad > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Return: 0, or -errno; -ENOENT is an answer for a journal. */
static int copy_file(const char *from, const char *to) {
        _cleanup_(closep) int in = open(from, O_RDONLY | O_CLOEXEC);
        _cleanup_(closep) int out = -1;
        char buffer[65536];
        ssize_t n;

        if (in < 0)
                return -errno;
        out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (out < 0)
                return -errno;
        while ((n = read(in, buffer, sizeof(buffer))) > 0)
                if (write(out, buffer, (size_t)n) != n)
                        return -EIO;
        return n < 0 ? -errno : 0;
}

static int read_db(const char *path, const char *scratch, int index, uint64_t *ret_n) {
        static const char *const suffixes[] = { "", "-wal", "-journal" };
        char from[4096], to[4096];
        uint64_t deadline = now_usec() + USEC_PER_SEC;
        sqlite3_stmt *get = NULL;
        sqlite3 *db = NULL;
        int r;

        FOREACH_ELEMENT (suffix, suffixes) {
                (void)snprintf(from, sizeof(from), "%s%s", path, *suffix);
                (void)snprintf(to, sizeof(to), "%s/%d.db%s", scratch, index, *suffix);
                (void)unlink(to);
                r = copy_file(from, to);
                if (r < 0 && (r != -ENOENT || !**suffix))
                        return r;
        }
        (void)snprintf(to, sizeof(to), "%s/%d.db", scratch, index);
        if (db_open(to, &deadline, &db) < 0)
                return -EIO;
        r = sqlite3_prepare_v2(db, "SELECT n FROM counter", -1, &get, NULL) == SQLITE_OK &&
                            sqlite3_step(get) == SQLITE_ROW
                    ? 0
                    : -EIO;
        if (r == 0)
                *ret_n = (uint64_t)sqlite3_column_int64(get, 0);
        else
                (void)complain(path, sqlite3_errmsg(db));
        (void)sqlite3_finalize(get);
        (void)sqlite3_close(db);
        return r;
}

static int read_file(const char *path, uint64_t *ret_n) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        char text[DIGITS + 2] = { 0 };

        if (fd < 0)
                return -errno;
        if (read(fd, text, DIGITS + 1) != DIGITS + 1)
                return -EIO;
        *ret_n = strtoull(text, NULL, 10);
        return 0;
}

static int verify(const char *scratch, char **argv) {
        Counter counters[COUNTERS_MAX];
        uint64_t values[COUNTERS_MAX] = { 0 };
        int n = parse_counters(argv, counters), torn = 0;

        for (int i = 0; i < n; i++) {
                int r = counters[i].is_db ? read_db(counters[i].path, scratch, i, &values[i])
                                          : read_file(counters[i].path, &values[i]);

                if (r < 0)
                        return complain(counters[i].path, strerror(-r));
                printf("%s%llu", i > 0 ? " " : "counters ", (unsigned long long)values[i]);
                torn |= i > 0 && values[i] > values[i - 1];
        }
        torn |= n > 0 && values[n - 1] + 1 < values[0];
        printf("%s\n", torn ? " torn" : "");
        return n < 0 ? EXIT_FAILURE : torn ? TORN : EXIT_SUCCESS;
}

static uint64_t read_progress(const char *path) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t n = 0;

        if (fd < 0 || read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
                return 0;
        return n;
}

static int advances(uint64_t limit_usec, char **paths) {
        uint64_t deadline = now_usec() + limit_usec, before[COUNTERS_MAX];
        int n = 0, bad = 0;

        for (; paths[n] && n < COUNTERS_MAX; n++)
                before[n] = read_progress(paths[n]);
        for (int i = 0; i < n; i++) {
                /* Two rounds: the first may have been all but done. */
                while (read_progress(paths[i]) < before[i] + 2 && now_usec() < deadline)
                        (void)usleep(1000);
                if (read_progress(paths[i]) >= before[i] + 2)
                        continue;
                printf("%s: the load does not go on\n", paths[i]);
                bad++;
        }
        return bad > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        uint64_t limit = argc > 2 ? strtoull(argv[2], NULL, 10) * USEC_PER_MSEC : 0;
        const char *what = argc > 3 ? argv[1] : "";

        if (strcmp(what, "init") == 0)
                return init(argv[2], argv[3]);
        if (strcmp(what, "load") == 0)
                return load(argv[2], argv + 3);
        if (strcmp(what, "probe") == 0)
                return probe(limit, argv + 3);
        if (strcmp(what, "locks") == 0)
                return locks(limit, argv + 3);
        if (strcmp(what, "verify") == 0)
                return verify(argv[2], argv + 3);
        if (strcmp(what, "advances") == 0)
                return advances(limit, argv + 3);
        fputs("usage: kill-tool init|load|probe|locks|verify|advances ... (see kill-tool.c)\n", stderr);
        return 2;
}
