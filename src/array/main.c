/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-array: a small disk array, of files on a file system that shares blocks, for hosts that reach it over
 * NBD
 */

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include "array/copies.h"
#include "array/portal.h"
#include "array/session.h"

enum { EXIT_USAGE = 2 };

typedef struct Command {
        const char *conf, *host;
        bool read_only;
        Settings settings;
        Store store;
        int argc;
        char **argv;
} Command;

static int complain(const ArrayError *error) {
        fprintf(stderr, "vss-array: %s\n", error->text);
        return EXIT_FAILURE;
}

/* Bytes with K, M, G or T. */
static int parse_size(const char *word, uint64_t *ret_bytes) {
        static const char units[] = "KMGT";
        uint64_t bytes;
        char *end;

        if (word[0] < '0' || word[0] > '9')
                return -EINVAL;
        errno = 0;
        bytes = strtoull(word, &end, 10);
        if (errno != 0)
                return -ERANGE;
        if (*end) {
                const char *unit = strchr(units, *end);

                if (!unit || end[1] || bytes >> (54 - 10 * (unit - units)))
                        return -EINVAL;
                bytes <<= 10 * (unit - units + 1);
        }
        *ret_bytes = bytes;
        return 0;
}

static int run_create(Command *c, ArrayError *error) {
        _cleanup_(closep) int lock = -1;
        uint64_t bytes;
        int r = 0;

        if (parse_size(c->argv[1], &bytes) < 0)
                return array_fail(error, -EINVAL, "%s is no size: 500M, 20G", c->argv[1]);
        r = store_lock(&c->store, &lock, error);
        return r < 0 ? r : store_lun_create(&c->store, c->argv[0], bytes, error);
}

static int run_delete(Command *c, ArrayError *error) {
        _cleanup_(closep) int lock = -1;
        int r = store_lock(&c->store, &lock, error);

        return r < 0 ? r : store_lun_delete(&c->store, c->argv[0], error);
}

static int run_grant(Command *c, ArrayError *error) {
        _cleanup_(closep) int lock = -1;
        int r = store_lock(&c->store, &lock, error);

        if (r == 0)
                r = store_host_create(&c->store, c->argv[1], c->settings.port, error);
        return r < 0 ? r : store_grant(&c->store, c->argv[0], c->argv[1], c->read_only, error);
}

static int run_revoke(Command *c, ArrayError *error) {
        _cleanup_(closep) int lock = -1;
        int r = store_lock(&c->store, &lock, error);

        return r < 0 ? r : store_revoke(&c->store, c->argv[0], c->argv[1], error);
}

/* One that only imports is granted nothing. */
static int run_host(Command *c, ArrayError *error) {
        _cleanup_(closep) int lock = -1;
        int r = store_lock(&c->store, &lock, error);

        return r < 0 ? r : store_host_create(&c->store, c->argv[0], c->settings.port, error);
}

static int run_forget_host(Command *c, ArrayError *error) {
        _cleanup_(closep) int lock = -1;
        int r = store_lock(&c->store, &lock, error);

        return r < 0 ? r : store_host_delete(&c->store, c->argv[0], error);
}

static int run_key(Command *c, ArrayError *error) {
        char path[ARRAY_NAME_MAX + 8], text[256];
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int fd = -1;
        ssize_t n;
        int r = store_host_read(&c->store, c->argv[0], &info, error);

        if (r < 0)
                return r;
        (void)snprintf(path, sizeof(path), "%s/psk", c->argv[0]);
        fd = openat(c->store.hosts, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text));
        if (n <= 0)
                return array_fail(error, -EIO, "the key of %s cannot be read", c->argv[0]);
        (void)fwrite(text, 1, (size_t)n, stdout);
        return 0;
}

static void list_hosts(Command *c, const vss_value *hosts, const char *lun) {
        for (size_t i = 0; i < vss_value_count(hosts); i++) {
                const char *host = vss_value_string(vss_value_at(hosts, i), "");
                _cleanup_value_ vss_value *seen = vss_value_new_dict();
                ArrayError ignored;

                if (store_granted(&c->store, host, seen, &ignored) == 0 && vss_value_get(seen, lun))
                        printf(" %s%s", host, vss_value_get_boolean(seen, lun, false) ? "" : "(read-only)");
        }
}

