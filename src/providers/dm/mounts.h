/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where block file systems are mounted, and mounting them anew from another device
 *
 * Mounts are values, so that they can be written down: a list of {"target", "root" (in the file system),
 * "type", "options" (of the mount), "super" (of the file system), "shared" (boolean), "device" (its
 * number)}, in the order in which they were made. Functions return 0 or a negative errno.
 */

#include <sys/types.h>
#include "util/value.h"

#define MOUNTS_MAX 65536u

/* Those of one device; 0: of every block device with a file system of which copies can be mounted. */
int mounts_list(dev_t device, vss_value **ret_list);
/* "target" of each. */
int mounts_targets(const vss_value *list, vss_value *targets);
/* The root directory of the file system that is mounted there. -ENOENT: it is mounted nowhere. */
int mounts_open_root(dev_t device, const char *source, int *ret_fd);
bool mounts_are_read_only(const vss_value *list);

/* All of them, last one first. @ret_mount: the one that cannot be; those behind it are unmounted by then. */
int mounts_remove(const vss_value *list, const vss_value **ret_mount);
/* Mounts @source as they were; what stands from that device already is left. */
int mounts_make(const vss_value *list, const char *source, dev_t device, const vss_value **ret_mount);
/* After a crash: a mount that was needed only while others were made. */
void mounts_forget_staging(void);
