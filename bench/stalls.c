/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What applications on several volumes see of what is done to them; and how fast a volume is
 *
 *   bench-stalls load DIRECTORY...              in each a thread that writes and flushes, and one that reads past
 *                                               the cache; a line on standard input asks for the slowest write
 *                                               and the slowest read since the last, in microseconds
 *   bench-stalls compare write|read ROUNDS FILE...
 *                                               all files take turns, backwards in every other round: in each
 *                                               some blocks of a file that is there, past the cache, each in a
 *                                               chunk of its own; writes are on the disk when they return. Tells
 *                                               the median of each file for each round, in microseconds
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/macro.h"

#define DIRECTORIES_MAX 32
#define BLOCK 4096u
/* For each volume there is: a machine that does nothing but this load measures how it shares its processor out. */
#define PAUSE_NSEC 8000000
#define CHUNK 16384u
/* Of one file in a round. */
#define TURN 4u
#define FILES_MAX 8
/* A prime that no count of chunks here is a multiple of. */
#define STRIDE 1000003u

typedef struct Load {
        pthread_t thread;
        const char *directory;
        bool writes;
        _Atomic uint64_t began; /* the one under way; 0: none */
        _Atomic uint64_t longest;
} Load;

static _Atomic bool stop, failed;
static struct timespec pause_time;

static int complain(const char *what) {
        fprintf(stderr, "bench-stalls: %s: %s\n", what, strerror(errno));
        return -1;
}

static void *work(void *userdata) {
        Load *load = userdata;
        _cleanup_(freep) char *path = NULL, *block = NULL;
        _cleanup_(closep) int fd = -1;

        if (asprintf(&path, "%s/%s", load->directory, load->writes ? "written" : "read") < 0 ||
            posix_memalign((void **)&block, BLOCK, BLOCK) != 0)
                return NULL;
        memset(block, 1, BLOCK);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (load->writes ? 0 : O_DIRECT), 0600);
        if (fd < 0 || (!load->writes && (pwrite(fd, block, BLOCK, 0) != BLOCK || fsync(fd) < 0))) {
                (void)complain(path);
                failed = true;
        }
        while (!stop && !failed) {
                uint64_t began = now_usec(), took;
                bool good;

                load->began = began;
                good = load->writes ? pwrite(fd, block, BLOCK, 0) == BLOCK && fsync(fd) == 0
                                    : pread(fd, block, BLOCK, 0) == BLOCK;
                took = now_usec() - began;
                load->began = 0;
                load->longest = MAX(load->longest, took);
                if (!good) {
                        (void)complain(path);
                        failed = true;
                }
                (void)nanosleep(&pause_time, NULL);
        }
        return NULL;
}

/* The slowest of them, what is under way included; from here on anew. */
static uint64_t longest(Load *loads, size_t n, bool writes) {
        uint64_t most = 0;

        for (size_t i = 0; i < n; i++) {
                uint64_t began = loads[i].began;

                if (loads[i].writes != writes)
                        continue;
                most = MAX(most, atomic_exchange(&loads[i].longest, 0));
                if (began > 0)
                        most = MAX(most, now_usec() - began);
        }
        return most;
}

static int run_loads(char *directories[], size_t n) {
        static Load loads[2 * DIRECTORIES_MAX];
        char line[16];

        pause_time.tv_nsec = PAUSE_NSEC * (long)n;
        for (size_t i = 0; i < 2 * n; i++) {
                loads[i].directory = directories[i / 2];
                loads[i].writes = i % 2 == 0;
                if (pthread_create(&loads[i].thread, NULL, work, &loads[i]) != 0)
                        return complain("thread");
        }
        while (!failed && fgets(line, sizeof(line), stdin)) {
                uint64_t write = longest(loads, 2 * n, true), read = longest(loads, 2 * n, false);

                printf("%" PRIu64 " %" PRIu64 "\n", write, read);
                (void)fflush(stdout);
        }
        stop = true;
        for (size_t i = 0; i < 2 * n; i++)
                (void)pthread_join(loads[i].thread, NULL);
        return failed ? -1 : 0;
}

typedef struct Compared {
        int fd;
        uint64_t chunks, next; /* how many it has, and which one's turn it is */
} Compared;

static int open_compared(const char *path, bool writes, Compared *ret_compared) {
        struct stat st;
        int fd = open(path, (writes ? O_WRONLY | O_DSYNC : O_RDONLY) | O_DIRECT | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) < 0)
                return complain(path);
        *ret_compared = (Compared){ .fd = fd, .chunks = (uint64_t)st.st_size / CHUNK };
        return 0;
}

static int compare_usec(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

/* The turn of one file. */
static int take_turn(Compared *compared, bool writes, char *block, uint64_t *ret_median) {
        uint64_t took[TURN];

        for (size_t i = 0; i < TURN; i++) {
                off_t at = (off_t)(compared->next++ * STRIDE % compared->chunks * CHUNK);
                uint64_t began = now_usec();
                ssize_t n = writes ? pwrite(compared->fd, block, BLOCK, at)
                                   : pread(compared->fd, block, BLOCK, at);

                took[i] = now_usec() - began;
                if (n != (ssize_t)BLOCK)
                        return complain("a file that is compared");
        }
        qsort(took, TURN, sizeof(took[0]), compare_usec);
        *ret_median = (took[(TURN - 1) / 2] + took[TURN / 2]) / 2;
        return 0;
}

static int compare_files(bool writes, unsigned long rounds, char *paths[], size_t n) {
        _cleanup_(freep) char *block = NULL;
        Compared compared[FILES_MAX];

        if (posix_memalign((void **)&block, BLOCK, BLOCK) != 0)
                return complain("memory");
        memset(block, 1, BLOCK);
        for (size_t i = 0; i < n; i++)
                if (open_compared(paths[i], writes, &compared[i]) < 0)
                        return -1;
        for (unsigned long round = 0; round < rounds; round++) {
                uint64_t medians[FILES_MAX];

                for (size_t k = 0; k < n; k++) {
                        size_t i = round % 2 == 0 ? k : n - 1 - k;

                        if (take_turn(&compared[i], writes, block, &medians[i]) < 0)
                                return -1;
                }
                for (size_t i = 0; i < n; i++)
                        printf("%" PRIu64 "%c", medians[i], i + 1 < n ? ' ' : '\n');
        }
        return 0;
}

int main(int argc, char *argv[]) {
        int r = -2;

        if (argc > 2 && argc - 2 <= DIRECTORIES_MAX && strcmp(argv[1], "load") == 0)
                r = run_loads(argv + 2, (size_t)argc - 2);
        else if (argc > 4 && argc - 4 <= FILES_MAX && strcmp(argv[1], "compare") == 0)
                r = compare_files(strcmp(argv[2], "write") == 0, strtoul(argv[3], NULL, 10), argv + 4,
                                  (size_t)argc - 4);
        if (r == -2)
                fputs("Usage: bench-stalls load DIRECTORY... | compare write|read ROUNDS FILE...\n", stderr);
        return r < 0 ? 1 : 0;
}
