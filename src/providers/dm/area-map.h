/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * May a file's blocks be written past its file system? Judged from what FIEMAP says of them: pure
 *
 * Each block of the area has to be there, at a place of the device that is the file's alone. Blocks that
 * were never written are just right: the file system reads zeros for them and leaves them alone.
 */

#include <linux/fiemap.h>
#include <stdint.h>
#include "providers/dm/area-header.h"

typedef struct AreaMap {
        AreaExtent *extents;
        size_t n, size; /* there are, and there is room for */
        uint64_t end;   /* bytes mapped so far */
} AreaMap;

void area_map_done(AreaMap *map);

/* The next extents of the file, in order. -EMEDIUMTYPE with @ret_reason, half a sentence after the file's
 * name; -E2BIG: it has too many; -ENOMEM. */
int area_map_add(AreaMap *map, const struct fiemap_extent *extents, size_t n, const char **ret_reason);
/* The extents of [from, to) of the area; those that are cut are shortened. */
int area_map_part(const AreaExtent *extents, size_t n, uint64_t from, uint64_t to, AreaExtent **ret_extents,
                  size_t *ret_n);
