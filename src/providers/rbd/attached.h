/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Images and copies that are block devices of this machine
 *
 * By the kernel's client where there is one that can do what the image needs; else a daemon serves the image
 * by NBD (common/image-chain.h).
 * What the kernel has mapped is told by sysfs; what is served for a volume that is in use is recorded below
 * /run/linuxvss/rbd, so that the volume's device is known for what it is.
 */

#include <stdbool.h>
#include "providers/rbd/remote.h"

typedef struct Target {
        const ClusterSettings *cluster;
        Place place;
        const char *snapshot;    /* NULL: the image itself */
        uint64_t offset, length; /* the part of it that is meant, in bytes; length 0: all behind it */
        bool read_only;
        bool user_space; /* not by the kernel, although it could */
} Target;

/* Functions return 0 or a negative errno and @ret_why. */

/* The device of copy @id, made if there is none. */
int attached_copy(const char *id, const Target *target, char **ret_device, char ret_why[static WHY_SIZE]);
/* -EBUSY. 0 also if there is none. */
int attached_drop_copy(const char *id, const Target *target, char ret_why[static WHY_SIZE]);
/* Is anything served for copies? */
bool attached_any(void);
/* What is served for copies that are not in @list, and not in use, ends. */
void attached_sweep(const vss_value *list);

int live_attach(const Target *target, char **ret_device, char ret_why[static WHY_SIZE]);
/* -ENOENT: it is none of ours. -EBUSY */
int live_detach(const char *device, char ret_why[static WHY_SIZE]);
/* The image that was attached as this device. -ENOENT */
int live_find(const char *device, Place *ret_place);
/* {"device", "name" (POOL/IMAGE), "mapped", "boot", "mounted"} of each that was attached here. */
int live_list(vss_value *list);
