/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the parts of a verification share
 */

#include <stdatomic.h>
#include "repository/verify.h"

/* A pack as all indexes together have it. */
typedef struct VerifyPack {
        BlobId id;
        uint64_t file_size;
        bool there;
        const IndexEntry **entries; /* by offset, each once */
        size_t n;
} VerifyPack;

/* Of an entry of the index. */
enum {
        ENTRY_DAMAGED = 1, /* its blob, or all of its pack */
        ENTRY_SEEN = 2,    /* a tree that has been looked at */
        ENTRY_HIT = 4,     /* something in it, or below it, is lost */
        ENTRY_UNNAMED = 8, /* in no index file */
};

typedef struct Verify {
        Repository *repo;
        const VerifyOptions *options;
        pthread_mutex_t mutex; /* of counts, marks and telling */
        VerifyCounts counts;
        atomic_bool stopped;
        SnapshotList points;
        VerifyPack *packs;
        size_t n_packs, n_named;    /* of the index: those that its files name */
        const IndexEntry **entries; /* of all packs */
        uint8_t *marks;             /* of each entry of the index */
        bool needs_unnamed;         /* packs that no index names are needed */
} Verify;

void verify_tell(Verify *verify, VerifyDamage damage, const char *format, ...) _printf_(3, 4);
/* true if it was stopped. */
bool verify_progress(Verify *verify, const char *step, uint64_t done, uint64_t all);
/* The blob cannot be had from this pack; from another one, perhaps. */
void verify_mark_damaged(Verify *verify, const IndexEntry *entry);

/* verify-pack.c */
int verify_collect_packs(Verify *verify, Why *why);
void verify_packs(Verify *verify);
int verify_read_packs(Verify *verify, Why *why);

/* verify-tree.c */
void verify_points(Verify *verify);
