/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A server of our own
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "writers/redis/engine.h"

#define NAP_USEC (10 * USEC_PER_MSEC)
#define LOG_TAIL 300
#define LINE_SIZE 1024

static int _printf_(3, 4) fail(char *why, int error, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(why, SERVER_WHY_SIZE, format, args);
        va_end(args);
        return error;
}

/* The last line of its log says what was wrong. */
static void read_log(const Engine *engine, char *text, size_t size) {
        _cleanup_(closep) int fd = open(engine->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        ssize_t n = 0;
        char *line;

        text[0] = '\0';
        if (fd < 0 || fstat(fd, &st) < 0)
                return;
        n = pread(fd, text, size - 1, MAX(st.st_size - (off_t)size + 1, 0));
        text[MAX(n, 0)] = '\0';
        for (size_t length = strlen(text); length > 0 && text[length - 1] == '\n'; length--)
                text[length - 1] = '\0';
        line = strrchr(text, '\n');
        if (line)
                memmove(text, line + 1, strlen(line));
        if (!text_is_clean(text))
                text[0] = '\0';
}

/* Does it end within a moment? */
static bool has_ended(Engine *engine) {
        int status;

        return engine->command.pid <= 0 ||
               command_wait(&engine->command, now_usec() + NAP_USEC, -1, false, &status) == 0;
}

static int wait_until_loaded(Engine *engine, uint64_t deadline_usec, char *why) {
        char line[LOG_TAIL];

        for (;;) {
                _cleanup_(freep) char *info = NULL;

                engine->server.deadline_usec = deadline_usec;
                if (!engine->server.context && access(engine->socket, F_OK) == 0 &&
                    server_connect(&engine->server, engine->socket, 0) < 0)
                        server_close(&engine->server);
                if (engine->server.context && server_info(&engine->server, "persistence", &info) == 0 &&
                    info_number(info, "loading", 1) == 0)
                        return 0;
                if (has_ended(engine)) {
                        read_log(engine, line, sizeof(line));
                        return fail(why, -EIO, "a server of its own cannot load it: %s",
                                    line[0] ? line : command_output_text(&engine->command.out));
                }
                if (now_usec() >= deadline_usec)
                        return fail(why, -ETIMEDOUT, "there was no time to load it");
        }
}

int engine_start(Engine *engine, const EngineOrder *order, uint64_t deadline_usec, char *why) {
        const InstanceFacts *facts = order->facts;
        char program[REDIS_PATH_SIZE], *words[48 + 2 * REDIS_MODULES_MAX];
        char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C.UTF-8", NULL };
        size_t n = 0;
        int r;

        *engine = (Engine){ .command = COMMAND_NULL };
        /* What a server says is no path if it was found by PATH. */
        if (access(facts->executable, X_OK) == 0)
                (void)snprintf(program, sizeof(program), "%s", facts->executable);
        else
                (void)snprintf(program, sizeof(program), "/usr/bin/%s", order->process);
        (void)snprintf(engine->socket, sizeof(engine->socket), "%s/s", order->scratch);
        (void)snprintf(engine->log, sizeof(engine->log), "%s/log", order->scratch);
        {
                const char *fixed[] = {
                        program,
                        "--port",
                        "0",
                        "--unixsocket",
                        engine->socket,
                        "--unixsocketperm",
                        "700",
                        "--dir",
                        order->dir,
                        "--dbfilename",
                        facts->dump,
                        "--appendonly",
                        order->append_only ? "yes" : "no",
                        "--save",
                        "",
                        "--daemonize",
                        "no",
                        "--logfile",
                        engine->log,
                        "--appendfilename",
                        facts->append_file,
                        "--enable-protected-configs",
                        "no",
                };

                FOREACH_ELEMENT (word, fixed)
                        words[n++] = (char *)(uintptr_t)*word;
        }
        if (facts->many_files) {
                words[n++] = (char *)"--appenddirname";
                words[n++] = (char *)(uintptr_t)facts->append_dir;
        } else
                n -= 2; /* what protects settings came with 7 */
        for (size_t i = 0; order->conf && i < order->conf->n_modules; i++) {
                words[n++] = (char *)"--loadmodule";
                words[n++] = order->conf->modules[i];
        }
        words[n] = NULL;
        r = command_start(words, environment, false, -1, &engine->command);
        if (r < 0)
                return fail(why, r, "%s cannot be started: %s", program, strerror(-r));
        engine->started = true;
        r = wait_until_loaded(engine, deadline_usec, why);
        if (r < 0)
                engine_stop(engine, now_usec() + USEC_PER_SEC);
        return r;
}

void engine_stop(Engine *engine, uint64_t deadline_usec) {
        int status;

        if (!engine->started)
                return;
        engine->server.deadline_usec = deadline_usec;
        /* Its answer is the end of the connection. */
        if (engine->server.context)
                (void)server_do(&engine->server, "SHUTDOWN", "NOSAVE");
        server_close(&engine->server);
        if (engine->command.pid > 0)
                (void)command_wait(&engine->command, deadline_usec, -1, false, &status);
        command_clear(&engine->command);
        engine->started = false;
}

static int wait_for_rewrite(Engine *engine, uint64_t deadline_usec, char *why) {
        for (;;) {
                _cleanup_(freep) char *info = NULL;
                struct timespec nap = { 0, (long)(NAP_USEC * 1000) };
                char status[16] = "";

                engine->server.deadline_usec = deadline_usec;
                if (server_info(&engine->server, "persistence", &info) < 0)
                        return fail(why, -EIO, "%.300s", engine->server.why);
                if (info_number(info, "aof_rewrite_in_progress", 1) == 0 &&
                    info_number(info, "aof_rewrite_scheduled", 1) == 0) {
                        (void)info_text(info, "aof_last_bgrewrite_status", status, sizeof(status));
                        return strcmp(status, "ok") == 0 ? 0
                                                         : fail(why, -EIO, "its AOF could not be written");
                }
                (void)nanosleep(&nap, NULL);
        }
}

int engine_make_append_file(Engine *engine, uint64_t deadline_usec, char *why) {
        engine->server.deadline_usec = deadline_usec;
        if (server_do(&engine->server, "CONFIG", "SET", "appendonly", "yes") < 0)
                return fail(why, -EIO, "%.300s", engine->server.why);
        return wait_for_rewrite(engine, deadline_usec, why);
}

int engine_make_dump(Engine *engine, uint64_t deadline_usec, char *why) {
        engine->server.deadline_usec = deadline_usec;
        return server_do(&engine->server, "SAVE") < 0 ? fail(why, -EIO, "%.300s", engine->server.why) : 0;
}

int64_t info_count_keys(const char *info) {
        int64_t total = 0;

        for (const char *line = strstr(info, ":keys="); line; line = strstr(line, ":keys=")) {
                line += 6;
                total += strtoll(line, NULL, 10);
        }
        return total;
}

int64_t engine_count_keys(Engine *engine, uint64_t deadline_usec) {
        _cleanup_(freep) char *info = NULL;

        engine->server.deadline_usec = deadline_usec;
        return server_info(&engine->server, "keyspace", &info) < 0 ? -1 : info_count_keys(info);
}

/* Checkers */

static bool is_empty(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && st.st_size == 0;
}

static int check_one(const Product *product, const char *checker, const char *path, uint64_t deadline_usec,
                     char *why) {
        char program[64], text[COMMAND_OUTPUT_MAX + 1];
        const char *words[] = { program, path, NULL };
        int r;

        if (access(path, F_OK) < 0)
                return 0;
        (void)snprintf(program, sizeof(program), "%s-%s", product->name, checker);
        r = command_run(words, -1, deadline_usec, text);
        /* Its package may not have it; loading tells as well. */
        if (r == 0 || r == -ENOENT)
                return 0;
        return fail(why, -EIO, "%s: %.300s", program, r < 0 ? strerror(-r) : text);
}

/* Return: 1 if the manifest names others than dumps and what was added to them. */
static int check_added(const Product *product, const InstanceFacts *facts, const char *dir, FILE *manifest,
                       uint64_t deadline_usec, char *why) {
        char line[LINE_SIZE], name[LINE_SIZE], path[3 * REDIS_PATH_SIZE], type;

        while (fgets(line, sizeof(line), manifest)) {
                const char *ending = NULL;
                int r;

                if (line[0] == '#')
                        continue;
                /* A name that is quoted has blanks in it: the checker knows better. */
                if (sscanf(line, "file %1023s seq %*u type %c", name, &type) != 2 || strchr(name, '/') ||
                    name[0] == '"' || !strchr("bi", type))
                        return 1;
                ending = strrchr(name, '.');
                if (type == 'b' && ending && strcmp(ending, ".rdb") == 0)
                        continue;
                if (snprintf(path, sizeof(path), "%s/%s/%s", dir, facts->append_dir, name) >=
                    (int)sizeof(path))
                        return 1;
                if (access(path, F_OK) < 0)
                        return fail(why, -ENOENT, "%.300s, which the manifest names, is not there", path);
                r = is_empty(path) ? 0 : check_one(product, "check-aof", path, deadline_usec, why);
                if (r < 0)
                        return r;
        }
        return 0;
}

int check_tails(const Product *product, const InstanceFacts *facts, const char *dir, uint64_t deadline_usec,
                char *why) {
        _cleanup_(fclosep) FILE *manifest = NULL;
        char path[3 * REDIS_PATH_SIZE];
        int r = 1;

        if (!facts->append_only)
                return 0;
        (void)snprintf(path, sizeof(path), "%s/%s/%s.manifest", dir, facts->append_dir, facts->append_file);
        if (facts->many_files)
                manifest = fopen(path, "re");
        if (manifest)
                r = check_added(product, facts, dir, manifest, deadline_usec, why);
        return r == 1 ? check_files(product, facts, dir, deadline_usec, why) : r;
}

int check_files(const Product *product, const InstanceFacts *facts, const char *dir, uint64_t deadline_usec,
                char *why) {
        char path[3 * REDIS_PATH_SIZE];
        int r;

        if (facts->many_files)
                (void)snprintf(path, sizeof(path), "%s/%s/%s.manifest", dir, facts->append_dir,
                               facts->append_file);
        else
                (void)snprintf(path, sizeof(path), "%s/%s", dir, facts->append_file);
        if (facts->append_only) {
                if (access(path, F_OK) < 0)
                        return fail(why, -ENOENT, "there is no AOF in %.300s", dir);
                r = check_one(product, "check-aof", path, deadline_usec, why);
                if (r < 0)
                        return r;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", dir, facts->dump);
        return check_one(product, "check-rdb", path, deadline_usec, why);
}
