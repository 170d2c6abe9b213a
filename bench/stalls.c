/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What applications on several volumes see of what is done to them; and how fast a volume is
 *
 *   bench-stalls load DIRECTORY...              in each a thread that writes and flushes, and one that reads past
 *                                               the cache; a line on standard input asks for the slowest write
 *                                               and the slowest read since the last, in microseconds
 *   bench-stalls speed FILE SIZE-KIB SECONDS    random writes of that size, each to a place of its own, each
 *                                               flushed; tells how many there were in a second
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
#define PAUSE_NSEC 2000000
/* A prime that no count of blocks here is a multiple of. */
#define STRIDE 1000003u

typedef struct Load {
        pthread_t thread;
        const char *directory;
        bool writes;
        _Atomic uint64_t began; /* the one under way; 0: none */
        _Atomic uint64_t longest;
} Load;

static _Atomic bool stop, failed;

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
                struct timespec pause = { .tv_nsec = PAUSE_NSEC };
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
                (void)nanosleep(&pause, NULL);
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

static int measure_speed(const char *path, size_t size, unsigned long seconds) {
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
        _cleanup_(freep) char *block = NULL;
        uint64_t began = now_usec(), end = began + seconds * USEC_PER_SEC, n = 0, blocks;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || posix_memalign((void **)&block, BLOCK, size) != 0)
                return complain(path);
        blocks = (uint64_t)st.st_size / size;
        memset(block, (int)began & 0xff, size);
        for (; n < blocks && now_usec() < end; n++)
                if (pwrite(fd, block, size, (off_t)(n * STRIDE % blocks * size)) != (ssize_t)size || fdatasync(fd) < 0)
                        return complain(path);
        printf("%.2f\n", (double)n * USEC_PER_SEC / (double)(now_usec() - began));
        return 0;
}

int main(int argc, char *argv[]) {
        int r = -2;

        if (argc > 2 && argc - 2 <= DIRECTORIES_MAX && strcmp(argv[1], "load") == 0)
                r = run_loads(argv + 2, (size_t)argc - 2);
        else if (argc == 5 && strcmp(argv[1], "speed") == 0 && strtoul(argv[3], NULL, 10) > 0)
                r = measure_speed(argv[2], strtoul(argv[3], NULL, 10) << 10, strtoul(argv[4], NULL, 10));
        if (r == -2)
                fputs("Usage: bench-stalls load DIRECTORY... | speed FILE SIZE-KIB SECONDS\n", stderr);
        return r < 0 ? 1 : 0;
}
