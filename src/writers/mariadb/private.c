/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A server of our own; see private.h
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/value.h"
#include "writers/common/aside.h"
#include "writers/mariadb/logs.h"
#include "writers/mariadb/process.h"

#define TRY_USEC (200 * USEC_PER_MSEC)
#define RETRY_USEC (20 * USEC_PER_MSEC)
#define ENTRIES_MAX 1000000u

static int fail(PrivateServer *server, int r, const char *format, ...) _printf_(3, 4);
static int fail(PrivateServer *server, int r, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(server->why, sizeof(server->why), format, args);
        va_end(args);
        return r;
}

/* What an instance is started with that must not count here: where its files are is said anew. */
static bool is_left_out(const char *option) {
        static const char *const left_out[] = {
                "defaults", "no-defaults", "print-defaults", "init-file", "init_file", "wsrep",  "daemonize",
                "chroot",   "user",        "bootstrap",      "log-bin",   "log_bin",   "relay",  "port",
                "rpl",      "tmpdir",      "log-error",      "log_error", "ssl",       "require"
        };

        if (strncmp(option, "--", 2) != 0)
                return true;
        option += 2;
        if (strncmp(option, "loose", 5) == 0 && (option[5] == '-' || option[5] == '_'))
                option += 6;
        FOREACH_ELEMENT (name, left_out)
                if (strncmp(option, *name, strlen(*name)) == 0)
                        return true;
        return false;
}

static int addf(Options *argv, const char *format, ...) _printf_(2, 3);
static int addf(Options *argv, const char *format, ...) {
        char text[PATH_MAX + 64];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        return n < 0 || n >= (int)sizeof(text) ? -ENAMETOOLONG : options_add(argv, text);
}

/* A directory or file that the instance has, where it is for this server. */
static int add_place(PrivateServer *server, Options *argv, const char *option, const char *variable) {
        char path[PATH_MAX], mapped[PATH_MAX];

        instance_path(server->instance, variable, path, sizeof(path));
        if (!*path)
                return 0;
        if (!server->map(server->userdata, path, mapped, sizeof(mapped)))
                return fail(server, -ENOENT, "%s is not in the set", path);
        return addf(argv, "--%s=%s", option, mapped);
}

/* The index of binary logs has whole paths, which may be those of the instance. */
static int write_index(PrivateServer *server, const char *basename, char *ret_index, size_t size) {
        char directory[PATH_MAX], pattern[NAME_MAX + 2];
        struct dirent **entries = NULL;
        const char *slash = strrchr(basename, '/');
        FILE *file;
        int n;

        (void)snprintf(directory, sizeof(directory), "%.*s", (int)(slash - basename), basename);
        (void)snprintf(pattern, sizeof(pattern), "%.250s.", slash + 1);
        (void)snprintf(ret_index, size, "%s/binlog.index", server->scratch);
        n = scandir(directory, &entries, NULL, alphasort);
        file = fopen(ret_index, "we");
        for (int i = 0; i < n; i++) {
                const char *name = entries[i]->d_name, *number = name + strlen(pattern);

                if (file && strncmp(name, pattern, strlen(pattern)) == 0 && *number &&
                    number[strspn(number, "0123456789")] == '\0')
                        (void)fprintf(file, "%s/%s\n", directory, name);
                free(entries[i]);
        }
        free(entries);
        if (!file)
                return -errno;
        return fclose(file) == 0 ? 0 : -errno;
}

static int add_binary_logs(PrivateServer *server, Options *argv) {
        char path[PATH_MAX], mapped[PATH_MAX], index[PATH_MAX];
        int r;

        instance_path(server->instance, "log_bin_basename", path, sizeof(path));
        if (!*path || !strrchr(path, '/') || !server->map(server->userdata, path, mapped, sizeof(mapped)))
                return options_add(argv, "--skip-log-bin");
        r = addf(argv, "--log-bin=%s", mapped);
        if (r < 0)
                return r;
        if (server->throw_away)
                r = write_index(server, mapped, index, sizeof(index));
        else {
                instance_path(server->instance, "log_bin_index", index, sizeof(index));
                if (!*index)
                        return 0;
        }
        return r < 0 ? r : addf(argv, "--log-bin-index=%s", index);
}

