/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Binary logs; see logs.h
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "writers/mariadb/logs.h"

#define CHUNK 65536u

int log_parse_name(const char *name, LogName *ret_name) {
        const char *dot = strrchr(name, '.');
        size_t n = dot ? (size_t)(dot - name) : 0;

        if (n == 0 || n >= sizeof(ret_name->base) || !dot[1] || strlen(dot + 1) > 10 ||
            dot[1 + strspn(dot + 1, "0123456789")] != '\0' || strchr(name, '/'))
                return -EINVAL;
        (void)snprintf(ret_name->base, sizeof(ret_name->base), "%.*s", (int)n, name);
        ret_name->number = strtoul(dot + 1, NULL, 10);
        return 0;
}

int log_parse_stamp(const char *stamp, char *ret_file, size_t size, unsigned long *ret_position) {
        const char *colon = strrchr(stamp, ':');
        size_t n = colon ? (size_t)(colon - stamp) : 0;
        LogName name;

        if (n == 0 || n >= size || !colon[1] || strlen(colon + 1) > 18 ||
            colon[1 + strspn(colon + 1, "0123456789")] != '\0')
                return -EINVAL;
        (void)snprintf(ret_file, size, "%.*s", (int)n, stamp);
        *ret_position = strtoul(colon + 1, NULL, 10);
        return log_parse_name(ret_file, &name);
}

static int compare(const void *a, const void *b) {
        LogName x = { "", 0 }, y = { "", 0 };

        (void)log_parse_name(*(char *const *)a, &x);
        (void)log_parse_name(*(char *const *)b, &y);
        return x.number < y.number ? -1 : x.number > y.number;
}

int log_list(const char *directory, const char *base, unsigned long first, unsigned long last,
             Options *ret_names) {
        DIR *dir = opendir(directory);
        const struct dirent *entry;
        Options names = { 0 };
        int r = 0;

        if (!dir)
                return -errno;
        while (r >= 0 && (entry = readdir(dir))) {
                LogName name;

                if (log_parse_name(entry->d_name, &name) >= 0 && strcmp(name.base, base) == 0 &&
                    name.number >= first && (last == 0 || name.number <= last))
                        r = options_add(&names, entry->d_name);
        }
        (void)closedir(dir);
        if (r < 0) {
                options_clear(&names);
                return r;
        }
        if (names.n > 0)
                qsort(names.items, names.n, sizeof(*names.items), compare);
        *ret_names = names;
        return 0;
}

static int addf(Options *argv, const char *format, ...) _printf_(2, 3);
static int addf(Options *argv, const char *format, ...) {
        char text[PATH_MAX + 64];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        return options_add(argv, text);
}

static int make_reader(const PrivateServer *server, const LogOrder *order, const Options *names,
                       Options *argv) {
        bool mariadb = strstr(server->instance->program, "mariadb");
        char path[PATH_MAX];
        int r;

        r = options_add(argv, instance_program(server->instance, mariadb ? "mariadb-binlog" : "mysqlbinlog",
                                               path, sizeof(path)));
        if (r >= 0)
                r = options_add(argv, "--no-defaults");
        if (r >= 0)
                r = addf(argv, "--start-position=%lu", order->position);
        if (r >= 0 && order->stop_datetime)
                r = addf(argv, "--stop-datetime=%s", order->stop_datetime);
        if (r >= 0 && order->stop_position)
                r = addf(argv, "--stop-position=%s", order->stop_position);
        for (size_t i = 0; i < names->n && r >= 0; i++)
                r = addf(argv, "%s/%s", order->directory, names->items[i]);
        return r;
}

static int make_client(const PrivateServer *server, Options *argv) {
        bool mariadb = strstr(server->instance->program, "mariadb");
        char path[PATH_MAX];
        int r;

        r = options_add(
                argv, instance_program(server->instance, mariadb ? "mariadb" : "mysql", path, sizeof(path)));
        if (r >= 0)
                r = options_add(argv, "--no-defaults");
        if (r >= 0)
                r = options_add(argv, "--user=root");
        if (r >= 0)
                r = options_add(argv, "--binary-mode");
        return r < 0 ? r : addf(argv, "--socket=%s", server->socket);
}

