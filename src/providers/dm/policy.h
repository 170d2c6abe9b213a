/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How large difference areas are, and when they grow: pure
 *
 * Settings are dm.conf's; what somebody has said of one volume (vss storage) goes before them.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/conf.h"

#define POLICY_NO_LIMIT UINT64_MAX
#define POLICY_GRAIN (UINT64_C(1) << 20)
/* A smaller one is full before anybody has looked. */
#define POLICY_AREA_MIN (16 * POLICY_GRAIN)

/* Bytes, or a share of the volume. */
typedef struct PolicySize {
        bool percent;
        uint64_t value; /* POLICY_NO_LIMIT: no limit */
} PolicySize;

typedef struct Policy {
        PolicySize initial;    /* of each copy's area */
        PolicySize maximum;    /* of all areas of a volume */
        unsigned grow_percent; /* used by then: it grows, or somebody is warned */
        unsigned chunk;        /* in sectors; 0: by the size */
        unsigned snapshots;    /* of one volume at most */
} Policy;

void policy_default(Policy *ret_policy);
/* dm.conf; -EBADMSG with @error. */
int policy_read(const Conf *conf, ConfError *error, Policy *policy);

/* "10%", "512M", "none". -EINVAL. */
int policy_parse_size(const char *text, PolicySize *ret_size);
uint64_t policy_bytes(PolicySize size, uint64_t volume);

/* What one volume has. */
typedef struct PolicyVolume {
        uint64_t size;      /* of the volume */
        uint64_t maximum;   /* of its areas together; POLICY_NO_LIMIT */
        uint64_t allocated; /* by its areas */
        uint64_t free;      /* where they lie */
} PolicyVolume;

/* The size of a new area. -ENOSPC: there is no room; -EDQUOT: no more is allowed. */
int policy_initial(const Policy *policy, const PolicyVolume *volume, uint64_t *ret_size);
/* Is it so full that something has to be done? */
bool policy_is_low(const Policy *policy, uint64_t used, uint64_t total);
/* By how much an area of @total bytes grows. -ENOSPC, -EDQUOT. */
int policy_growth(const Policy *policy, const PolicyVolume *volume, uint64_t total, uint64_t *ret_more);
/* In sectors: large enough for the kernel's memory of copied chunks to stay small. */
uint32_t policy_chunk(const Policy *policy, uint64_t maximum);
