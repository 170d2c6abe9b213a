/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where files of the caller's lie while a verb runs: a directory of its own, in memory where there is one
 *
 * It is locked as long as its bridge runs; what a bridge that was killed has left is taken away by the next
 * one.
 */

#include "bridge/frame.h"

typedef struct Place {
        int base, fd;
        char name[32];
        char *path; /* NULL until there is something in it */
        size_t n_files, size;
} Place;

#define PLACE_INIT \
        { .base = -1, .fd = -1 }

/* Takes away what others have left. */
void place_sweep(void);
/* Behind what @name has. 0, -E2BIG beyond the limits, -EINVAL for a name that is none, -errno. */
int place_add(Place *place, const char *name, const void *data, size_t size);
void place_remove(Place *place);
