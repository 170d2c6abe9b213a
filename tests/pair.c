/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * pair: a writer on two volumes, and what a copy of it must look like
 *
 *   pair write FILE FILE      a counter, written and flushed to the first file, then to the second, again
 * and again pair check FILE FILE      is this a state that existed? The second is as new as the first, or
 * one behind pair stall FILE           write and flush every few milliseconds; when told to end, print the
 * longest pause
 *
 * A pair that was cut at one instant is whole; one of which the second file is newer than the first, or more
 * than one older, is torn. write and stall end with SIGTERM.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/macro.h"

#define STALL_STEP_USEC 5000u

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

static int write_pair(const char *a, const char *b) {
        _cleanup_(closep) int first = open_counter(a), second = open_counter(b);

        if (first < 0 || second < 0)
                return 2;
        for (uint64_t n = 1; !ended; n++)
                if (!put(first, n) || !put(second, n)) {
                        perror("pair");
                        return 2;
                }
        return 0;
}

static bool get(const char *path, uint64_t *ret_n) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool ok = fd >= 0 && read(fd, ret_n, sizeof(*ret_n)) == (ssize_t)sizeof(*ret_n);

        if (!ok)
                perror(path);
        return ok;
}

static int check_pair(const char *a, const char *b) {
        uint64_t first, second;

        if (!get(a, &first) || !get(b, &second))
                return 2;
        printf("%" PRIu64 " %" PRIu64 "\n", first, second);
        return first == second || first == second + 1 ? 0 : 1;
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

int main(int argc, char **argv) {
        struct sigaction action = { .sa_handler = on_term };

        (void)sigaction(SIGTERM, &action, NULL);
        if (argc == 4 && strcmp(argv[1], "write") == 0)
                return write_pair(argv[2], argv[3]);
        if (argc == 4 && strcmp(argv[1], "check") == 0)
                return check_pair(argv[2], argv[3]);
        if (argc == 3 && strcmp(argv[1], "stall") == 0)
                return watch_stall(argv[2]);
        (void)fputs("usage: pair write|check FILE FILE, or pair stall FILE\n", stderr);
        return 2;
}
