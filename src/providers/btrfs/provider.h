/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The btrfs provider as a table of calls; its userdata is a BtrfsProvider
 */

#include "providers/btrfs/set.h"

typedef struct BtrfsProvider {
        Set *set; /* being made, NULL otherwise */
} BtrfsProvider;

extern const struct vss_provider btrfs_provider;