static int wait_for(int fd, short events, uint64_t deadline_usec) {
        struct pollfd poll_fd = { .fd = fd, .events = events };
        uint64_t now = now_usec();

        if (now >= deadline_usec)
                return -ETIMEDOUT;
        return poll(&poll_fd, 1, (int)MIN((deadline_usec - now + 999) / 1000, UINT64_C(1000))) < 0 &&
                               errno != EINTR
                       ? -errno
                       : 0;
}

/* From one program to the other, as fast as the other takes it. */
static int pump(int from, Command *to, uint64_t deadline_usec) {
        char buffer[CHUNK];
        int r = 0;

        while (r >= 0) {
                ssize_t n = read(from, buffer, sizeof(buffer));

                if (n == 0)
                        return 0;
                if (n < 0) {
                        r = errno == EAGAIN || errno == EINTR ? wait_for(from, POLLIN, deadline_usec)
                                                              : -errno;
                        continue;
                }
                for (ssize_t done = 0; done < n && r >= 0;) {
                        ssize_t k = write(to->input, buffer + done, (size_t)(n - done));

                        if (k >= 0)
                                done += k;
                        else
                                r = errno == EAGAIN || errno == EINTR
                                            ? wait_for(to->input, POLLOUT, deadline_usec)
                                            : -errno;
                        command_drain(to);
                }
        }
        return r;
}

static int end(Command *command, uint64_t deadline_usec) {
        int status = 0, r = command_wait(command, deadline_usec, -1, false, &status);

        command_drain(command);
        return r < 0 ? r : WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBADMSG;
}

static int run_both(PrivateServer *server, Options *reader_argv, Options *client_argv,
                    uint64_t deadline_usec) {
        char *environment[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LANG=C.UTF-8", NULL };
        Command reader = COMMAND_NULL, client = COMMAND_NULL;
        int ends[2], r, read_end = 0, client_end = 0;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        r = fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
        if (r >= 0)
                r = command_start(reader_argv->items, environment, false, ends[1], &reader);
        (void)close(ends[1]);
        if (r >= 0)
                r = command_start(client_argv->items, environment, true, -1, &client);
        if (r >= 0 && fcntl(client.input, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        if (r >= 0)
                r = pump(ends[0], &client, deadline_usec);
        (void)close(ends[0]);
        /* The end of its input ends it. A broken pipe: it has said why. */
        closep(&client.input);
        client.input = -1;
        if (r >= 0 || r == -EPIPE) {
                client_end = end(&client, deadline_usec);
                read_end = r == -EPIPE ? 0 : end(&reader, deadline_usec);
                r = MIN(client_end, read_end);
        }
        if (r < 0)
                (void)snprintf(server->why, sizeof(server->why),
                               "the binary logs could not be applied: %.800s",
                               client_end < 0 ? command_output_text(&client.out)
                               : read_end < 0 ? command_output_text(&reader.out)
                                              : strerror(-r));
        command_clear(&reader);
        command_clear(&client);
        return r;
}

int log_apply(PrivateServer *server, const LogOrder *order, uint64_t deadline_usec) {
        Options names = { 0 }, reader = { 0 }, client = { 0 };
        LogName first;
        int r;

        r = log_parse_name(order->file, &first);
        if (r >= 0)
                r = log_list(order->directory, first.base, first.number, 0, &names);
        if (r >= 0 && (names.n == 0 || strcmp(names.items[0], order->file) != 0)) {
                (void)snprintf(server->why, sizeof(server->why),
                               "%.300s is not in %.500s: a log backup is missing", order->file,
                               order->directory);
                r = -ENOENT;
        }
        /* One that is missing in between would leave a hole. */
        for (size_t i = 0; i < names.n && r >= 0; i++) {
                LogName name = first;

                (void)log_parse_name(names.items[i], &name);
                if (name.number != first.number + i) {
                        (void)snprintf(server->why, sizeof(server->why),
                                       "before %.300s a binary log is missing", names.items[i]);
                        r = -ENOENT;
                }
        }
        if (r >= 0)
                r = make_reader(server, order, &names, &reader);
        if (r >= 0)
                r = make_client(server, &client);
        if (r >= 0)
                r = run_both(server, &reader, &client, deadline_usec);
        options_clear(&names);
        options_clear(&reader);
        options_clear(&client);
        if (r < 0 && !*server->why)
                (void)snprintf(server->why, sizeof(server->why), "the binary logs could not be applied: %s",
                               strerror(-r));
        return r;
}
