/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is asked of a cluster, in the thread of a link
 *
 * Identities of copies are in the pool's metadata, by "linuxvss.ID": that takes no image's exclusive lock
 * from whoever writes to it (an image's own metadata would), and one call lists them all. A copy is the
 * snapshot "vss-ID" of its image, which is known by its id; names come and go.
 *
 * Functions return 0 or a negative errno, and then leave a sentence in job->why.
 */

#include <rbd/librbd.h>
#include "providers/rbd/link.h"
#include "util/value.h"

#define SNAPSHOT_PREFIX "vss-"
#define SNAPSHOT_SIZE (sizeof(SNAPSHOT_PREFIX) + VSS_ID_SIZE)
#define IMAGE_ID_SIZE 64u

/* Where an image is. */
typedef struct Place {
        char fsid[37];
        PoolName pool;
        char image[IMAGE_NAME_SIZE], image_id[IMAGE_ID_SIZE];
} Place;

void snapshot_name(const char *id, char ret_name[static SNAPSHOT_SIZE]);
/* As a dictionary {"cluster", "pool", "namespace", "image", "image-id"}, and back. -EBADMSG */
int place_describe(const Place *place, vss_value *dict);
int place_read(const vss_value *dict, Place *ret_place);
/* Are both the same image? */
bool place_equals(const Place *a, const Place *b);

typedef struct Pool {
        rados_ioctx_t io;
} Pool;

int pool_open(LinkJob *job, Connection *connection, const PoolName *name, Pool *ret_pool);
void pool_close(Pool *pool);
/* -ENOSPC: what is written to it would wait until there is room again. 0 also if nobody can tell. */
int pool_check_room(LinkJob *job, Connection *connection, const PoolName *name);

int identity_put(LinkJob *job, Pool *pool, const vss_value *info);
/* -ENOENT: there is none. -EBADMSG: it is none. */
int identity_get(LinkJob *job, Pool *pool, const char *id, vss_value **ret_info);
int identity_remove(LinkJob *job, Pool *pool, const char *id);
/* All of a pool, of whichever host; what is none is left out. */
int identity_list(LinkJob *job, Pool *pool, vss_value *list);
/* Nobody else changes identities that exist, of copies that wait to be imported. It ends by itself after a
 * while. */
int identity_lock(LinkJob *job, Pool *pool, uint64_t deadline_usec);
void identity_unlock(Pool *pool);

/* By place->image_id, or by name if it has none; fills in what is missing. -ENOENT: there is no such image.
 */
int image_open(LinkJob *job, Connection *connection, Pool *pool, Place *place, bool read_only,
               rbd_image_t *ret_image, uint64_t *ret_size);
void image_close(rbd_image_t *image);
/* -ENOENT */
int image_find_snapshot(LinkJob *job, rbd_image_t image, const char *name, uint64_t *ret_id);
/* 0 also if there is none. -EBUSY: something is made of it. */
int image_remove_snapshot(LinkJob *job, rbd_image_t image, const char *name);
/* The image "vss-ID", which is written to in place of the snapshot. Existing ones are kept. */
int image_clone(LinkJob *job, Pool *pool, const Place *place, const char *name);
/* -EBUSY: somebody has it open. 0 also if there is none. */
int image_remove(LinkJob *job, Pool *pool, const char *name);
