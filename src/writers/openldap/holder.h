/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Holders: one child per database, which keeps slapd from committing while the writer is frozen
 *
 * An LMDB environment is held by its one write transaction. Its mutex is robust: when the holder dies,
 * whoever waits for it gets it. LMDB cannot try for it or wait for a while only, so it is a child that
 * waits, and the child is killed when it is late; a waiter is in nobody's way. A process of its own per
 * environment also because LMDB's file locks are the process's, as with SQLite's.
 *
 * Trees of LDIF files (cn=config) cannot be held by means that end by themselves: their holder looks at
 * Freeze and at Thaw whether they are the same.
 */

#include <linuxvss/types.h>
#include "writers/openldap/instance.h"

/* From the start to Freeze, and from Freeze to Thaw: then the holder ends, and its transaction with it. */
#define HOLDER_PREPARE_SECONDS 900u
#define HOLDER_LEASE_SECONDS 60u
/* How long a Freeze waits for commits of slapd's. Those that have their transaction already stop the clients
 * meanwhile: so they let go when the others have not come after HOLDER_ATTEMPT_MS, and begin anew when they
 * have. */
#define HOLDER_LOCK_MS 1000u
#define HOLDER_ATTEMPT_MS 60u
#define HOLDERS_MAX 512u

enum { HOLDER_FREEZE = 1, HOLDER_THAW = 2, HOLDER_PAUSE = 3 };

typedef struct HolderReply {
        int32_t code; /* a vss_result */
        uint32_t reserved;
        uint64_t state;   /* last transaction, or a sum over the tree */
        uint64_t entries; /* of the directory; UINT64_MAX: not known */
        char text[1024];
} HolderReply;

typedef struct Holder {
        Child child;
        size_t instance; /* index, as the user of this counts */
        size_t database; /* index in it; SIZE_MAX: the configuration */
        bool lmdb;
        uint32_t order; /* the last one */
        bool held;
        uint64_t state, entries; /* at Freeze */
        HolderReply reply;       /* the last one; code VSS_S_FALSE while it is awaited */
} Holder;

typedef struct HolderSet {
        Holder *items;
        size_t n;
} HolderSet;

/* Start one for a directory; its first reply is awaited with holder_set_collect(). Return: 0 or a negative
 * errno. */
int holder_set_add(HolderSet *set, size_t instance, size_t database, const char *path, bool lmdb,
                   bool nosync);
/* Send an order to all that have not failed; the answers are awaited with holder_set_collect(). */
void holder_set_order(HolderSet *set, uint32_t order);
/* HOLDER_FREEZE to all that have not failed, until all hold at one time. Who is late is killed. */
void holder_set_freeze(HolderSet *set, uint64_t deadline_usec);
/* Wait for all answers; who is late is killed and gets VSS_E_WRITERERROR_TIMEOUT. */
void holder_set_collect(HolderSet *set, uint64_t deadline_usec);
/* End those of one instance at once. */
void holder_set_drop(HolderSet *set, size_t instance);
/* End all; who does not end by @deadline_usec is killed. */
void holder_set_end(HolderSet *set, uint64_t deadline_usec);
