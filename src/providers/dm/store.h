/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The device-mapper devices of one shadow copy
 *
 *     vss-ID-head    the area's header: each extent mapped to its place on the device
 *     vss-ID-cow     the rest of the area, likewise
 *     vss-ID         the copy: a snapshot of the volume's partition, with vss-ID-cow as its store
 *
 * All of them name partitions, not the volumes, so that none is in the way of a suspended one. They are made
 * in this order and go in the reverse, so that there is a head as long as there is anything. Functions
 * return 0 or a negative errno; -ENXIO: the device is not there.
 */

#include "providers/common/devmap.h"
#include "providers/dm/area-header.h"
#include "providers/dm/device.h"

#define STORE_HEAD_PREFIX "LINUXVSS-head-"

enum store_part {
        STORE_HEAD,
        STORE_COW,
        STORE_COPY,
};

void store_name(const char *id, enum store_part part, char ret_name[static DEVMAP_NAME_SIZE]);
void store_path(const char *id, enum store_part part, char ret_path[static DEVMAP_PATH_SIZE]);

/* Head and store, of an area on @on. */
int store_create_head(const char *id, const Device *on, const AreaExtent *extents, size_t n,
                      uint32_t header_size);
int store_create_cow(const char *id, const Device *on, const AreaExtent *extents, size_t n,
                     uint32_t header_size);
/* A larger table, which takes effect with the next resume. */
int store_load_cow(const char *id, const Device *on, const AreaExtent *extents, size_t n,
                   uint32_t header_size);
/* A new store begins with zeros. */
int store_erase(const char *id);
/* The copy, with its table loaded but not live. @chunk: sectors. */
int store_create_copy(const char *id, const Device *origin, bool persistent, uint32_t chunk, unsigned flags);

int store_read_header(const char *id, AreaHeader *ret_header);
/* All but the root: what lies there may be of an area that was there before. */
int store_erase_header(const char *id, uint32_t header_size);
/* Writes info and extents as the next record; the sequence in @header is raised. */
int store_write_record(const char *id, AreaHeader *header);
int store_write_token(const char *id, const char *text);

typedef struct StoreState {
        bool head, cow, copy;
        bool live; /* the copy has a table that is a snapshot's */
        bool persistent;
        dev_t origin; /* of it, or of the table that is loaded; 0: not known */
        dev_t device; /* the copy's */
        dev_t cow_device;
        unsigned open_count;
        DevmapSnapshot status; /* of a live one */
} StoreState;

int store_state(const char *id, StoreState *ret_state);
/* Is there a live copy of this partition? @except: an id that does not count, or NULL. */
int store_has_live(dev_t origin, const char *except, bool *ret_live);
/* Copy, store and head, as far as they are there. -EBUSY: somebody has it open. */
int store_remove(const char *id);
/* Ids of all that have devices, strings. */
int store_list(vss_value *ids);
