/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a volume stands on
 *
 * To be called in a worker process with a deadline: it looks at devices and mount points, and may wait.
 */

#include <stddef.h>
#include <sys/types.h>

#define STACK_DEPTH_MAX 16u

/*
 * stack_lower_devices() - all devices below the volume with st_dev @device, transitively
 * Follows loop devices to the file system of their file, device-mapper and md devices to their parts,
 * partitions to their disk, btrfs to its devices. Return: 0, -E2BIG if there are more than @max, -ELOOP if
 * they are stacked too deep, or -errno.
 */
int stack_lower_devices(dev_t device, dev_t *lower, size_t max, size_t *ret_n);