static int run_list(Command *c, ArrayError *error) {
        _cleanup_value_ vss_value *luns = vss_value_new_list(), *copies = vss_value_new_list(),
                                  *hosts = vss_value_new_list();
        int r = store_list(&c->store, c->store.luns, STORE_LUNS_MAX, luns, error);

        if (r == 0)
                r = store_list(&c->store, c->store.copies, STORE_COPIES_MAX, copies, error);
        if (r == 0)
                r = store_list(&c->store, c->store.hosts, STORE_HOSTS_MAX, hosts, error);
        for (size_t i = 0; r == 0 && i < vss_value_count(luns); i++) {
                const char *name = vss_value_string(vss_value_at(luns, i), "");
                _cleanup_value_ vss_value *info = NULL;
                ArrayError broken;

                if (store_lun_read(&c->store, name, &info, &broken) < 0) {
                        printf("lun %s is broken: %s\n", name, broken.text);
                        continue;
                }
                printf("lun %s %" PRId64 " %s", name, vss_value_get_integer(info, "size", 0),
                       vss_value_get_string(info, "serial", "-"));
                list_hosts(c, hosts, name);
                (void)fputc('\n', stdout);
        }
        for (size_t i = 0; r == 0 && i < vss_value_count(copies); i++) {
                const char *id = vss_value_string(vss_value_at(copies, i), "");
                _cleanup_value_ vss_value *info = NULL;
                const vss_value *own;

                if (store_read_info(c->store.copies, id, &info) < 0)
                        info = vss_value_new_dict();
                own = vss_value_get(info, "array");
                printf("copy %s %s %s %s", id, vss_value_get_string(own, "lun", "-"),
                       vss_value_get_string(info, "state", "broken"),
                       vss_value_get_string(own, "holder", "-"));
                list_hosts(c, hosts, id);
                (void)fputc('\n', stdout);
        }
        for (size_t i = 0; r == 0 && i < vss_value_count(hosts); i++)
                printf("host %s\n", vss_value_string(vss_value_at(hosts, i), ""));
        return r;
}

static int run_serve(Command *c, ArrayError *error) {
        _cleanup_(closep) int lock = -1;
        int r = store_lock(&c->store, &lock, error);

        if (r == 0)
                r = copies_sweep(&c->store, error);
        closep(&lock);
        lock = -1;
        return r < 0 ? r : portal_serve(&c->settings, &c->store, error);
}

static int run_session(Command *c, ArrayError *error) {
        if (!c->host || !array_name_is_valid(c->host))
                return array_fail(error, -EINVAL, "session needs --host NAME");
        (void)signal(SIGPIPE, SIG_IGN);
        if (fcntl(0, F_SETFL, O_NONBLOCK) < 0 || fcntl(1, F_SETFL, O_NONBLOCK) < 0)
                return array_fail(error, -errno, "%s", strerror(errno));
        return session_run(&c->settings, &c->store, c->host, 0, 1) == EXIT_SUCCESS
                       ? 0
                       : array_fail(error, -EIO, "the session of %s failed", c->host);
}

static const struct {
        const char *name, *arguments;
        int n;
        bool makes_store;
        int (*run)(Command *c, ArrayError *error);
} commands[] = {
        { "create", "LUN SIZE", 2, true, run_create },
        { "delete", "LUN", 1, false, run_delete },
        { "list", "", 0, false, run_list },
        { "grant", "[--read-only] LUN HOST", 2, false, run_grant },
        { "revoke", "LUN HOST", 2, false, run_revoke },
        { "host", "HOST", 1, true, run_host },
        { "forget-host", "HOST", 1, false, run_forget_host },
        { "key", "HOST", 1, false, run_key },
        { "serve", "", 0, true, run_serve },
        { "session", "--host HOST", 0, false, run_session },
};

static int usage(FILE *to, int status) {
        fputs("Usage: vss-array [--conf FILE] COMMAND\n\n", to);
        FOREACH_ELEMENT (known, commands)
                fprintf(to, "  vss-array %s %s\n", known->name, known->arguments);
        return status;
}

static int run(Command *c, const char *name) {
        ArrayError error = { .text = "" };
        ConfError wrong = { 0 };

        if (settings_read(c->conf, &wrong, &c->settings) < 0) {
                fprintf(stderr, "vss-array: %s:%u: %s\n", c->conf, wrong.line, wrong.message);
                return EXIT_FAILURE;
        }
        FOREACH_ELEMENT (known, commands) {
                int r;

                if (strcmp(known->name, name) != 0)
                        continue;
                if (c->argc != known->n) {
                        fprintf(stderr, "vss-array: usage: vss-array %s %s\n", known->name,
                                known->arguments);
                        return EXIT_USAGE;
                }
                r = store_open(c->settings.store, known->makes_store, &c->store, &error);
                if (r == 0)
                        r = known->run(c, &error);
                store_close(&c->store);
                return r < 0 ? complain(&error) : EXIT_SUCCESS;
        }
        fprintf(stderr, "vss-array: there is no command %s; see vss-array --help\n", name);
        return EXIT_USAGE;
}

int main(int argc, char **argv) {
        static const struct option options[] = { { "conf", required_argument, NULL, 'c' },
                                                 { "host", required_argument, NULL, 'h' },
                                                 { "read-only", no_argument, NULL, 'r' },
                                                 { "help", no_argument, NULL, 'H' },
                                                 { NULL, 0, NULL, 0 } };
        Command c = { .conf = ARRAY_CONF, .store = { .fd = -1, .luns = -1, .copies = -1, .hosts = -1 } };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (option) {
                case 'c':
                        c.conf = optarg;
                        break;
                case 'h':
                        c.host = optarg;
                        break;
                case 'r':
                        c.read_only = true;
                        break;
                case 'H':
                        return usage(stdout, EXIT_SUCCESS);
                default:
                        return EXIT_USAGE;
                }
        if (optind >= argc)
                return usage(stderr, EXIT_USAGE);
        c.argc = argc - optind - 1;
        c.argv = argv + optind + 1;
        return run(&c, argv[optind]);
}
