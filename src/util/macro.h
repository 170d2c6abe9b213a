/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Small helpers of every file: cleanup attributes, hand-over, array walks
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _unused_ __attribute__((__unused__))
#define _printf_(a, b) __attribute__((__format__(__printf__, a, b)))

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
#define FOREACH_ELEMENT(i, a) for (__typeof__(&(a)[0]) i = (a); i < (a) + ELEMENTS(a); i++)

#define MIN(a, b)                         \
        ({                                \
                __typeof__(a) _a = (a);   \
                __typeof__(b) _b = (b);   \
                _a < _b ? _a : _b;        \
        })
#define MAX(a, b)                         \
        ({                                \
                __typeof__(a) _a = (a);   \
                __typeof__(b) _b = (b);   \
                _a > _b ? _a : _b;        \
        })

/* Behind the noun that is counted. */
#define PLURAL(n) ((n) == 1 ? "" : "s")

/* Hands a resource over: the variable is empty afterwards. */
#define TAKE_PTR(p)                       \
        ({                                \
                __typeof__(p) _p = (p);   \
                (p) = NULL;               \
                _p;                       \
        })
#define TAKE_FD(fd)                       \
        ({                                \
                int _fd = (fd);           \
                (fd) = -1;                \
                _fd;                      \
        })

/* Cleanup function NAMEp for a destructor that accepts NULL. */
#define DEFINE_CLEANUP(type, f)                      \
        static inline _unused_ void f##p(type *p) {  \
                if (*p)                              \
                        (void)f(*p);                 \
        }

static inline _unused_ void freep(void *p) {
        free(*(void **)p);
}

static inline _unused_ void closep(int *fd) {
        if (*fd >= 0)
                (void)close(*fd);
}

DEFINE_CLEANUP(FILE *, fclose)
