/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One control group that vss-hold holds for us: see hold/protocol.h
 *
 * Two processes of it freeze the group and let it go: when they are told to, when we die, when the limit is
 * over, or when one of them dies or stops.
 */

#include <stdbool.h>
#include "hold/protocol.h"
#include "writers/common/child.h"

typedef struct Guard {
        Child child;     /* the first of the two processes, and the socket to both */
        bool awaited;    /* an answer to what was asked last */
        uint32_t answer; /* the last one (HoldAnswer); 0: none, or the hold has gone without a word */
        HoldReply reply;
} Guard;

#define GUARD_NULL ((Guard){ .child = CHILD_NULL })

/* Starts @program and asks it to be ready for the group. @dir: its directory; not taken. */
int guard_start(const char *program, int dir, const char *label, uint64_t limit_usec, Guard *guard);
void guard_ask(Guard *guard, HoldCommand command);
/* Waits for what is awaited, of all of them. */
void guard_collect(Guard *const *guards, size_t n, uint64_t deadline_usec);
/* Lets go of what it holds, and of itself. It is given until @deadline_usec to end, and never killed: it may
 * be busy letting go. */
void guard_end(Guard *guard, uint64_t deadline_usec);

/*
 * keeper_start() - one more process, which sees to it that groups run again if all processes of a hold are
 * killed, or stopped: then, and when we have died, it runs `vss-hold --release-guards`
 * It is to be told by a byte that the groups are about to be frozen.
 */
int keeper_start(const char *program, Guard *const *guards, size_t n, uint64_t limit_usec,
                 Child *ret_keeper);
