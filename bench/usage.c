/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a command takes: time, processor time and peak memory, of it and of those that it started
 *
 *   bench-usage FILE COMMAND...
 *
 * Adds a line to FILE: microseconds, microseconds of user and system, KiB of the largest process, exit
 * status.
 */

#include <sys/resource.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "util/macro.h"

static uint64_t usec_of(const struct timeval *time) {
        return (uint64_t)time->tv_sec * USEC_PER_SEC + (uint64_t)time->tv_usec;
}

int main(int argc, char **argv) {
        uint64_t began = now_usec(), took;
        struct rusage usage;
        int status;
        FILE *out;
        pid_t pid;

        if (argc < 3)
                return 2;
        pid = fork();
        if (pid == 0) {
                (void)execvp(argv[2], argv + 2);
                _exit(127);
        }
        if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
                return 2;
        took = now_usec() - began;
        status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
        out = fopen(argv[1], "ae");
        if (!out)
                return 2;
        (void)fprintf(out, "%llu %llu %ld %d\n", (unsigned long long)took,
                      (unsigned long long)(usec_of(&usage.ru_utime) + usec_of(&usage.ru_stime)),
                      usage.ru_maxrss, status);
        return fclose(out) == 0 ? status : 2;
}
