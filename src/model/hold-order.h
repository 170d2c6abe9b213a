/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * In which order the targets of a hold are stopped
 *
 * Control groups come first (rank 0), so that nobody waits half-way in a write. A volume that stands on
 * another held one comes before it, since its flush has to reach the disk. Independent volumes share a rank
 * and are stopped in parallel. One superblock is stopped once, however often it is mounted.
 *
 * Devices are suspended by the cut, when all file systems stand already: one that stands on such a file
 * system could never end its flush.
 */

#include <stddef.h>
#include <stdint.h>

/* Held volumes that stand on each other. */
#define HOLD_DEPTH_MAX 8u

typedef struct HoldOrderTarget {
        uint32_t kind;         /* enum vss_hold: FILESYSTEM, DEVICE or CGROUP */
        uint64_t device;       /* st_dev; 0 and without meaning for control groups */
        const uint64_t *lower; /* the devices it stands on, direct ones or all */
        size_t n_lower;
} HoldOrderTarget;

typedef struct HoldOrder {
        size_t same_as; /* index of the first target with this superblock; its own if there is none */
        uint32_t rank;  /* lower ranks are stopped earlier; the one of same_as */
} HoldOrder;

/*
 * hold_order() - the rank of each of @n targets
 * Return: 0 with @ret_order filled, -ELOOP if volumes stand on each other in a circle, -E2BIG if more than
 * HOLD_DEPTH_MAX are stacked, -EDEADLK if a device stands on a file system that is frozen before it,
 * -EEXIST if a superblock is to be held in both ways, -EINVAL if a kind cannot be held; then @ret_order is
 * untouched.
 */
int hold_order(const HoldOrderTarget *targets, size_t n, HoldOrder *ret_order);
