/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The dm provider: shadow copies of block file systems, out of the kernel's device-mapper alone
 */

#include "providers/dm/set.h"

typedef struct DmProvider {
        Set *set;             /* the one that is being made */
        vss_value *suspended; /* by deletions: told at the next CheckStorage */
        vss_value *told;      /* by id, how full a copy's area was when that was told last */
} DmProvider;

extern const struct vss_provider dm_provider;

void dm_provider_done(DmProvider *provider);
