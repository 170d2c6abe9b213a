/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writing into a repository: blobs into packs, packs to the backend, indexes behind them
 *
 * store_add() may be called from many threads: each hashes, compresses and seals what it brings, and whoever
 * fills a pack hands it to the threads that upload. Memory is bounded: packs that are open, and few that
 * wait. The first failure ends everything after it; store_finish() tells it.
 */

#include "repository/lock.h"
#include "repository/salvage.h"

typedef struct Store Store;

typedef struct StoreOptions {
        int level;        /* of zstd; COMPRESS_OFF */
        size_t pack_size; /* 0: 12 MiB */
} StoreOptions;

typedef struct StoreCounts {
        uint64_t data_blobs, tree_blobs; /* new ones */
        uint64_t added, stored;          /* their bytes, plain and packed */
} StoreCounts;

/* Needs the index loaded and a lock. */
int store_new(Repository *repo, RepoLock *lock, const StoreOptions *options, Why *why, Store **ret_store);
/* Gives up what has not been finished; packs that were uploaded stay, and what names them is lost. */
Store *store_free(Store *store);
DEFINE_CLEANUP(Store *, store_free)

/* @ret_new may be NULL: was it not there yet? */
int store_add(Store *store, BlobType type, const void *plain, size_t size, BlobId *ret_id, bool *ret_new);
/* Is it there, or on its way? */
bool store_has(Store *store, BlobType type, const BlobId *id);
/* All packs and their index durable. After a failure, of what was uploaded an index is still written. */
int store_finish(Store *store, Why *why);
/* 0, or the failure so far. */
int store_status(Store *store);
void store_get_counts(Store *store, StoreCounts *ret_counts);

/*
 * store_salvage() - takes up what a run that was interrupted had uploaded, and finds what is lost
 *
 * Before the first store_add(), and only by who writes alone. What is lost is stored again where it comes
 * up.
 */
int store_salvage(Store *store, Why *why, Salvage *ret_salvage);
