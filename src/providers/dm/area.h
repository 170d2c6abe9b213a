/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Difference areas: preallocated, immutable files whose blocks device-mapper writes past the file system
 *
 *     /.linuxvss/           of the file system that holds them, for root alone; hidden in copies
 *     /.linuxvss/ID.area    header (area-header.h) and store of one shadow copy
 *
 * Nothing is ever written through the file but the first block. Since it is immutable nobody moves, shortens
 * or writes it, and its blocks stay where they are. Functions return 0 or a negative errno.
 */

#include "providers/dm/area-map.h"

#define AREA_DIRECTORY ".linuxvss"
#define AREA_SUFFIX ".area"
/* Areas on one file system that are looked at. */
#define AREAS_MAX 4096u

/* /.linuxvss of a file system; made if @make. -EPERM: it is not root's alone. */
int area_open_directory(int root_fd, bool make, int *ret_fd);

/* What is left on the file system for others. */
int area_free_space(int directory_fd, uint64_t *ret_bytes);

/*
 * area_create() - the file of a copy, of a header and @size bytes of store
 * @root: its header's; the size of the header and the random bytes are filled in
 * @identity: bytes of the identity that has to go into the header
 * -EMEDIUMTYPE: its blocks cannot be used, with @ret_reason; -EOPNOTSUPP: the file system does not
 * preallocate. There is no file then.
 */
int area_create(int directory_fd, AreaRoot *root, uint64_t size, size_t identity, AreaMap *ret_map,
                const char **ret_reason);
/* Makes it larger: @size with the header. What was mapped stays as it is, whatever happens. */
int area_grow(int directory_fd, const char *id, uint64_t size, AreaMap *ret_map, const char **ret_reason);
/* A growth that was cut off has left it open to be changed. */
int area_protect(int directory_fd, const char *id);
/* Where it is now. */
int area_map(int directory_fd, const char *id, AreaMap *ret_map, const char **ret_reason);
/* Is the root of the file, as the file system reads it, what lies at its place on the device? -EMEDIUMTYPE.
 */
int area_verify(int directory_fd, const char *id, const AreaMap *map, const char *device,
                AreaRoot *ret_root);
/* -ENOENT: there is none. */
int area_remove(int directory_fd, const char *id);

/* Ids of the areas that are there, strings. */
int area_list(int directory_fd, vss_value *ids);
