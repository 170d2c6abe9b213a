/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stops for the kill tests: a test build stops or kills itself at a point the environment names
 *
 * VSS_HOLD_STOP_AT=POINT raises SIGSTOP, POINT:kill SIGKILL. The acting process' points are armed, freezing
 * (before the call), frozen (after it, not yet noted), held, releasing, released; of a cut, in the thread of
 * each device, suspending and suspended (as freezing and frozen), cutting (behind the barrier), cut (behind
 * the operations), resuming, resumed. The watcher's are armed, freezing, held, cutting and releasing with
 * the prefix "watcher-". A release build has none of it, not even the name.
 */

#ifndef HOLD_TEST_HOOKS
#define HOLD_TEST_HOOKS 0
#endif

#if HOLD_TEST_HOOKS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void hook_stop_at(const char *point) {
        const char *wanted = getenv("VSS_HOLD_STOP_AT");
        size_t length = strlen(point);

        if (!wanted || strncmp(wanted, point, length) != 0)
                return;
        if (wanted[length] == '\0')
                (void)kill(getpid(), SIGSTOP);
        else if (strcmp(wanted + length, ":kill") == 0)
                (void)kill(getpid(), SIGKILL);
}
#else
static inline void hook_stop_at(const char *point) {
        (void)point;
}
#endif
