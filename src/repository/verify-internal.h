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

typedef struct Verify {
        Repository *repo;
        const VerifyOptions *options;
        pthread_mutex_t mutex; /* of counts and telling */
        VerifyCounts counts;
        atomic_bool stopped;
        VerifyPack *packs;
        size_t n_packs;
        const IndexEntry **entries; /* of all packs */
        uint8_t *visited;           /* of each entry of the index: its tree has been looked at */
} Verify;

void verify_tell(Verify *verify, const char *format, ...) _printf_(2, 3);
/* true if it was stopped. */
bool verify_progress(Verify *verify, const char *step, uint64_t done, uint64_t all);

/* verify-pack.c */
int verify_collect_packs(Verify *verify, Why *why);
void verify_packs(Verify *verify);
int verify_read_packs(Verify *verify, Why *why);
