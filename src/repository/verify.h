/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Is everything there, and whole?
 *
 * Keys, indexes, packs against indexes, points, and every tree that a point leads to; with @read_data also
 * every byte of every pack. Everything that is wrong is told; nothing is changed.
 */

#include "repository/repository.h"

typedef struct VerifyCounts {
        uint64_t points, trees, packs, blobs, bytes; /* bytes: of packs, that were read */
        uint64_t unused_packs;                       /* in no index: of runs that did not end */
        uint64_t problems;
} VerifyCounts;

typedef struct VerifyOptions {
        bool read_data;
        unsigned threads; /* 0: one for each processor */
        /* From the threads: one at a time. */
        void (*told)(void *userdata, const char *what);
        /* Return: true to stop. */
        bool (*progress)(void *userdata, const char *step, uint64_t done, uint64_t all);
        void *userdata;
} VerifyOptions;

/* Loads the index. Return: 0, also with problems that were told; -ECANCELED; or what kept it from looking.
 */
int verify_run(Repository *repo, const VerifyOptions *options, Why *why, VerifyCounts *ret_counts);
