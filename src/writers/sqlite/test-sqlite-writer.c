/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The SQLite writer on real databases of another user: found, locked while frozen, free at once afterwards,
 * also when the writer is killed
 *
 * The writer's events run in a process of their own, so that it can be killed.
 */

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "util/test.h"
#include "writers/common/fake-call.h"
#include "writers/sqlite/writer.h"

static char directory[] = "/tmp/vss-test-sqlite-XXXXXX";
static char conf_path[64], unfinished_path[64];
static const struct passwd *user;

static void _printf_(1, 2) must(const char *format, ...) {
        char command[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(command, sizeof(command), format, args);
        va_end(args);
        if (system(command) != 0) {
                printf("Bail out! %s\n", command);
                exit(1);
        }
}

static const char *path_of(const char *name) {
        static char path[2][256];
        static unsigned i;

        i ^= 1;
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", directory, name);
        return path[i];
}

/* In a process of the databases' user: what @sql answers without waiting. */
static int as_user(const char *name, const char *sql) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                sqlite3 *db;
                int r;

                if (child_become(user->pw_uid, user->pw_gid, user->pw_name) < 0)
                        _exit(99);
                r = sqlite3_open_v2(path_of(name), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
                if (r == SQLITE_OK)
                        r = sqlite3_exec(db, sql, NULL, NULL, NULL);
                /* Without closing: the write-ahead log stays as a crash leaves it. */
                _exit(r & 0xff);
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
                return -1;
        return WEXITSTATUS(status);
}

/* As the databases' user: all of the log is moved into the database, and there is some. */
static bool is_checkpointed(const char *name) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                int n_log = 0, n_moved = 0;
                sqlite3 *db;

                if (child_become(user->pw_uid, user->pw_gid, user->pw_name) < 0 ||
                    sqlite3_open_v2(path_of(name), &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
                    sqlite3_exec(db, "SELECT count(*) FROM t", NULL, NULL, NULL) != SQLITE_OK ||
                    sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &n_log, &n_moved) !=
                            SQLITE_OK)
                        _exit(1);
                _exit(n_log > 0 && n_moved == n_log ? 0 : 2);
        }
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The invariant: nobody else can write. */
static bool is_locked(const char *name) {
        return as_user(name, "BEGIN IMMEDIATE") == SQLITE_BUSY;
}

typedef struct Answer {
        int32_t code;
        char message[512], failure[512], restore_failure[512];
} Answer;

typedef struct Broker {
        pid_t pid;
        int fd;
} Broker;

static const char *restored = "wal.db"; /* which database is restored */
static int64_t restore_status = VSS_RS_ALL;

static vss_value *make_components(void) {
        static const char *const names[] = { "wal.db", "rollback.db" };
        vss_value *list = vss_value_new_list();

        FOREACH_ELEMENT (name, names) {
                vss_value *component = vss_value_new_dict();

                (void)vss_value_set_string(component, "logical-path", directory + 1);
                (void)vss_value_set_string(component, "name", *name);
                (void)vss_value_set_integer(component, "file-restore-status", restore_status);
                (void)vss_value_set_boolean(component, "selected-for-restore",
                                            strcmp(restored, "both") == 0 || strcmp(restored, *name) == 0);
                (void)vss_value_append(list, component);
        }
        return list;
}

