/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a repository lies: a store of small immutable files with names
 *
 * One door for all kinds of stores, so that nothing above knows which it is. Each is a table of calls; all
 * but one are required, and may be made from several threads. A file that save() has returned for is durable and
 * complete; one that it has not is not there, or is complete as well. Of packs a store that is far away may
 * still write some when save() returns: an index or a point that is saved after them is there only if they
 * are, and fails if one of them did. Failures are sentences that name the file.
 */

#include "repository/blob-id.h"
#include "repository/bytes.h"
#include "repository/fail.h"

typedef enum StoreKind {
        STORE_CONFIG, /* one file, which has no id */
        STORE_KEY,
        STORE_LOCK,
        STORE_SNAPSHOT,
        STORE_INDEX,
        STORE_PACK,
} StoreKind;
#define STORE_KINDS 6u

#define STORE_PATH_SIZE 96u /* of a path below the repository */

/* More than any file of a repository has, packs of other programs aside. */
#define STORE_FILE_MAX (UINT64_C(4) << 30)

typedef struct Backend Backend;

/* Return: 0 to go on; anything else ends the listing and is what it returns. */
typedef int (*StoreHandler)(void *userdata, const BlobId *id, uint64_t size);

typedef struct BackendOps {
        /* Makes the directories of an empty repository. -EEXIST if there is a config already. */
        int (*create)(Backend *backend, Why *why);
        /* -EEXIST for a config that is there; other files bear their content's name. */
        int (*save)(Backend *backend, StoreKind kind, const BlobId *id, const void *data, size_t size,
                    Why *why);
        /* @length bytes at @offset, appended; length 0: all there is. -ENOENT, -ENODATA for a file that is
         * shorter. */
        int (*load)(Backend *backend, StoreKind kind, const BlobId *id, uint64_t offset, size_t length,
                    Bytes *data, Why *why);
        /* This will be loaded soon: reading it may begin. May be missing. */
        void (*expect)(Backend *backend, StoreKind kind, const BlobId *id, uint64_t offset, size_t length);
        int (*size)(Backend *backend, StoreKind kind, const BlobId *id, uint64_t *ret_size, Why *why);
        /* What has another name than ours is passed over. */
        int (*list)(Backend *backend, StoreKind kind, StoreHandler handler, void *userdata, Why *why);
        /* 0 also if it is not there. */
        int (*remove)(Backend *backend, StoreKind kind, const BlobId *id, Why *why);
        /* Deletes what interrupted writes of ours have left, and adds how much that was. Only while nobody
         * else writes. */
        int (*sweep)(Backend *backend, StoreKind kind, size_t *count, Why *why);
        void (*free)(Backend *backend);
} BackendOps;

struct Backend {
        const BackendOps *ops;
        bool near;   /* listing it takes no time that anybody notices */
        bool prompt; /* what one has written is in everybody's next list */
};

/* The name of a file while it is written: that of its place, and what nobody else has behind it. */
#define STORE_TEMPORARY_SIZE (STORE_PATH_SIZE + 32u)
int store_temporary_name(const char *path, char name[static STORE_TEMPORARY_SIZE]);
/* Is it one? */
bool store_is_temporary(const char *name);

Backend *backend_free(Backend *backend);
DEFINE_CLEANUP(Backend *, backend_free)

/*
 * backend_open() - the store of a location
 * @location:     a directory; "sftp:[USER@]HOST:PATH" or "sftp://[USER@]HOST[:PORT]/PATH"; "here:" and one
 * of these, which is meant where the verb was given, and not where it runs: with $VSS_CHANNEL_FD they are
 * two machines
 * @sftp_command: words that are run instead of ssh, NULL-terminated; may be NULL
 * @create:       the directory may be missing: it is made
 */
int backend_open(const char *location, const char *const *sftp_command, bool create, Why *why,
                 Backend **ret_backend);

/* The path of a repository that is a directory of this machine; NULL for others. */
const char *backend_directory(const char *location);
/* Is it "here:..."? What is behind that; NULL for others. */
const char *backend_here(const char *location);

/* "snapshots", "data" and so on; "config". */
const char *store_kind_directory(StoreKind kind);
/* What people call such a file: "index file". */
const char *store_kind_name(StoreKind kind);
/* The path below the repository. Return: @path. */
const char *store_path(StoreKind kind, const BlobId *id, char path[static STORE_PATH_SIZE]);

/* What an error of these calls means, in words. */
const char *store_explain(int error);

/* The whole file. */
static inline _unused_ int backend_load_all(Backend *backend, StoreKind kind, const BlobId *id, Bytes *data,
                                            Why *why) {
        return backend->ops->load(backend, kind, id, 0, 0, data, why);
}
