/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Holders: one child per server, which makes its files ready, has its writes wait, and lets them go on
 *
 * The server's pause is a lease of HOLDER_LEASE_MS that the child renews. When the writer dies the child
 * sees the end of its socket and ends the pause at once; when the child dies too, the lease runs out.
 *
 * The writer sends a HolderOrder and gets an InstanceReply for each; the first reply comes unasked, when the
 * server is ready.
 */

#include "writers/redis/instance.h"

#define HOLDER_LEASE_MS 2000u
#define HOLDER_RENEW_MS 250u
/* From the start to Freeze, and from Freeze to Thaw. */
#define HOLDER_PREPARE_SECONDS 3600u
#define HOLDER_HELD_SECONDS 60u

enum { HOLDER_FREEZE = 1, HOLDER_THAW = 2 };

typedef struct HolderOrder {
        uint32_t order;
        uint32_t limit_ms; /* how long it may take */
        bool one_instant;  /* FREEZE: all files are cut together */
} HolderOrder;

typedef struct Holder {
        Child child;
        const Instance *instance;
        bool held;
        InstanceReply reply;
} Holder;

typedef struct HolderSet {
        Holder *items;
        size_t n;
} HolderSet;

/* Ask every server of the list who it is; the answers are in the list. */
void holders_look(const Product *product, const Settings *settings, uint64_t deadline_usec,
                  InstanceList *list);

/* The child alone. @look_only: it answers who its server is, and ends. */
int holder_start(bool look_only, const Product *product, const Settings *settings, const Instance *instance,
                 Child *ret_child);
/* Start one; the first reply is awaited with holder_set_collect(). @instance must outlive it. */
int holder_set_add(HolderSet *set, const Product *product, const Settings *settings,
                   const Instance *instance);
void holder_set_order(HolderSet *set, const HolderOrder *order);
/* Who is late is killed and gets VSS_E_WRITERERROR_TIMEOUT. */
void holder_set_collect(HolderSet *set, uint64_t deadline_usec);
void holder_set_end(HolderSet *set, uint64_t deadline_usec);

/* Why the files of a server are of an earlier moment than the shadow copy, whatever is done; NULL: they need
 * not be. The text is in @text. */
const char *instance_is_behind(const InstanceFacts *facts, const Settings *settings, char *text,
                               size_t size);
