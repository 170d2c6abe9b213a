/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a command takes: time, processor time and peak memory, of it and of those that it started
 *
 *   bench-usage FILE MIB COMMAND...
 *
 * Before, so many MiB of memory are written to and let go: in a virtual machine the host may have taken free
 * memory away, and whoever needs it first would pay for getting it back, by seconds for each GiB.
 * Adds a line to FILE: microseconds, microseconds of user and system, KiB of the largest process, exit
 * status.
 */

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "util/macro.h"

static uint64_t usec_of(const struct timeval *time) {
        return (uint64_t)time->tv_sec * USEC_PER_SEC + (uint64_t)time->tv_usec;
}

static void touch_memory(size_t mib) {
        size_t size = mib << 20;
        char *memory = size > 0
                               ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                               : MAP_FAILED;

        if (memory == MAP_FAILED)
                return;
        (void)madvise(memory, size, MADV_HUGEPAGE);
        for (size_t at = 0; at < size; at += 4096)
                ((volatile char *)memory)[at] = 1;
        (void)munmap(memory, size);
}

int main(int argc, char **argv) {
        uint64_t began, took;
        struct rusage usage;
        int status;
        FILE *out;
        pid_t pid;

        if (argc < 4)
                return 2;
        touch_memory(strtoul(argv[2], NULL, 10));
        began = now_usec();
        pid = fork();
        if (pid == 0) {
                (void)execvp(argv[3], argv + 3);
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
