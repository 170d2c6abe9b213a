/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Areas as they are found on a file system: file, extents, header
 *
 * For who attaches a volume: nothing is known but what is on the disk, and that may come from anywhere. The
 * header is read from the block device by the file's extents, which shows as well that these are places on
 * that device.
 */

#include "providers/dm/area.h"
#include "providers/dm/device.h"

typedef struct Remain {
        char id[VSS_ID_SIZE]; /* as the file is named */
        Device device;        /* that the file system is on */
        AreaMap map;          /* of the file, as the file system tells */
        AreaHeader header;
        const char *problem; /* it is no area, or none of this file system; then there is no header */
} Remain;

typedef struct RemainList {
        Remain *items;
        size_t n;
} RemainList;

/* @root_fd: the root directory of the file system, which is on @device and has the UUID @filesystem. Without
 * the directory there are none. */
int remains_list(int root_fd, const Device *device, const char *filesystem, RemainList *ret_list);
void remains_done(RemainList *list);
#define _cleanup_remains_ _cleanup_(remains_done)

/* Within the area; offset and size are multiples of 512. */
int remain_read(const Remain *remain, uint64_t offset, void *buffer, size_t size);
/* Each is down on the disk when it returns. */
int remain_write_token(const Remain *remain, const char *text);
/* The header's info, as the next record. */
int remain_write_info(Remain *remain);

/* How many bytes from the beginning do two maps agree in? */
uint64_t extents_common(const AreaExtent *a, size_t n_a, const AreaExtent *b, size_t n_b);
uint64_t extents_size(const AreaExtent *extents, size_t n);
