/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * pair: a writer on several volumes, and what a copy of them must look like
 *
 *   pair write FILE FILE...        a counter, written and flushed to the first file, then to the next ...,
 *                                  again and again
 *   pair check FILE FILE...        is this a state that existed? Each is as new as the one before it, and
 *                                  the last as new as the first, or one behind
 *   pair stall FILE                write and flush every few milliseconds; when told to end, print the
 *                                  longest pause
 *   pair churn FILE PERCENT SEED   overwrite so many of the file's blocks, in random order; prints how many
 *   pair differ FILE FILE          read past the cache; prints in how many percent of their blocks they
 *                                  differ
 *
 * Files that were cut at one instant are whole; else they are torn. write and stall end with SIGTERM.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/macro.h"

#define STALL_STEP_USEC 5000u
#define FILES_MAX 32
#define BLOCK_SIZE 4096u
#define PIECE_SIZE (1u << 20)
/* A prime that no file here is a multiple of. */
#define STRIDE 1000003u

static volatile sig_atomic_t ended;

static void on_term(int number) {
        ended = 1;
}

static int open_counter(const char *path) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0)
                perror(path);
        return fd;
}

static bool put(int fd, uint64_t n) {
        return pwrite(fd, &n, sizeof(n), 0) == (ssize_t)sizeof(n) && fsync(fd) == 0;
}

static int write_pair(char **paths, int n_paths) {
        int fds[FILES_MAX], r = 0;

        for (int i = 0; i < n_paths; i++) {
                fds[i] = open_counter(paths[i]);
                if (fds[i] < 0)
                        r = 2;
        }
        for (uint64_t n = 1; r == 0 && !ended; n++)
                for (int i = 0; r == 0 && i < n_paths; i++)
                        if (!put(fds[i], n)) {
                                perror(paths[i]);
                                r = 2;
                        }
        for (int i = 0; i < n_paths; i++)
                closep(&fds[i]);
        return r;
}

static bool get(const char *path, uint64_t *ret_n) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool ok = fd >= 0 && read(fd, ret_n, sizeof(*ret_n)) == (ssize_t)sizeof(*ret_n);

        if (!ok)
                perror(path);
        return ok;
}

static int check_pair(char **paths, int n_paths) {
        uint64_t first = 0, before = 0, n = 0;
        bool whole = true;

        for (int i = 0; i < n_paths; i++) {
                if (!get(paths[i], &n))
                        return 2;
                printf("%s%" PRIu64, i == 0 ? "" : " ", n);
                if (i == 0)
                        first = n;
                else
                        whole = whole && n <= before;
                before = n;
        }
        (void)putchar('\n');
        return whole && first - n <= 1 ? 0 : 1;
}

static int watch_stall(const char *path) {
        _cleanup_(closep) int fd = open_counter(path);
        uint64_t last = now_usec(), longest = 0;

        if (fd < 0)
                return 2;
        for (uint64_t n = 1; !ended; n++) {
                uint64_t now;

                if (!put(fd, n)) {
                        perror(path);
                        return 2;
                }
                now = now_usec();
                longest = MAX(longest, now - last);
                last = now;
                (void)usleep(STALL_STEP_USEC);
        }
        printf("%" PRIu64 "\n", longest / USEC_PER_MSEC);
        return 0;
}

/* Each block once, in an order that the seed gives: a permutation of what a multiple of a prime does. */
static int churn(const char *path, const char *percent, const char *seed) {
        _cleanup_(closep) int fd = open(path, O_RDWR | O_CLOEXEC);
        uint64_t state = strtoull(seed, NULL, 10) * 2654435761u + 1, blocks, wanted, at;
        unsigned char block[BLOCK_SIZE];
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0) {
                perror(path);
                return 2;
        }
        blocks = (uint64_t)st.st_size / BLOCK_SIZE;
        wanted = blocks * strtoull(percent, NULL, 10) / 100;
        for (uint64_t i = 0; i < wanted; i++) {
                at = (state + i * STRIDE) % blocks;
                for (size_t j = 0; j < sizeof(block); j++)
                        block[j] = (unsigned char)((state + i + j * 7) >> (j % 5));
                if (pwrite(fd, block, sizeof(block), (off_t)(at * BLOCK_SIZE)) != (ssize_t)sizeof(block)) {
                        perror(path);
                        return 2;
                }
        }
        if (fsync(fd) < 0) {
                perror(path);
                return 2;
        }
        printf("%" PRIu64 "\n", wanted);
        return 0;
}

static int differ(const char *first, const char *second) {
        _cleanup_(closep) int a = open(first, O_RDONLY | O_DIRECT | O_CLOEXEC);
        _cleanup_(closep) int b = open(second, O_RDONLY | O_DIRECT | O_CLOEXEC);
        _cleanup_(freep) char *x = NULL, *y = NULL;
        uint64_t n = 0, others = 0;

        if (a < 0 || b < 0 || posix_memalign((void **)&x, BLOCK_SIZE, PIECE_SIZE) != 0 ||
            posix_memalign((void **)&y, BLOCK_SIZE, PIECE_SIZE) != 0)
                return 2;
        for (;;) {
                ssize_t read_a = read(a, x, PIECE_SIZE), read_b = read(b, y, PIECE_SIZE);

                if (read_a < 0 || read_a != read_b)
                        return 2;
                if (read_a == 0)
                        break;
                for (size_t at = 0; at + BLOCK_SIZE <= (size_t)read_a; at += BLOCK_SIZE, n++)
                        others += memcmp(x + at, y + at, BLOCK_SIZE) != 0;
        }
        printf("%" PRIu64 "\n", n == 0 ? 0 : others * 100 / n);
        return 0;
}

int main(int argc, char **argv) {
        struct sigaction action = { .sa_handler = on_term };

        (void)sigaction(SIGTERM, &action, NULL);
        if (argc >= 4 && argc - 2 <= FILES_MAX && strcmp(argv[1], "write") == 0)
                return write_pair(argv + 2, argc - 2);
        if (argc >= 4 && argc - 2 <= FILES_MAX && strcmp(argv[1], "check") == 0)
                return check_pair(argv + 2, argc - 2);
        if (argc == 3 && strcmp(argv[1], "stall") == 0)
                return watch_stall(argv[2]);
        if (argc == 5 && strcmp(argv[1], "churn") == 0)
                return churn(argv[2], argv[3], argv[4]);
        if (argc == 4 && strcmp(argv[1], "differ") == 0)
                return differ(argv[2], argv[3]);
        (void)fputs(
                "usage: pair write|check FILE FILE..., pair stall FILE, pair churn FILE PERCENT SEED, or "
                "pair differ FILE FILE\n",
                stderr);
        return 2;
}
