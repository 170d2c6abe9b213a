/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a client of a server sees of what is done to it
 *
 *   bench-probe ENGINE WHERE
 *
 * Commits something small, waits a millisecond, and again. A line on standard input asks for the slowest
 * commit since the last, in microseconds (one under way included), and how many there were.
 *
 *   postgresql  a connection string; table probe(n)        mariadb   a socket; table bench.probe(n)
 *   redis       a socket; key probe                         openldap  URL,DN
 */

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "bench/probe.h"
#include "util/clock.h"
#include "util/macro.h"

#define PAUSE_NSEC 1000000

static const ProbeEngine *const engines[] = {
#ifdef HAVE_POSTGRESQL
        &probe_postgresql,
#endif
#ifdef HAVE_MARIADB
        &probe_mariadb,
#endif
#ifdef HAVE_REDIS
        &probe_redis,
#endif
#ifdef HAVE_OPENLDAP
        &probe_openldap,
#endif
        NULL,
};

typedef struct Client {
        const ProbeEngine *engine;
        void *connection;
        _Atomic uint64_t began; /* the one under way; 0: none */
        _Atomic uint64_t longest, n;
        _Atomic bool failed;
} Client;

static void *work(void *userdata) {
        const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
        Client *client = userdata;

        for (uint64_t n = 1; !client->failed; n++) {
                uint64_t began = now_usec(), took;

                client->began = began;
                if (!client->engine->commit(client->connection, n))
                        client->failed = true;
                took = now_usec() - began;
                client->longest = MAX(client->longest, took);
                client->began = 0;
                client->n++;
                (void)nanosleep(&pause, NULL);
        }
        return NULL;
}

static void answer(Client *client) {
        uint64_t began = client->began, longest = atomic_exchange(&client->longest, 0),
                 n = atomic_exchange(&client->n, 0);

        if (began > 0)
                longest = MAX(longest, now_usec() - began);
        printf("%" PRIu64 " %" PRIu64 "\n", longest, n);
        (void)fflush(stdout);
}

int main(int argc, char *argv[]) {
        Client client = { 0 };
        pthread_t thread;
        char line[16];

        for (size_t i = 0; argc == 3 && engines[i]; i++)
                if (strcmp(engines[i]->name, argv[1]) == 0)
                        client.engine = engines[i];
        if (!client.engine) {
                fputs("Usage: bench-probe ENGINE WHERE; there are:", stderr);
                for (size_t i = 0; engines[i]; i++)
                        fprintf(stderr, " %s", engines[i]->name);
                fputs("\n", stderr);
                return 2;
        }
        (void)signal(SIGPIPE, SIG_IGN);
        client.connection = client.engine->open(argv[2]);
        if (!client.connection || pthread_create(&thread, NULL, work, &client) != 0)
                return 1;
        while (!client.failed && fgets(line, sizeof(line), stdin) && line[0] != 'q')
                answer(&client);
        return client.failed;
}
