/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an application of Redis does, for tests and measurements
 *
 *   redis-load run LOG SOCKET...     a transaction on each server, one after the other, until SIGTERM:
 *                                    "counter" becomes N, and N goes to the end of the list "log". LOG has
 *                                    "N SENT ACK" for each round, in microseconds of the monotonic clock:
 *                                    sent to the first, answered by the last
 *   redis-load press SOCKET          writes and reads as fast as it gets answers, until SIGTERM; 16 at a
 *                                    time
 *   redis-load stall SOCKET WRITES   one SET after the other; the longest wait for an answer, in
 *                                    microseconds
 *
 * At the end, the number of rounds and the longest.
 */

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include "util/clock.h"
#include "util/macro.h"

#define SERVERS_MAX 8
#define KEEP "-1000" /* of the list */
#define PIPELINE 16
#define KEYS 20000

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
        stopped = 1;
}

static redisContext *open_server(const char *socket) {
        redisContext *context = redisConnectUnix(socket);

        if (context && context->err == 0)
                return context;
        fprintf(stderr, "redis-load: %s: %s\n", socket, context ? context->errstr : "out of memory");
        exit(1);
}

static bool take_reply(redisContext *context) {
        redisReply *reply = NULL;
        bool good = redisGetReply(context, (void **)&reply) == REDIS_OK && reply->type != REDIS_REPLY_ERROR;

        if (!good)
                fprintf(stderr, "redis-load: %s\n", reply ? reply->str : context->errstr);
        if (reply)
                freeReplyObject(reply);
        return good;
}

static bool commit(redisContext *context, uint64_t n) {
        bool good = true;

        (void)redisAppendCommand(context, "MULTI");
        (void)redisAppendCommand(context, "SET counter %" PRIu64, n);
        (void)redisAppendCommand(context, "RPUSH log %" PRIu64, n);
        (void)redisAppendCommand(context, "LTRIM log " KEEP " -1");
        (void)redisAppendCommand(context, "EXEC");
        for (int i = 0; i < 5; i++)
                good = take_reply(context) && good;
        return good;
}

static int run(const char *path, char **sockets, int n_sockets) {
        _cleanup_(fclosep) FILE *log = fopen(path, "we");
        redisContext *servers[SERVERS_MAX];
        uint64_t longest = 0, n = 0;
        bool good = log != NULL;

        for (int i = 0; i < n_sockets; i++)
                servers[i] = open_server(sockets[i]);
        while (!stopped && good) {
                uint64_t sent = now_usec(), answered;

                n++;
                for (int i = 0; i < n_sockets && good; i++)
                        good = commit(servers[i], n);
                answered = now_usec();
                longest = MAX(longest, answered - sent);
                if (good)
                        (void)fprintf(log, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", n, sent, answered);
                (void)fflush(log);
        }
        printf("rounds %" PRIu64 ", longest %" PRIu64 " us\n", n, longest);
        for (int i = 0; i < n_sockets; i++)
                redisFree(servers[i]);
        return good ? 0 : 1;
}

static int press(const char *socket) {
        redisContext *context = open_server(socket);
        uint64_t n = 0, longest = 0;
        unsigned seed = 1;
        char value[200];
        bool good = true;

        (void)memset(value, 'x', sizeof(value));
        while (!stopped && good) {
                uint64_t sent = now_usec();

                for (int i = 0; i < PIPELINE; i++) {
                        int key = rand_r(&seed) % KEYS;

                        if (i % 4)
                                (void)redisAppendCommand(context, "SET key:%d %b", key, value,
                                                         sizeof(value));
                        else
                                (void)redisAppendCommand(context, "GET key:%d", key);
                }
                for (int i = 0; i < PIPELINE; i++)
                        good = take_reply(context) && good;
                longest = MAX(longest, now_usec() - sent);
                n++;
        }
        printf("rounds %" PRIu64 ", longest %" PRIu64 " us\n", n, longest);
        redisFree(context);
        return good ? 0 : 1;
}

static int stall(const char *socket, unsigned long writes) {
        redisContext *context = open_server(socket);
        uint64_t longest = 0;

        for (unsigned long i = 0; i < writes && !stopped; i++) {
                uint64_t sent = now_usec();

                (void)redisAppendCommand(context, "SET stall %lu", i);
                if (!take_reply(context))
                        return 1;
                longest = MAX(longest, now_usec() - sent);
        }
        printf("%" PRIu64 "\n", longest);
        redisFree(context);
        return 0;
}

int main(int argc, char **argv) {
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

        (void)sigaction(SIGTERM, &action, NULL);
        if (argc >= 4 && argc <= 3 + SERVERS_MAX && strcmp(argv[1], "run") == 0)
                return run(argv[2], argv + 3, argc - 3);
        if (argc == 3 && strcmp(argv[1], "press") == 0)
                return press(argv[2]);
        if (argc == 4 && strcmp(argv[1], "stall") == 0)
                return stall(argv[2], strtoul(argv[3], NULL, 10));
        fprintf(stderr, "usage: redis-load run LOG SOCKET... | press SOCKET | stall SOCKET WRITES\n");
        return 2;
}
