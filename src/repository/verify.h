/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Is everything there, and whole?
 *
 * Keys, indexes, packs against indexes, points, and every tree that a point leads to; with @read_data also
 * every byte of every pack. Everything that is wrong is told, and which paths of which points it hits;
 * nothing is changed.
 */

#include "repository/repository.h"

/* What there is to do about it is another thing for each. */
typedef enum VerifyDamage {
        VERIFY_KEYS = 1,
        VERIFY_INDEX = 2,
        VERIFY_PACKS = 4,
        VERIFY_POINTS = 8,
        VERIFY_TREES = 16, /* that no backup makes */
} VerifyDamage;

typedef struct VerifyCounts {
        uint64_t points, trees, packs, blobs, bytes; /* bytes: of packs, that were read */
        uint64_t unused_packs;                       /* in no index, and nothing needs them */
        uint64_t problems;                           /* all that was told, lost paths as well */
        uint64_t lost;                               /* paths of points */
        uint64_t hit_points;                         /* points that are not whole */
        unsigned damage;                             /* VerifyDamage */
} VerifyCounts;

typedef struct VerifyOptions {
        bool read_data;
        unsigned threads; /* 0: one for each processor */
        /* From the threads: one at a time. */
        void (*told)(void *userdata, const char *what);
        /* A path that cannot be restored from this point, with all below it. May be NULL. */
        void (*lost)(void *userdata, const Snapshot *point, const char *path, const char *what);
        /* Return: true to stop. */
        bool (*progress)(void *userdata, const char *step, uint64_t done, uint64_t all);
        void *userdata;
} VerifyOptions;

/* Loads the index. Return: 0, also with problems that were told; -ECANCELED; or what kept it from looking.
 */
int verify_run(Repository *repo, const VerifyOptions *options, Why *why, VerifyCounts *ret_counts);
