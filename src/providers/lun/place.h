/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which LUN a volume lies on, and where on it
 *
 * A volume is the LUN as a whole, a partition of it, or a logical volume (any mapping of device-mapper) that
 * is one piece of it. What lies on several pieces, or on more than one LUN, is not copied: its copy could
 * not be put together elsewhere.
 */

#include <limits.h>
#include <sys/types.h>
#include "providers/common/array-wire.h"

/* "ARRAY.LUN": the name of an image that is attached; names of arrays have no dot in them. */
#define PLACE_NAME_SIZE (2 * ARRAY_NAME_MAX + 2)

typedef struct Place {
        char array[ARRAY_NAME_MAX + 1], lun[ARRAY_NAME_MAX + 1];
        uint64_t offset, length; /* in bytes; length 0: to the end */
} Place;

/* 0, a negative errno, or -EMEDIUMTYPE with @ret_why if the device is on no LUN, or not on one piece of one.
 */
int place_find(const char *live_dir, dev_t device, Place *ret_place, const char **ret_why);

int place_name(const char *array, const char *lun, char ret_name[static PLACE_NAME_SIZE]);
/* The reverse. -EINVAL */
int place_split(const char *name, Place *ret_place);
