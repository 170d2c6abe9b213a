/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A private server
 */

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "writers/postgresql/engine.h"
#include "writers/postgresql/hold.h"
#include "writers/postgresql/program.h"

#define CONTROL_USEC (10 * USEC_PER_SEC)
#define POLL_USEC (20 * USEC_PER_MSEC)
#define SETTINGS_MAX 64u
#define PORT 5432u

typedef struct Arguments {
        const char *items[2 * SETTINGS_MAX + 4];
        char texts[SETTINGS_MAX][PATH_MAX];
        size_t n, n_texts;
} Arguments;

static void set(Arguments *arguments, const char *format, ...) _printf_(2, 3);

static void set(Arguments *arguments, const char *format, ...) {
        char *text = arguments->texts[arguments->n_texts++];
        va_list args;

        assert(arguments->n_texts <= SETTINGS_MAX);
        va_start(args, format);
        (void)vsnprintf(text, PATH_MAX, format, args);
        va_end(args);
        arguments->items[arguments->n++] = "-c";
        arguments->items[arguments->n++] = text;
}

/* On the command line, since that alone overrides what lies beside the data (postgresql.auto.conf). */
static void set_all(Arguments *arguments, const Control *control, const char *scratch, bool careless) {
        static const char *const fixed[] = {
                "listen_addresses=",
                "unix_socket_permissions=0700",
                "archive_mode=off",
                "archive_command=",
                "primary_conninfo=",
                "primary_slot_name=",
                "restore_command=",
                "recovery_end_command=",
                "archive_cleanup_command=",
                "recovery_target_time=",
                "recovery_target_lsn=",
                "recovery_target_name=",
                "recovery_target_xid=",
                "recovery_target=",
                "hot_standby=on",
                "wal_level=logical",
                "max_replication_slots=256",
                "shared_preload_libraries=",
                "session_preload_libraries=",
                "local_preload_libraries=",
                "autovacuum=off",
                "max_logical_replication_workers=0",
                "logging_collector=off",
                "log_destination=stderr",
                "ssl=off",
                "shared_buffers=32MB",
                "default_transaction_read_only=off",
                "external_pid_file=",
                "huge_pages=off",
                "jit=off",
        };

        for (size_t i = 0; i < ELEMENTS(fixed); i++)
                set(arguments, "%s", fixed[i]);
        set(arguments, "unix_socket_directories=%s", scratch);
        set(arguments, "port=%u", PORT);
        set(arguments, "config_file=%s/postgresql.conf", scratch);
        set(arguments, "hba_file=%s/pg_hba.conf", scratch);
        set(arguments, "ident_file=%s/pg_ident.conf", scratch);
        set(arguments, "max_connections=%u", MAX(control->max_connections, 20u));
        set(arguments, "max_worker_processes=%u", control->max_worker_processes);
        set(arguments, "max_wal_senders=%u", control->max_wal_senders);
        set(arguments, "max_prepared_transactions=%u", control->max_prepared_xacts);
        set(arguments, "max_locks_per_transaction=%u", control->max_locks_per_xact);
        if (careless) {
                set(arguments, "fsync=off");
                set(arguments, "full_page_writes=off");
        }
}

static int write_configuration(const char *scratch) {
        /* The directory is ours alone. */
        int r = write_text(scratch, "pg_hba.conf", "local all all trust\n");

        if (r >= 0)
                r = write_text(scratch, "postgresql.conf", "");
        return r >= 0 ? write_text(scratch, "pg_ident.conf", "") : r;
}

/* Why it did not start: what it said last that has a meaning. */
static void explain(const Engine *engine, char *ret_why) {
        char text[16384], kept[sizeof(text)], *found = NULL, *next = text;
        _cleanup_(closep) int fd = open(engine->log, O_RDONLY | O_CLOEXEC);
        off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
        ssize_t n;

        if (end < 0)
                return;
        n = pread(fd, text, sizeof(text) - 1, MAX(end - (off_t)sizeof(text) + 1, (off_t)0));
        text[MAX(n, (ssize_t)0)] = '\0';
        memcpy(kept, text, sizeof(kept));
        for (char *line = strsep(&next, "\n"); line; line = strsep(&next, "\n"))
                if (strstr(line, "FATAL:") || strstr(line, "PANIC:"))
                        found = strstr(line, "FATAL:") ?: strstr(line, "PANIC:");
        if (found && text_is_clean(found))
                (void)snprintf(ret_why, SQL_WHY_SIZE, "%.600s", found);
        else
                (void)program_last_line(kept, ret_why, SQL_WHY_SIZE);
}