static void broker_serve(int fd) {
        SqliteWriter state = { .conf_path = conf_path, .unfinished_path = unfinished_path };
        vss_writer_call call = {
                .userdata = &state,
                .time_left_ms = 10000,
                .volumes = { directory },
                .n_volumes = 1,
        };
        char event;

        while (read(fd, &event, 1) == 1) {
                Answer answer = { 0 };

                fake_call_reset(&call);
                call.session_id = event == 'o' ? "another session" : NULL;
                call.components = event == '<' || event == '>' ? make_components() : NULL;
                answer.code = event == 'p'   ? sqlite_writer.prepare_snapshot(&call)
                              : event == 'f' ? sqlite_writer.freeze(&call)
                              : event == 't' ? sqlite_writer.thaw(&call)
                              : event == '<' ? sqlite_writer.pre_restore(&call)
                              : event == '>' ? sqlite_writer.post_restore(&call)
                                             : sqlite_writer.abort(&call);
                call.components = vss_value_free(call.components);
                (void)snprintf(answer.restore_failure, sizeof(answer.restore_failure), "%.500s",
                               call.restore_failure);
                (void)snprintf(answer.message, sizeof(answer.message), "%.500s", call.message);
                (void)snprintf(answer.failure, sizeof(answer.failure), "%.500s",
                               fake_call_failure(&call, "wal.db"));
                if (write(fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
                        _exit(1);
        }
        _exit(0);
}

static Broker broker_start(void) {
        Broker broker;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                abort();
        (void)fflush(stdout);
        broker.pid = fork();
        if (broker.pid == 0) {
                (void)close(pair[0]);
                broker_serve(pair[1]);
        }
        (void)close(pair[1]);
        broker.fd = pair[0];
        return broker;
}

static Answer broker_event(const Broker *broker, char event) {
        Answer answer = { .code = -1 };

        if (write(broker->fd, &event, 1) != 1 || recv(broker->fd, &answer, sizeof(answer), MSG_WAITALL) <= 0)
                answer.code = -1;
        return answer;
}

static void broker_end(Broker *broker, int signal) {
        if (signal)
                (void)kill(broker->pid, signal);
        (void)close(broker->fd);
        (void)waitpid(broker->pid, NULL, 0);
}

/* The number of processes that the broker has, and how many of them are not just the databases' user. */
static size_t count_children(const Broker *broker, size_t *ret_others) {
        char path[64], line[256], text[4096] = "", *next = text;
        size_t n = 0, others = 0;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", broker->pid, broker->pid);
        file = fopen(path, "re");
        if (file) {
                if (!fgets(text, sizeof(text), file))
                        text[0] = '\0';
                (void)fclose(file);
        }
        for (char *pid = strsep(&next, " "); pid; pid = strsep(&next, " ")) {
                unsigned ids[4] = { 0 };

                if (!pid[0])
                        continue;
                n++;
                (void)snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
                file = fopen(path, "re");
                while (file && fgets(line, sizeof(line), file))
                        if (sscanf(line, "Uid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) == 4)
                                break;
                if (file)
                        (void)fclose(file);
                for (size_t i = 0; i < ELEMENTS(ids); i++)
                        if (ids[i] != user->pw_uid) {
                                others++;
                                break;
                        }
        }
        *ret_others = others;
        return n;
}

static bool free_within(const char *name, uint64_t usec) {
        uint64_t end = now_usec() + usec;

        while (now_usec() < end) {
                if (!is_locked(name))
                        return true;
                (void)usleep(5000);
        }
        return false;
}

static void test_identify(void) {
        SqliteWriter state = { .conf_path = conf_path, .unfinished_path = unfinished_path };
        vss_writer_call call = { .userdata = &state, .time_left_ms = 10000 };
        _cleanup_(fake_metadata_freep) vss_metadata *metadata = fake_metadata_new();
        const vss_value *component, *files;

        expect_int("identify answers", sqlite_writer.identify(&call, metadata), VSS_S_OK);
        component = fake_metadata_component(metadata, directory + 1, "wal.db");
        expect_true("a configured database is a component", component != NULL);
        expect_str("its owner is named", vss_value_get_string(component, "owner", ""), user->pw_name);
        files = vss_value_get(component, "files");
        expect_int("with its log and its journal", vss_value_count(files), 3);
        expect_str("in its directory", vss_value_get_string(vss_value_at(files, 1), "path", ""), directory);
        expect_str("by name", vss_value_get_string(vss_value_at(files, 1), "filespec", ""), "wal.db-wa?");
        expect_int("what can be replaced is restored", metadata->restore_method,
                   VSS_RME_RESTORE_IF_CAN_REPLACE);
        expect_true("what is no database is told", fake_metadata_warns(metadata, "text.db"));
        expect_true("a link is none", !fake_metadata_component(metadata, directory + 1, "link.db"));
        expect_true("a pattern without a match is told", fake_metadata_warns(metadata, "line 3"));
}

/* A service that has a database open, without any configuration. */
static void test_open_by_service(void) {
        SqliteWriter state = { .conf_path = "/nonexistent/sqlite.conf" };
        vss_writer_call call = { .userdata = &state, .time_left_ms = 10000 };
        _cleanup_(fake_metadata_freep) vss_metadata *without = fake_metadata_new(),
                                                    *with = fake_metadata_new();
        int pair[2], status;
        pid_t pid;
        char byte;

        expect_int("identify answers without a file", sqlite_writer.identify(&call, without), VSS_S_OK);
        expect_true("a database that nobody has open is not found",
                    !fake_metadata_component(without, directory + 1, "rollback.db"));
        if (pipe2(pair, O_CLOEXEC) < 0)
                abort();
        /* Not a child of this process: those are its holders. */
        pid = fork();
        if (pid == 0) {
                pid_t between = getpid();

                if (fork() > 0) {
                        (void)pause();
                        _exit(0);
                }
                if (child_become(user->pw_uid, user->pw_gid, user->pw_name) < 0 ||
                    child_die_with_parent(between) < 0 ||
                    open(path_of("rollback.db"), O_RDWR | O_CLOEXEC) < 0 || write(pair[1], "", 1) != 1)
                        _exit(1);
                (void)pause();
                _exit(0);
        }
        if (read(pair[0], &byte, 1) != 1)
                abort();
        expect_int("identify answers with a service", sqlite_writer.identify(&call, with), VSS_S_OK);
        expect_true("a database that a service has open is found",
                    fake_metadata_component(with, directory + 1, "rollback.db") != NULL);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        (void)close(pair[0]);
        (void)close(pair[1]);
}

static void test_freeze(void) {
        Broker broker = broker_start();
        struct stat st;
        size_t others;
        Answer answer;

        expect_true("there is a log to move", stat(path_of("wal.db-wal"), &st) == 0 && st.st_size > 0);
        answer = broker_event(&broker, 'p');
        expect_int("prepare", answer.code, VSS_S_OK);
        expect_str("without a message", answer.message, "");
        expect_true("the log was moved into the database",
                    stat(path_of("wal.db-wal"), &st) == 0 && st.st_size == 0);
        expect_int("one process per database", count_children(&broker, &others), 2);
        expect_int("each only its owner", others, 0);
        /* The checker fails when there is no lock. */
        expect_true("not locked before Freeze: write-ahead log", !is_locked("wal.db"));
        expect_true("not locked before Freeze: rollback journal", !is_locked("rollback.db"));

        expect_int("a commit before Freeze", as_user("wal.db", "INSERT INTO t VALUES(7)"), SQLITE_OK);
        expect_int("freeze", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_true("locked while frozen: write-ahead log", is_locked("wal.db"));
        expect_true("locked while frozen: rollback journal", is_locked("rollback.db"));
        expect_int("reading goes on", as_user("wal.db", "SELECT count(*) FROM t"), SQLITE_OK);
        expect_true("9.4.10: and checkpoints do", is_checkpointed("wal.db"));

        expect_int("thaw", broker_event(&broker, 't').code, VSS_S_OK);
        expect_true("free after Thaw: write-ahead log", !is_locked("wal.db"));
        expect_true("free after Thaw: rollback journal", !is_locked("rollback.db"));
        expect_int("no process is left", count_children(&broker, &others), 0);

        expect_int("prepare again", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("freeze again", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_int("abort of another session", broker_event(&broker, 'o').code, VSS_S_OK);
        expect_true("still locked", is_locked("wal.db") && is_locked("rollback.db"));
        expect_int("abort", broker_event(&broker, 'a').code, VSS_S_OK);
        expect_true("free after Abort", !is_locked("wal.db") && !is_locked("rollback.db"));
        expect_int("abort twice", broker_event(&broker, 'a').code, VSS_S_OK);
        broker_end(&broker, 0);
}

static void test_killed(void) {
        Broker broker = broker_start();

        expect_int("prepare for a death", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("freeze for a death", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_true("locked before the death", is_locked("wal.db"));
        broker_end(&broker, SIGKILL);
        expect_true("free within a second: write-ahead log", free_within("wal.db", USEC_PER_SEC));
        expect_true("free within a second: rollback journal", free_within("rollback.db", USEC_PER_SEC));
}

/* Another process has the lock: that database fails alone. */
static void test_busy(void) {
        Broker broker = broker_start();
        Answer answer;
        int pair[2], status;
        pid_t pid;
        char byte;

        expect_int("prepare beside an application", broker_event(&broker, 'p').code, VSS_S_OK);
        if (pipe2(pair, O_CLOEXEC) < 0)
                abort();
        pid = fork();
        if (pid == 0) {
                sqlite3 *db;

                if (child_become(user->pw_uid, user->pw_gid, user->pw_name) < 0 ||
                    sqlite3_open(path_of("wal.db"), &db) != SQLITE_OK ||
                    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
                    write(pair[1], "", 1) != 1)
                        _exit(1);
                (void)pause();
                _exit(0);
        }
        if (read(pair[0], &byte, 1) != 1)
                abort();
        answer = broker_event(&broker, 'f');
        expect_int("freeze goes on without it", answer.code, VSS_S_OK);
        expect_true("it is named as failed",
                    strstr(answer.failure, "wal.db: its write lock could not be taken"));
        expect_true("the other is locked", is_locked("rollback.db"));
        expect_int("thaw without it", broker_event(&broker, 't').code, VSS_S_OK);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        (void)close(pair[0]);
        (void)close(pair[1]);
        broker_end(&broker, 0);
}

/* A holder that dies while frozen is not kept quiet. */
static void test_lost(void) {
        Broker broker = broker_start();
        Answer answer;

        expect_int("prepare for a loss", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("freeze for a loss", broker_event(&broker, 'f').code, VSS_S_OK);
        must("for p in $(cat /proc/%d/task/%d/children); do kill -9 $p; break; done", broker.pid,
             broker.pid);
        answer = broker_event(&broker, 't');
        expect_int("thaw tells that a lock was lost", answer.code, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT);
        expect_true("and which", strstr(answer.message, ".db") != NULL);
        expect_true("free after the loss", !is_locked("wal.db") && !is_locked("rollback.db"));
        broker_end(&broker, 0);
}

/* More databases than are served: the rest is told; all that are served stand still together. */
static void test_many(void) {
        SqliteWriter state = { .conf_path = conf_path };
        vss_writer_call call = { .userdata = &state, .time_left_ms = 10000 };
        _cleanup_(fake_metadata_freep) vss_metadata *metadata = fake_metadata_new();
        Broker broker = broker_start();
        uint64_t began = now_usec();
        size_t others;

        must("for i in $(seq 300); do cp -p %s/rollback.db %s/many-$i.db; done", directory, directory);
        began = now_usec();
        expect_int("identify with many", sqlite_writer.identify(&call, metadata), VSS_S_OK);
        expect_true("in less than a second", now_usec() - began < USEC_PER_SEC);
        expect_int("as many as are served", vss_value_count(metadata->components), DATABASES_MAX);
        expect_true("the others are told",
                    fake_metadata_warns(metadata, "302 databases were found, only 256"));

        expect_int("prepare with many", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("a process for each", count_children(&broker, &others), DATABASES_MAX);
        began = now_usec();
        expect_int("freeze with many", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_true("in less than a second", now_usec() - began < USEC_PER_SEC);
        printf("# frozen in %u ms\n", (unsigned)((now_usec() - began) / USEC_PER_MSEC));
        began = now_usec();
        expect_int("thaw with many", broker_event(&broker, 't').code, VSS_S_OK);
        expect_true("in less than a second", now_usec() - began < USEC_PER_SEC);
        printf("# thawed in %u ms\n", (unsigned)((now_usec() - began) / USEC_PER_MSEC));
        broker_end(&broker, 0);
        must("rm %s/many-*", directory);
}

static Answer restore_event(char event) {
        Broker broker = broker_start();
        Answer answer = broker_event(&broker, event);

        broker_end(&broker, 0);
        return answer;
}

/* Whose restore has not finished. */
static const char *told(void) {
        SqliteWriter state = { .conf_path = conf_path, .unfinished_path = unfinished_path };
        vss_writer_call call = { .userdata = &state, .time_left_ms = 10000 };
        _cleanup_(fake_metadata_freep) vss_metadata *metadata = fake_metadata_new();
        bool log, journal;

        if (sqlite_writer.identify(&call, metadata) != VSS_S_OK)
                return "nobody answers";
        log = strstr(vss_value_get_string(fake_metadata_component(metadata, directory + 1, "wal.db"),
                                          "crash-only", ""),
                     "did not finish");
        journal = fake_metadata_warns(metadata, "rollback.db: a restore of it, begun");
        if (log != fake_metadata_warns(metadata, "wal.db: a restore of it, begun"))
                return "the component and the warning differ";
        return log && journal ? "both" : log ? "wal.db" : journal ? "rollback.db" : "";
}

static bool there_is(const char *name) {
        return access(path_of(name), F_OK) == 0;
}

/* Nobody may have it open, and what lies beside it must not be taken for a part of what comes. */
static void test_pre_restore(void) {
        int pair[2], status;
        Answer answer;
        pid_t pid;
        char byte;

        if (pipe2(pair, O_CLOEXEC) < 0)
                abort();
        pid = fork();
        if (pid == 0) {
                sqlite3 *db;

                if (child_become(user->pw_uid, user->pw_gid, user->pw_name) < 0 ||
                    sqlite3_open(path_of("wal.db"), &db) != SQLITE_OK ||
                    sqlite3_exec(db, "INSERT INTO t VALUES(2)", NULL, NULL, NULL) != SQLITE_OK ||
                    write(pair[1], "", 1) != 1)
                        _exit(1);
                (void)pause();
                _exit(0);
        }
        if (read(pair[0], &byte, 1) != 1)
                abort();
        restored = "both";
        answer = restore_event('<');
        expect_int("restore: one database is in use", answer.code, VSS_S_OK);
        expect_true("restore: which is told, and by whom",
                    strstr(answer.failure, "wal.db is open in process") &&
                            strstr(answer.failure, "test-sqlite"));
        expect_str("restore: for people too", answer.restore_failure, answer.failure);
        expect_true("restore: it is left alone", there_is("wal.db-wal") && there_is("wal.db-shm"));
        restored = "wal.db";
        expect_int("restore: nothing else, so the event fails", restore_event('<').code,
                   VSS_E_WRITERERROR_RETRYABLE);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        (void)close(pair[0]);
        (void)close(pair[1]);

        expect_true("restore: there is a log", there_is("wal.db-wal"));
        expect_int("restore: nobody uses it", restore_event('<').code, VSS_S_OK);
        expect_true("restore: no log and no index are left",
                    !there_is("wal.db-wal") && !there_is("wal.db-shm") && !there_is("wal.db-wal.old"));
        expect_int("restore: nothing was lost",
                   as_user("wal.db", "CREATE TABLE found AS SELECT a FROM t WHERE a=2"), SQLITE_OK);

        must("cp -p %s/wal.db %s/saved; printf garbage > %s/wal.db; printf old > %s/wal.db-wal; "
             "printf old > %s/wal.db-journal; printf old > %s/wal.db-shm; chown %s %s/wal.db*",
             directory, directory, directory, directory, directory, directory, user->pw_name, directory);
        expect_int("restore: a broken one", restore_event('<').code, VSS_S_OK);
        expect_true("restore: nothing is left beside it",
                    !there_is("wal.db-wal") && !there_is("wal.db-journal"));
        expect_true("restore: its index is gone", !there_is("wal.db-shm") && !there_is("wal.db-shm.old"));
        must("rm -f %s/wal.db %s/*.old; printf old > %s/wal.db-wal; chown %s %s/wal.db-wal", directory,
             directory, directory, user->pw_name, directory);
        expect_int("restore: a missing one", restore_event('<').code, VSS_S_OK);
        expect_true("restore: its log, too", !there_is("wal.db-wal") && there_is("wal.db-wal.old"));
        must("ln -s rollback.db %s/wal.db", directory);
        expect_int("restore: a link in its place", restore_event('<').code, VSS_E_WRITERERROR_NONRETRYABLE);
        must("rm %s/wal.db %s/*.old; mv %s/saved %s/wal.db", directory, directory, directory, directory);
}

/* What came back is looked at. */
static void test_post_restore(void) {
        Answer answer;

        restored = "both";
        expect_str("restored: those that were begun are told", told(), "both");
        expect_int("restored: sound ones", restore_event('>').code, VSS_S_OK);
        expect_str("restored: and have ended", told(), "");
        must("cp -p %s/wal.db %s/saved; dd if=/dev/zero of=%s/wal.db bs=1 seek=4096 count=2000 conv=notrunc "
             "2> /dev/null",
             directory, directory, directory);
        answer = restore_event('>');
        expect_int("restored: one that is not", answer.code, VSS_S_OK);
        expect_true("restored: is told", strstr(answer.failure, "wal.db is not sound after its restore"));
        expect_str("restored: for people too", answer.restore_failure, answer.failure);
        restored = "wal.db";
        expect_int("restored: another one is begun", restore_event('<').code, VSS_S_OK);
        expect_str("restored: which is told", told(), "wal.db");
        restore_status = VSS_RS_NONE;
        expect_str("restored: what was not touched is not looked at", restore_event('>').failure, "");
        expect_str("restored: nor told any more", told(), "");
        (void)restore_event('<');
        restore_status = VSS_RS_FAILED;
        expect_true("restored: what is mixed is told",
                    strstr(restore_event('>').restore_failure, "restore it again"));
        expect_str("restored: also later", told(), "wal.db");
        restore_status = VSS_RS_ALL;
        must("printf garbage > %s/wal.db; rm -f %s/wal.db-*", directory, directory);
        restored = "wal.db";
        expect_int("restored: nothing that is sound", restore_event('>').code,
                   VSS_E_WRITERERROR_NONRETRYABLE);
        must("rm -f %s/wal.db*; mv %s/saved %s/wal.db", directory, directory, directory);
}

static void set_up(void) {
        FILE *conf;

        if (!mkdtemp(directory))
                abort();
        if (chown(directory, user->pw_uid, user->pw_gid) < 0 || chmod(directory, 0700) < 0)
                abort();
        (void)snprintf(conf_path, sizeof(conf_path), "%s.conf", directory);
        (void)snprintf(unfinished_path, sizeof(unfinished_path), "%s.restores", directory);
        conf = fopen(conf_path, "we");
        if (!conf)
                abort();
        (void)fprintf(conf, "[SQLite]\nDatabase=%s/*.db\nDatabase=%s/none-*\n", directory, directory);
        (void)fclose(conf);
        if (as_user("wal.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1)") !=
                    SQLITE_OK ||
            as_user("rollback.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1)") != SQLITE_OK)
                abort();
        must("head -c 4096 /dev/zero > %s/text.db; ln -s wal.db %s/link.db", directory, directory);
}

int main(void) {
        if (geteuid() != 0) {
                printf("ok 1 # SKIP needs root\n1..1\n");
                return 0;
        }
        user = getpwnam("games");
        if (!user) {
                printf("ok 1 # SKIP there is no user games\n1..1\n");
                return 0;
        }
        set_up();
        test_identify();
        test_open_by_service();
        test_freeze();
        test_killed();
        test_busy();
        test_lost();
        test_many();
        test_pre_restore();
        test_post_restore();
        must("rm -r %s %s %s", directory, conf_path, unfinished_path);
        return test_end();
}
