/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A repository of restic's format, version 2
 *
 * Write order: packs, then the index that names them, then the point. Read order: points, then the index. So
 * whoever reads finds all that a point needs.
 */

#include <pthread.h>
#include "repository/backend.h"
#include "repository/cache.h"
#include "repository/chunker.h"
#include "repository/compress.h"
#include "repository/config.h"
#include "repository/index.h"
#include "repository/keyfile.h"
#include "repository/snapshot.h"
#include "repository/tree.h"

#define KEYS_TRIED_MAX 20u

typedef struct Repository {
        Backend *backend;
        const char *location; /* as it was given; borrowed */
        CryptoKey key;
        BlobId key_id; /* of the key file that was opened */
        RepoConfig config;
        bool renewed; /* repo_init() found keys, and made the config that they lacked */
        Index index;
        pthread_rwlock_t index_lock;

        Cache *cache; /* NULL: nothing is kept here */
        pthread_mutex_t cache_lock;

        pthread_mutex_t salvage_lock; /* of what follows: packs that no index names, for who reads */
        bool salvaged;
        size_t unnamed_packs;
} Repository;

typedef struct RepoOptions {
        const char *location;
        const char *const *sftp_command; /* words, NULL-terminated; NULL: ssh */
        /*
         * Asked for once it is needed: what opens the key. Allocated, without blanks at its ends; whoever
         * calls overwrites and frees it. May be NULL: only the kernel's keyring can open the repository.
         */
        int (*password)(void *userdata, char **ret_password, Why *why);
        void *userdata;
        unsigned keyring_seconds;   /* keep the key in the user's keyring so long; 0: do not */
        const ScryptParams *scrypt; /* of a new repository; NULL: the default */
} RepoOptions;

/* -EEXIST if there is one. What was made is open. Where keys are without a config, it is made anew for them.
 */
int repo_init(const RepoOptions *options, Why *why, Repository **ret_repo);
/* -EKEYREJECTED: no key has that password. The index is not loaded yet. */
int repo_open(const RepoOptions *options, Why *why, Repository **ret_repo);
Repository *repo_free(Repository *repo);
DEFINE_CLEANUP(Repository *, repo_free)

/* Keeps here what is read and written again and again; in cache_place() if @place is NULL. Not for who has
 * to know what the repository itself has. */
void repo_use_cache(Repository *repo, const char *place);

/* Files of their own: config, index, snapshots, locks. Appended, plain. -EBADMSG for what is damaged. */
int repo_load_file(Repository *repo, StoreKind kind, const BlobId *id, Bytes *text, Why *why);
int repo_save_file(Repository *repo, StoreKind kind, const void *text, size_t size, BlobId *ret_id,
                   Why *why);

/*
 * repo_load_index() - all index files into memory
 * @damaged: called for each that cannot be used, which is passed over; NULL: that is a failure
 */
int repo_load_index(Repository *repo, int (*damaged)(void *userdata, const BlobId *id, const Why *why),
                    void *userdata, Why *why);

/* A blob, checked against its id; from any pack that has it whole. Replaces what is in @plain. -ENOENT,
 * -EBADMSG. */
int repo_load_blob(Repository *repo, BlobType type, const BlobId *id, Bytes *plain, Why *why);
int repo_load_tree(Repository *repo, const BlobId *id, Tree *ret_tree, Why *why);
/* What a blob holds when it is open, without reading it. -ENOENT. */
int repo_blob_size(Repository *repo, BlobType type, const BlobId *id, uint64_t *ret_size);
/* Opens one that has been read: @sealed is the stored bytes. 0 or -EBADMSG. */
int repo_open_blob(const Repository *repo, const PackBlob *blob, const void *sealed, Bytes *plain);
/* The same for many: with memory that is kept in between. */
int repo_open_blob_by(const Repository *repo, const PackBlob *blob, const void *sealed, Bytes *frame,
                      Bytes *plain);
/* A place of a blob, as the index has it. */
bool repo_locate_blob(Repository *repo, BlobType type, const BlobId *id, PackBlob *ret_blob,
                      BlobId *ret_pack);

/* Header of a pack. *@ret_blobs is to be freed. */
int repo_load_pack_header(Repository *repo, const BlobId *pack, uint64_t size, PackBlob **ret_blobs,
                          size_t *ret_n, Why *why);

/* All points, oldest first. */
typedef struct SnapshotList {
        Snapshot *items;
        size_t n;
} SnapshotList;
void snapshot_list_clear(SnapshotList *list);
#define _cleanup_snapshots_ _cleanup_(snapshot_list_clear)
int repo_load_snapshots(Repository *repo, int (*damaged)(void *userdata, const BlobId *id, const Why *why),
                        void *userdata, SnapshotList *ret_list, Why *why);
/* By the first digits of its id, or "latest". NULL, with a sentence, if there is none or more than one. */
const Snapshot *snapshot_list_find(const SnapshotList *list, const char *name, Why *why);

/* Ids of a kind, in no order. To be freed. */
typedef struct StoreFile {
        BlobId id;
        uint64_t size;
} StoreFile;
int repo_list_files(Repository *repo, StoreKind kind, StoreFile **ret_files, size_t *ret_n, Why *why);
