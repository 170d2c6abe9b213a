/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stops for the kill tests: a test build stops or kills itself at a point the environment names
 *
 * VSS_HOLD_STOP_AT=POINT,... raises SIGSTOP, POINT:kill SIGKILL, POINT:fault has a page fault. The acting
 * process' points are armed, freezing (before the call), frozen (after it, not yet noted), held, releasing,
 * released; of a cut, in the thread of each device, suspending and suspended (as freezing and frozen),
 * cutting (behind the barrier), cut (behind the operations), resuming, resumed. The watcher's are armed,
 * freezing, held, cutting and releasing with the prefix "watcher-". A release build has none of it, not even
 * the name.
 */

#ifndef HOLD_TEST_HOOKS
#define HOLD_TEST_HOOKS 0
#endif

#if HOLD_TEST_HOOKS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline void hook_stop_at(const char *point) {
        const char *wanted = getenv("VSS_HOLD_STOP_AT");
        size_t length = strlen(point);

        for (; wanted; wanted = strchr(wanted, ',') ? strchr(wanted, ',') + 1 : NULL) {
                size_t n = strcspn(wanted, ",");

                if (n < length || strncmp(wanted, point, length) != 0)
                        continue;
                if (n == length)
                        (void)kill(getpid(), SIGSTOP);
                else if (n == length + 5 && strncmp(wanted + length, ":kill", 5) == 0)
                        (void)kill(getpid(), SIGKILL);
                else if (n == length + 6 && strncmp(wanted + length, ":fault", 6) == 0) {
                        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                          -1, 0);

                        /* Memory that is locked is there at once; this page is taken away again. */
                        if (page != MAP_FAILED && munlock(page, 4096) == 0 &&
                            madvise(page, 4096, MADV_DONTNEED) == 0)
                                *(volatile char *)page = 1;
                }
        }
}
#else
static inline void hook_stop_at(const char *point) {
        (void)point;
}
#endif
