/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a commit costs: settings, and the estimate before anybody is frozen
 *
 * Pure. Size costs nothing: what takes time is each file, and each of its extents.
 */

#include "providers/reflink/tree.h"
#include "util/conf.h"

#define COST_LIMIT_MAX (50 * UINT64_C(1000000))

typedef struct CostSettings {
        uint64_t commit_usec;  /* CommitLimit */
        uint64_t prepare_usec; /* PrepareLimit */
        uint64_t recent_usec;  /* ChangedWithin */
        unsigned long workers; /* Workers; 0: as many as there are processors */
} CostSettings;

#define COST_SETTINGS_INIT \
        { .commit_usec = 5000000, .prepare_usec = COST_LIMIT_MAX, .recent_usec = 60000000 }

/* /etc/linuxvss/reflink.conf. 0, also if there is none; a negative errno, and why in @error. */
int cost_settings_read(const char *path, ConfError *error, CostSettings *ret_settings);
unsigned cost_workers(const CostSettings *settings);

/* Of one tree. @prepared: of a pass that did the work; @looked: of one after it, which found little to do. */
uint64_t cost_estimate(const TreeFacts *prepared, const TreeFacts *looked);
