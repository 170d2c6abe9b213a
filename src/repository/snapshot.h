/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Points: what restic calls snapshots
 *
 * One says when, of whom, and which tree. What a backup read from is not written anywhere: paths are those
 * of the original files.
 */

#include <time.h>
#include "repository/blob-id.h"
#include "repository/bytes.h"

typedef struct SnapshotStrings {
        size_t n;
        const char **items;
} SnapshotStrings;

/* What the run that made it has counted. */
typedef struct SnapshotSummary {
        bool there;
        struct timespec start, end;
        uint64_t files_new, files_changed, files_unmodified, dirs_new, dirs_changed, dirs_unmodified,
                data_blobs, tree_blobs, data_added, data_added_packed, total_files, total_bytes;
} SnapshotSummary;

typedef struct Snapshot {
        BlobId id; /* of its file; not in it */
        struct timespec time;
        bool has_parent, has_original;
        BlobId parent, tree, original;
        SnapshotStrings paths, excludes, tags;
        const char *hostname, *username, *program; /* "": not known */
        uint32_t uid, gid;
        SnapshotSummary summary;
        Arena arena;
} Snapshot;

void snapshot_clear(Snapshot *snapshot);
#define _cleanup_snapshot_ _cleanup_(snapshot_clear)

/* -EBADMSG for what is none; without a tree or a time it is none. */
int snapshot_decode(const void *text, size_t size, Snapshot *ret_snapshot);
int snapshot_encode(const Snapshot *snapshot, Bytes *text);
/* Is it of a time that is not yet? The clock of its machine was wrong, or ours is. */
bool snapshot_is_ahead(const Snapshot *snapshot);
/* Adds a copy. 0 or -ENOMEM. */
int snapshot_add_string(Snapshot *snapshot, SnapshotStrings *strings, const char *string);
