/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Images as devices of the kernel's own client, by the program "rbd", which knows keys and modules
 */

#include <stdbool.h>
#include "providers/rbd/remote.h"

#define KRBD_DEVICE_SIZE 32u

/* Is the kernel's client there, and the program? */
bool krbd_is_there(const char *sys);
/* @snapshot: NULL for the image itself. Takes at most some 20 seconds. */
int krbd_map(const ClusterSettings *cluster, const Place *place, const char *snapshot, bool read_only,
             char ret_device[static KRBD_DEVICE_SIZE], char ret_why[static WHY_SIZE]);
/* -EBUSY */
int krbd_unmap(const char *device, char ret_why[static WHY_SIZE]);
/* What is mapped here already. -ENOENT */
int krbd_find(const char *sys, const Place *place, const char *snapshot,
              char ret_device[static KRBD_DEVICE_SIZE]);
