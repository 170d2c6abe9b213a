/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Attached volumes: device-mapper devices of ours that map a partition one to one
 *
 *     /dev/mapper/NAME
 *         UUID   LINUXVSS-vol-<UUID of the file system>
 *         table  "0 N linear P 0", or, while there are shadow copies, "0 N snapshot-origin P"
 *
 * They are known from device-mapper alone. Functions return 0 or a negative errno.
 */

#include "providers/common/devmap.h"
#include "providers/dm/device.h"
#include "util/value.h"

#define VOLUME_UUID_PREFIX "LINUXVSS-vol-"

enum volume_table {
        VOLUME_FOREIGN = 0, /* somebody else has loaded it */
        VOLUME_LINEAR,
        VOLUME_ORIGIN,
};

typedef struct Volume {
        DevmapInfo info;
        char path[DEVMAP_PATH_SIZE];
        char filesystem[VSS_ID_SIZE]; /* its UUID */
        enum volume_table table;
        Device origin; /* of a foreign table: nothing */
} Volume;

typedef struct VolumeList {
        Volume *items;
        size_t n;
} VolumeList;

int volume_list(VolumeList *ret_list);
void volume_list_done(VolumeList *list);
#define _cleanup_volumes_ _cleanup_(volume_list_done)

/* -ENOENT: the device is no attached volume. */
int volume_by_device(dev_t device, Volume *ret_volume);
int volume_by_filesystem(const char *uuid, Volume *ret_volume);
/* By the partition, the name or the path of either. */
int volume_find(const char *name, Volume *ret_volume);

/* Makes the device. -EBUSY: the partition is in use. */
int volume_create(const char *name, const char *filesystem, const Device *origin);
/* Loads a table that is to take effect with the next resume. */
int volume_load(const Volume *volume, enum volume_table table);
/* Reads the table again. -ESTALE: it is foreign now. */
int volume_refresh(Volume *volume);

/* The name that a volume gets when nobody has given one. */
void volume_default_name(const DeviceContent *content, char ret_name[static DEVMAP_NAME_SIZE]);