static int make_argv(PrivateServer *server, Options *argv) {
        static const char *const isolated[] = { "--skip-networking",
                                                "--skip-grant-tables",
                                                "--skip-slave-start",
                                                "--skip-symbolic-links",
                                                "--event-scheduler=OFF",
                                                "--general-log=0",
                                                "--slow-query-log=0",
                                                "--innodb-buffer-pool-size=128M",
                                                "--innodb-buffer-pool-load-at-startup=OFF",
                                                "--innodb-buffer-pool-dump-at-shutdown=OFF",
                                                "--innodb-flush-method=fsync",
                                                "--key-buffer-size=16M",
                                                "--max-connections=10",
                                                "--performance-schema=OFF" };
        static const char *const places[][2] = { { "datadir", "datadir" },
                                                 { "innodb-data-home-dir", "innodb_data_home_dir" },
                                                 { "innodb-log-group-home-dir",
                                                   "innodb_log_group_home_dir" },
                                                 { "innodb-undo-directory", "innodb_undo_directory" },
                                                 { "aria-log-dir-path", "aria_log_dir_path" } };
        const Instance *instance = server->instance;
        bool mariadb = strstr(instance->program, "mariadb");
        int r;

        r = options_add(argv, instance->program);
        if (r >= 0)
                r = options_add(argv, "--no-defaults");
        for (size_t i = 0; i < instance->options.n && r >= 0; i++)
                if (!is_left_out(instance->options.items[i]))
                        r = options_add(argv, instance->options.items[i]);
        FOREACH_ELEMENT (option, isolated)
                if (r >= 0)
                        r = options_add(argv, *option);
        FOREACH_ELEMENT (place, places)
                if (r >= 0 && (mariadb || strcmp((*place)[0], "aria-log-dir-path") != 0))
                        r = add_place(server, argv, (*place)[0], (*place)[1]);
        if (r >= 0)
                r = add_binary_logs(server, argv);
        /* They would be taken for databases. */
        if (r >= 0 && mariadb)
                r = options_add(argv, "--ignore-db-dirs=" ASIDE_NAME);
        if (r >= 0 && mariadb)
                r = options_add(argv, "--ignore-db-dirs=" LOGS_DIRECTORY);
        if (r >= 0)
                r = addf(argv, "--socket=%s", server->socket);
        if (r >= 0)
                r = addf(argv, "--pid-file=%s/" PRIVATE_PID_FILE, server->scratch);
        if (r >= 0)
                r = addf(argv, "--tmpdir=%s", server->scratch);
        return r < 0 ? r : addf(argv, "--log-error=%s", server->log);
}

