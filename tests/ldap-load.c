/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an application of a directory does, for tests and measurements
 *
 * ldap-load run URL LOG DN...          a counter in each of these entries (attribute description), one after
 *                                      the other, until SIGTERM; "N SENT ACK" in microseconds for each round
 *                                      to LOG
 *
 * ldap-load press URL SECONDS N DN...  N connections that write and read as much as they can; tells how many
 *                                      writes there were in a second
 *
 * ldap-load keep DIRECTORY FILE        the write transaction of a database, as by slapadd, while FILE is
 *                                      there
 *
 * ldap-load crowd SOCKET N FILE        N connections that say nothing, while FILE is there
 */

#include <errno.h>
#include <inttypes.h>
#include <ldap.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/macro.h"

#define DNS_MAX 16
#define CONNECTIONS_MAX 64

static _Atomic bool stop;
static _Atomic uint64_t n_written;

static void on_signal(int number) {
        stop = true;
}

static int complain(const char *what, int result) {
        fprintf(stderr, "ldap-load: %s: %s\n", what, ldap_err2string(result));
        return 1;
}

static LDAP *open_server(const char *url) {
        struct berval nothing = { .bv_val = (char *)"" };
        int version = LDAP_VERSION3, r;
        LDAP *ld = NULL;

        r = ldap_initialize(&ld, url);
        if (r == LDAP_SUCCESS) {
                (void)ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
                r = ldap_sasl_bind_s(ld, NULL, "EXTERNAL", &nothing, NULL, NULL, NULL);
        }
        if (r == LDAP_SUCCESS)
                return ld;
        (void)complain(url, r);
        if (ld)
                (void)ldap_unbind_ext_s(ld, NULL, NULL);
        return NULL;
}

static int set_counter(LDAP *ld, const char *dn, uint64_t n) {
        char text[24], *values[] = { text, NULL };
        LDAPMod mod = { .mod_op = LDAP_MOD_REPLACE, .mod_type = (char *)"description" },
                *mods[] = { &mod, NULL };

        (void)snprintf(text, sizeof(text), "%" PRIu64, n);
        mod.mod_values = values;
        return ldap_modify_ext_s(ld, dn, mods, NULL, NULL);
}

static int run(const char *url, const char *log, char *dns[], size_t n_dns) {
        FILE *file = fopen(log, "we");
        LDAP *ld = open_server(url);
        int r = LDAP_SUCCESS;

        if (!file || !ld)
                return 1;
        (void)signal(SIGTERM, on_signal);
        for (uint64_t n = 1; !stop && r == LDAP_SUCCESS; n++) {
                uint64_t sent = now_usec();

                for (size_t i = 0; i < n_dns && r == LDAP_SUCCESS; i++)
                        r = set_counter(ld, dns[i], n);
                if (r == LDAP_SUCCESS) {
                        fprintf(file, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", n, sent, now_usec());
                        (void)fflush(file);
                }
        }
        /* What the signal broke off is no error. */
        return r == LDAP_SUCCESS || stop ? 0 : complain("modify", r);
}

typedef struct Press {
        pthread_t thread;
        const char *url;
        char **dns;
        size_t n_dns, index;
        bool failed;
} Press;

static void *press_main(void *userdata) {
        Press *press = userdata;
        LDAP *ld = open_server(press->url);
        int r = ld ? LDAP_SUCCESS : LDAP_OTHER;

        for (uint64_t n = press->index; !stop && r == LDAP_SUCCESS; n++) {
                r = set_counter(ld, press->dns[n % press->n_dns], n);
                n_written++;
        }
        press->failed = r != LDAP_SUCCESS && !stop;
        return NULL;
}

static int press(const char *url, unsigned seconds, size_t n, char *dns[], size_t n_dns) {
        static Press presses[CONNECTIONS_MAX];
        uint64_t began = now_usec();
        bool failed = false;

        for (size_t i = 0; i < n; i++) {
                presses[i] = (Press){ .url = url, .dns = dns, .n_dns = n_dns, .index = i };
                if (pthread_create(&presses[i].thread, NULL, press_main, &presses[i]) != 0)
                        return 1;
        }
        (void)sleep(seconds);
        stop = true;
        for (size_t i = 0; i < n; i++) {
                (void)pthread_join(presses[i].thread, NULL);
                failed |= presses[i].failed;
        }
        printf("%.1f\n", (double)n_written * USEC_PER_SEC / (double)(now_usec() - began));
        return failed;
}

static int keep(const char *directory, const char *file) {
        MDB_env *env = NULL;
        MDB_txn *txn = NULL;

        if (mdb_env_create(&env) != 0 || mdb_env_open(env, directory, 0, 0600) != 0 ||
            mdb_txn_begin(env, NULL, 0, &txn) != 0) {
                fprintf(stderr, "ldap-load: %s cannot be kept\n", directory);
                return 1;
        }
        puts("kept");
        (void)fflush(stdout);
        while (access(file, F_OK) == 0)
                (void)usleep(10000);
        mdb_txn_abort(txn);
        mdb_env_close(env);
        return 0;
}

/* More than the server takes, perhaps: then they wait. */
static int crowd(const char *path, size_t n, const char *file) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        for (size_t i = 0; i < n; i++) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                        perror(path);
                        return 1;
                }
        }
        puts("there");
        (void)fflush(stdout);
        while (access(file, F_OK) == 0)
                (void)usleep(10000);
        return 0;
}

int main(int argc, char *argv[]) {
        if (argc >= 5 && argc - 4 <= DNS_MAX && strcmp(argv[1], "run") == 0)
                return run(argv[2], argv[3], argv + 4, (size_t)argc - 4);
        if (argc >= 6 && argc - 5 <= DNS_MAX && strcmp(argv[1], "press") == 0)
                return press(argv[2], (unsigned)strtoul(argv[3], NULL, 10),
                             MIN(strtoul(argv[4], NULL, 10), (unsigned long)CONNECTIONS_MAX), argv + 5,
                             (size_t)argc - 5);
        if (argc == 4 && strcmp(argv[1], "keep") == 0)
                return keep(argv[2], argv[3]);
        if (argc == 5 && strcmp(argv[1], "crowd") == 0)
                return crowd(argv[2], strtoul(argv[3], NULL, 10), argv[4]);
        fputs("Usage: ldap-load run URL LOG DN... | press URL SECONDS N DN... | keep DIRECTORY FILE | "
              "crowd SOCKET N FILE\n",
              stderr);
        return 2;
}
