/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the engine's own checker, and its log, say of its tables
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include "util/clock.h"
#include "writers/common/child.h"
#include "writers/mariadb/private.h"

#define FILE_MAX (16u << 20)
#define ROUND_MAX 40u

static char *read_descriptor(int fd) {
        off_t size = lseek(fd, 0, SEEK_END);
        off_t from = size > (off_t)FILE_MAX ? size - (off_t)FILE_MAX : 0;
        char *text;
        ssize_t n;

        if (size < 0)
                return NULL;
        text = malloc((size_t)(size - from) + 1);
        if (!text)
                return NULL;
        n = pread(fd, text, (size_t)(size - from), from);
        if (n < 0) {
                free(text);
                return NULL;
        }
        text[n] = '\0';
        return text;
}

char *check_read_file(const char *path) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 ? NULL : read_descriptor(fd);
}

static void take_line(const char *line, size_t n, char *ret_text, size_t size) {
        (void)snprintf(ret_text, size, "%.*s", (int)MIN(n, (size_t)400), line);
        if (!text_is_clean(ret_text))
                (void)snprintf(ret_text, size, "a text that cannot be shown");
}

static bool line_has(const char *line, size_t n, const char *what) {
        const char *at = strstr(line, what);

        return at && at + strlen(what) <= line + n;
}

bool check_find_complaint(const char *output, char *ret_why, size_t size) {
        const char *table = "";
        size_t n_table = 0;

        /* The name of a table, then lines "KIND    : TEXT"; kinds are note, warning, error, status. */
        for (const char *line = output; *line; line += line[0] == '\n') {
                size_t n = strcspn(line, "\n");
                char name[200], text[500];

                if (strncasecmp(line, "error", 5) == 0 ||
                    (strncmp(line, "status", 6) == 0 && line_has(line, n, "Operation failed"))) {
                        take_line(table, n_table, name, sizeof(name));
                        take_line(line, n, text, sizeof(text));
                        (void)snprintf(ret_why, size, "%s%s%s", name, *name ? ": " : "", text);
                        return true;
                }
                if (n > 0 && !line_has(line, n, " : ")) {
                        table = line;
                        n_table = strcspn(line, " \n");
                }
                line += n;
        }
        return false;
}

bool check_find_error(const char *log, char *ret_why, size_t size) {
        static const char *const marks[] = { "[ERROR] InnoDB: ", "is marked as crashed",
                                             "[ERROR] mysqld got signal", "[ERROR] mariadbd got signal",
                                             "Aria recovery failed" };

        for (const char *line = log; *line; line += line[0] == '\n') {
                size_t n = strcspn(line, "\n");

                FOREACH_ELEMENT (mark, marks)
                        if (memmem(line, n, *mark, strlen(*mark))) {
                                take_line(line, n, ret_why, size);
                                return true;
                        }
                line += n;
        }
        return false;
}

static int add_value(Options *argv, const char *option, const char *value) {
        char text[PATH_MAX + 32];

        (void)snprintf(text, sizeof(text), "%s%s", option, value);
        return options_add(argv, text);
}

static int make_argv(const Instance *instance, const ClientAddress *address, const Options *databases,
                     Options *argv) {
        bool mariadb = strstr(instance->program, "mariadb");
        char program[PATH_MAX];
        int r;

        r = options_add(argv, instance_program(instance, mariadb ? "mariadb-check" : "mysqlcheck", program,
                                               sizeof(program)));
        if (r >= 0)
                r = address->file ? add_value(argv, "--defaults-file=", address->file)
                                  : options_add(argv, "--no-defaults");
        if (r >= 0)
                r = add_value(argv, "--socket=", address->socket);
        if (r >= 0 && !address->file)
                r = add_value(argv, "--user=", address->user);
        if (r >= 0)
                r = options_add(argv, "--check");
        if (r >= 0)
                r = options_add(argv, "--silent");
        if (r >= 0 && databases)
                r = options_add(argv, "--quick");
        if (r >= 0)
                r = options_add(argv, databases ? "--databases" : "--all-databases");
        for (size_t i = 0; databases && i < databases->n && r >= 0; i++)
                if (databases->items[i][0] != '-')
                        r = options_add(argv, databases->items[i]);
        return r;
}

/* The command has a limit of words: many databases go in several rounds. */
static int check_round(const Instance *instance, const ClientAddress *address, const Options *databases,
                       uint64_t deadline_usec, char *ret_why, size_t size) {
        _cleanup_(closep) int output = memfd_create("check", MFD_CLOEXEC);
        _cleanup_(freep) char *text = NULL;
        char said[COMMAND_OUTPUT_MAX + 1];
        Options argv = { 0 };
        int r = output < 0 ? -errno : make_argv(instance, address, databases, &argv);

        if (r >= 0)
                r = command_run((const char *const *)argv.items, output, deadline_usec, said);
        options_clear(&argv);
        if (r < 0) {
                (void)snprintf(ret_why, size, "its checker: %s", strerror(-r));
                return r;
        }
        text = read_descriptor(output);
        if (text && check_find_complaint(text, ret_why, size))
                return -EBADMSG;
        if (r == 0)
                return 0;
        (void)snprintf(ret_why, size, "its checker failed: %.900s", said);
        return -EBADMSG;
}

int check_tables(const Instance *instance, const ClientAddress *address, const Options *databases,
                 uint64_t deadline_usec, char *ret_why, size_t size) {
        int r = 0;

        if (!databases)
                return check_round(instance, address, NULL, deadline_usec, ret_why, size);
        for (size_t i = 0; i < databases->n && r >= 0; i += ROUND_MAX) {
                const Options round = { databases->items + i, MIN(databases->n - i, (size_t)ROUND_MAX) };

                r = check_round(instance, address, &round, deadline_usec, ret_why, size);
        }
        return r;
}
