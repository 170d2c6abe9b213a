/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Making mounts read-only that were handed out for writing
 *
 * The kernel does not do it while a file in one is open for writing. Each mount was given to one writer, so
 * whoever has such a file has it from that writer; but only processes of the writer's own user are killed for
 * it: one that was hijacked may have passed such a file to whom it wants to see dead.
 */

#include <sys/types.h>
#include "vssd/worker.h"

typedef struct Seal {
        int fd;          /* the mount */
        const char *who; /* it was given to */
        uid_t uid;       /* as whom that one runs */
} Seal;

typedef struct SealArgs {
        bool forcibly; /* kill who has a file open for writing, for some seconds */
        size_t n;
        Seal seals[];
} SealArgs;

/* @arg: a SealArgs. Answer: "busy": list of the names of those whose mounts could not be made read-only. */
int seal_main(void *arg, WorkerAnswer *answer);