static int await_ready(Engine *engine, uint64_t deadline_usec, char *ret_why) {
        char text[8192];
        PidFile file;

        for (;;) {
                int status = program_wait(engine->pid, now_usec());

                if (status != -ETIMEDOUT) {
                        engine->pid = 0;
                        (void)snprintf(ret_why, SQL_WHY_SIZE, "the server ended");
                        explain(engine, ret_why);
                        return -EIO;
                }
                if (read_text(engine->data, "postmaster.pid", text, sizeof(text)) >= 0 &&
                    pid_file_parse(text, &file) >= 0 && file.pid == engine->pid && file.ready)
                        return 0;
                if (now_usec() >= deadline_usec) {
                        (void)snprintf(ret_why, SQL_WHY_SIZE,
                                       "the server has not recovered the data in time");
                        return -ETIMEDOUT;
                }
                (void)usleep(POLL_USEC);
        }
}

static int start(const Cluster *cluster, const Control *control, const char *scratch, bool careless,
                 Engine *engine) {
        Arguments *arguments = calloc(1, sizeof(*arguments));
        _cleanup_(freep) char *program = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        if (!arguments || asprintf(&program, "%s/postgres", cluster->programs) < 0) {
                free(arguments);
                return -ENOMEM;
        }
        fd = open(engine->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
        r = fd < 0 ? -errno : write_configuration(scratch);
        if (r >= 0) {
                arguments->items[arguments->n++] = program;
                arguments->items[arguments->n++] = "-D";
                arguments->items[arguments->n++] = engine->data;
                set_all(arguments, control, scratch, careless);
                r = program_start(arguments->items, fd, &engine->pid);
        }
        free(arguments);
        return r;
}

int engine_start(const Cluster *cluster, const PgSettings *settings, const char *data, const char *scratch,
                 bool careless, uint64_t deadline_usec, Engine *ret_engine, char *ret_why) {
        Engine engine = { 0 };
        Control control;
        int r;

        if (snprintf(engine.data, sizeof(engine.data), "%s", data) >= (int)sizeof(engine.data) ||
            snprintf(engine.log, sizeof(engine.log), "%s/server.log", scratch) >= (int)sizeof(engine.log) ||
            snprintf(engine.socket_dir, sizeof(engine.socket_dir), "%s", scratch) >=
                    (int)sizeof(engine.socket_dir))
                return -ENAMETOOLONG;
        r = cluster_control(cluster, data, MIN(now_usec() + CONTROL_USEC, deadline_usec), &control);
        if (r < 0) {
                (void)snprintf(ret_why, SQL_WHY_SIZE, "pg_controldata cannot read it: %s", strerror(-r));
                return r;
        }
        r = start(cluster, &control, scratch, careless, &engine);
        if (r < 0) {
                (void)snprintf(ret_why, SQL_WHY_SIZE, "the server cannot be started: %s", strerror(-r));
                return r;
        }
        r = await_ready(&engine, deadline_usec, ret_why);
        if (r < 0) {
                if (engine.pid > 0)
                        program_kill(engine.pid);
                return r;
        }
        *ret_engine = engine;
        ret_engine->target = (SqlTarget){
                .socket_dir = ret_engine->socket_dir,
                .port = PORT,
                .user = settings->user,
                .database = settings->database,
        };
        return 0;
}

int engine_stop(Engine *engine, uint64_t deadline_usec) {
        pid_t pid = engine->pid;
        int r;

        if (pid <= 0)
                return 0;
        engine->pid = 0;
        (void)kill(pid, SIGINT);
        r = program_wait(pid, deadline_usec);
        if (r >= 0)
                return 0;
        program_kill(pid);
        return r;
}
