/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which shadow copies there are: read from their devices, and from the areas on file systems that are
 * mounted
 *
 * There is nothing else that could know better: what the kernel has is what stands, and headers say what it
 * is. Functions return 0 or a negative errno.
 */

#include "providers/dm/mounts.h"
#include "providers/dm/store.h"
#include "providers/dm/volume.h"

/* Why a copy that its header calls created is none any more. */
#define CATALOG_LOST_FULL "its difference area has overflowed or could not be written"
#define CATALOG_LOST_AREA "the device that its difference area lies on fails"
#define CATALOG_LOST_BOOT "the machine was started anew since"
/* And why one cannot be used, though it is not lost: when its volume is attached again, that is found out.
 */
#define CATALOG_AWAY "its volume is attached no more"
#define CATALOG_SUSPENDED "the device of its volume is suspended"

/*
 * catalog_list() - appends the properties of each copy, and of what a crash left of one, to @list
 * Those of @set_under_way (or NULL) that are not done are "preparing". What cannot be read, or not judged at
 * the moment, is "unknown": that is no reason to clear it away, or to call it lost.
 */
int catalog_list(const char *set_under_way, vss_value *list);
/* Ids of those that are kept by a volume: of itself, or in areas on it. */
int catalog_ids_of(const Volume *volume, vss_value *ids);
/* Ids of a set's, whatever there is of them. */
int catalog_ids_of_set(const char *set_id, vss_value *ids);

/*
 * catalog_judge() - is a copy, whose header says that it was made, still there and right?
 * @header: has its identity
 * @ret_reason: why not, a static string; NULL if it is
 * @ret_lost: for good
 */
int catalog_judge(const char *id, const AreaHeader *header, const StoreState *state, const char **ret_reason,
                  bool *ret_lost);

/* Of a copy that the kernel has given up, and whose header cannot be read: all that its devices tell. */
int catalog_set_unread(const StoreState *state, vss_value *info);

/* What is told of a copy whose device is there: "block-device", and "hidden" if there is anything. @info:
 * its identity. */
int catalog_set_device(vss_value *properties, const char *id, const vss_value *info);

/* The directory of areas on the file system of that UUID, attached or just mounted. -ENOENT: it is not
 * there, or has none. */
int catalog_open_directory(const char *filesystem, bool make, int *ret_fd, Device *ret_device);
/* The header of an area without devices, read from the device under it. -EBADMSG: it is no area; anything
 * else says nothing of what it is. */
int catalog_read_area(int directory_fd, const char *id, const Device *device, AreaHeader *ret_header);
/* Where the area of a copy lies: the UUID of the file system. -ENOENT: nowhere that is mounted. */
int catalog_find_area(const char *id, char ret_filesystem[static VSS_ID_SIZE]);
