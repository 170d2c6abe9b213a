/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a client of a server sees of what is done to it
 *
 *   bench-probe ENGINE WHERE
 *
 * Commits something small, waits a millisecond, and again. A line on standard input asks for the slowest
 * commit since the last, in microseconds (one under way included), how many there were, and when the slowest
 * began (CLOCK_MONOTONIC).
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
        pthread_mutex_t mutex; /* of what comes next */
        uint64_t longest, longest_began, n;
        _Atomic bool failed;
} Client;

static void note_slowest(Client *client, uint64_t began, uint64_t took) {
        if (took <= client->longest)
                return;
        client->longest = took;
        client->longest_began = began;
}

static void *work(void *userdata) {
        const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
        Client *client = userdata;

        for (uint64_t n = 1; !client->failed; n++) {
                uint64_t began = now_usec(), took;

                client->began = began;
                if (!client->engine->commit(client->connection, n))
                        client->failed = true;
                took = now_usec() - began;
                (void)pthread_mutex_lock(&client->mutex);
                note_slowest(client, began, took);
                client->began = 0;
                client->n++;
                (void)pthread_mutex_unlock(&client->mutex);
                (void)nanosleep(&pause, NULL);
        }
        return NULL;
}

static void answer(Client *client) {
        uint64_t began;

        (void)pthread_mutex_lock(&client->mutex);
        began = client->began;
        if (began > 0)
                note_slowest(client, began, now_usec() - began);
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", client->longest, client->n, client->longest_began);
        client->longest = client->n = 0;
        (void)pthread_mutex_unlock(&client->mutex);
        (void)fflush(stdout);
}

int main(int argc, char *argv[]) {
        Client client = { .mutex = PTHREAD_MUTEX_INITIALIZER };
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
        /* The thread goes on: what libraries do at exit would take from it what it uses. */
        _exit(client.failed);
}
