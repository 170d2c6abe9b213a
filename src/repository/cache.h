/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files of a repository that are kept here, so that they need not be fetched again
 *
 * As they lie in the repository: sealed, and named by their content. So nothing in it is secret, nothing in
 * it is believed, and all of it may be deleted at any time. Index files, points, and packs of trees are
 * kept; packs are opened blob by blob, and each blob is checked by who opens it.
 *
 * No failure of a cache is one of its user: what cannot be kept is fetched again.
 */

#include "repository/backend.h"

typedef struct Cache Cache;

/*
 * The directory of all caches: $VSS_CACHE; $XDG_CACHE_HOME/linuxvss; /var/cache/linuxvss of root,
 * ~/.cache/linuxvss of others. Return: allocated; NULL without memory, a home, or with VSS_CACHE=off.
 */
char *cache_place(void);

/* NULL if there can be none: @place is not ours alone, or cannot be made. */
Cache *cache_open(const char *place, const BlobId *repository);
Cache *cache_free(Cache *cache);
DEFINE_CLEANUP(Cache *, cache_free)

/* The whole file, appended; one that is not what its name says is deleted. 0 or -ENOENT. @cache may be NULL,
 * as for all calls. */
int cache_load(Cache *cache, StoreKind kind, const BlobId *id, Bytes *data);
/* A part of it, appended and not checked. 0 or -ENOENT. */
int cache_load_part(Cache *cache, StoreKind kind, const BlobId *id, uint64_t offset, size_t length,
                    Bytes *data);
void cache_save(Cache *cache, StoreKind kind, const BlobId *id, const void *data, size_t size);
void cache_remove(Cache *cache, StoreKind kind, const BlobId *id);
/* Deletes all of that kind but these, which are sorted here, and what is younger than an hour: another run may
 * have made it. */
void cache_keep_only(Cache *cache, StoreKind kind, BlobId *ids, size_t n);
