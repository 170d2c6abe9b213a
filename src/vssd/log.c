/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Logging
 */

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include "vssd/log.h"

enum { RING_SIZE = 64 * 1024 };

static char ring[RING_SIZE];
static size_t ring_used;
static unsigned ring_lost;
static bool ring_on;

/* "<N>" is how the journal reads the priority of a line. */
static _printf_(2, 0) void log_va(int priority, const char *format, va_list args) {
        char line[1024];
        int n = snprintf(line, sizeof(line), "<%d>", priority);
        int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
        size_t size = MIN((size_t)n + (m < 0 ? 0 : (size_t)m), sizeof(line) - 2);

        /* A name from outside must not look like a line of its own. */
        for (size_t i = (size_t)n; i < size; i++)
                if ((unsigned char)line[i] < ' ')
                        line[i] = '?';
        line[size++] = '\n';
        if (!ring_on) {
                (void)fwrite(line, 1, size, stderr);
                return;
        }
        if (ring_used + size > RING_SIZE) {
                ring_lost++;
                return;
        }
        memcpy(ring + ring_used, line, size);
        ring_used += size;
}

#define DEFINE_LOG(name, priority)              \
        void name(const char *format, ...) {    \
                va_list args;                   \
                va_start(args, format);         \
                log_va(priority, format, args); \
                va_end(args);                   \
        }

DEFINE_LOG(log_info, 6)
DEFINE_LOG(log_warning, 4)
DEFINE_LOG(log_error, 3)

void log_hold(bool held) {
        if (held == ring_on)
                return;
        ring_on = held;
        if (held)
                return;
        (void)fwrite(ring, 1, ring_used, stderr);
        ring_used = 0;
        if (ring_lost > 0)
                log_warning("%u lines of log were lost while a hold stood open", ring_lost);
        ring_lost = 0;
}