/* Links of a clone may lead to the files of the instance itself. */
static int find_way_out(PrivateServer *server, const char *directory, unsigned depth) {
        const struct dirent *entry;
        DIR *dir = opendir(directory);
        int r = 0;

        if (!dir)
                return depth == 0 ? fail(server, -errno, "%s: %s", directory, strerror(errno)) : 0;
        for (unsigned i = 0; i < ENTRIES_MAX && r >= 0 && (entry = readdir(dir)); i++) {
                size_t n = strlen(entry->d_name);
                char path[PATH_MAX];
                struct stat st;

                if (entry->d_name[0] == '.' ||
                    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (S_ISLNK(st.st_mode) || (n > 4 && strcmp(entry->d_name + n - 4, ".isl") == 0))
                        r = fail(server, -ELOOP,
                                 "%s leads out of the clone (DATA DIRECTORY, or a symbolic link): a server "
                                 "started on it "
                                 "would work on the live files",
                                 entry->d_name);
                else if (S_ISDIR(st.st_mode) && depth == 0) {
                        (void)snprintf(path, sizeof(path), "%.3800s/%.250s", directory, entry->d_name);
                        r = find_way_out(server, path, 1);
                }
        }
        (void)closedir(dir);
        return r;
}

static bool has_ended(const PrivateServer *server) {
        struct pollfd fd = { .fd = server->command.pidfd, .events = POLLIN };

        return server->command.pid <= 0 || poll(&fd, 1, 0) > 0;
}

static int fail_with_log(PrivateServer *server, int r, const char *what) {
        _cleanup_(freep) char *log = check_read_file(server->log);
        char line[600] = "";

        if (log && !check_find_error(log, line, sizeof(line))) {
                const char *error = strstr(log, "[ERROR]");

                (void)snprintf(line, sizeof(line), "%.*s",
                               error ? (int)MIN(strcspn(error, "\n"), (size_t)500) : 0, error ?: "");
        }
        return fail(server, r, "%s%s%s", what, *line ? ": " : "", line);
}

static int wait_until_ready(PrivateServer *server, uint64_t deadline_usec) {
        ClientAddress address = { .socket = server->socket, .user = "root" };

        for (;;) {
                Client client = { 0 };
                int r = client_connect(&client, &address, MIN(now_usec() + TRY_USEC, deadline_usec));

                client_close(&client);
                if (r >= 0)
                        return 0;
                if (has_ended(server))
                        return fail_with_log(server, -EBADMSG, "the server does not start on these files");
                if (now_usec() + RETRY_USEC >= deadline_usec)
                        return fail_with_log(server, -ETIMEDOUT, "the server was not ready in time");
                command_drain(&server->command);
                (void)usleep(RETRY_USEC);
        }
}

int private_start(PrivateServer *server, uint64_t deadline_usec) {
        char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C.UTF-8", NULL };
        char datadir[PATH_MAX], mapped[PATH_MAX];
        Options argv = { 0 };
        int r = 0;

        server->command = COMMAND_NULL;
        (void)snprintf(server->socket, sizeof(server->socket), "%.90s/s", server->scratch);
        (void)snprintf(server->log, sizeof(server->log), "%.4000s/log", server->scratch);
        instance_path(server->instance, "datadir", datadir, sizeof(datadir));
        if (!server->map(server->userdata, datadir, mapped, sizeof(mapped)))
                return fail(server, -ENOENT, "%s is not in the set", datadir);
        if (server->throw_away)
                r = find_way_out(server, mapped, 0);
        if (r >= 0)
                r = make_argv(server, &argv);
        /* With an input, which ends it with the writer. */
        if (r >= 0) {
                r = command_start(argv.items, environment, true, -1, &server->command);
                if (r < 0)
                        (void)fail(server, r, "%s: %s", server->instance->program, strerror(-r));
        }
        options_clear(&argv);
        if (r >= 0)
                r = wait_until_ready(server, deadline_usec);
        else if (!*server->why)
                (void)fail(server, r, "%s", strerror(-r));
        if (r < 0)
                command_clear(&server->command);
        return r;
}

int private_check(PrivateServer *server, uint64_t deadline_usec) {
        const ClientAddress address = { .socket = server->socket, .user = "root" };
        _cleanup_(freep) char *log = NULL;
        int r;

        r = check_tables(server->instance, &address, NULL, deadline_usec, server->why, sizeof(server->why));
        if (r == -ETIMEDOUT)
                return fail(server, r, "there was no time to check all tables");
        log = check_read_file(server->log);
        /* What it says while it reads and checks counts as much. */
        if (r >= 0 && log && check_find_error(log, server->why, sizeof(server->why)))
                r = -EBADMSG;
        return r;
}

int private_stop(PrivateServer *server, uint64_t deadline_usec) {
        int status = 0, r = 0;

        if (server->command.pid > 0 && !server->throw_away) {
                command_signal(&server->command, SIGTERM);
                r = command_wait(&server->command, deadline_usec, -1, false, &status);
                if (r < 0 || status != 0)
                        r = fail_with_log(server, r < 0 ? r : -EBADMSG,
                                          "the server did not shut down in order");
        }
        command_clear(&server->command);
        return r;
}
