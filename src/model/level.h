/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The consistency that was reached: one rule, from what happened to what may be said
 *
 * Pure. Facts in, levels and reasons out; nothing else in the project decides a level.
 */

#include <linuxvss/provider.h>

#define LEVEL_REASON_SIZE 384u

typedef struct LevelVolume {
        /* in */
        const char *name; /* for reasons */
        bool no_copy;     /* the provider copies nothing */
        enum vss_hold hold;
        bool held; /* FILESYSTEM, DEVICE: it stood still from before the first cut to after the last */
        const char *hold_broken; /* why not, if not held; or NULL */
        enum vss_atomic_scope scope;
        bool only_components; /* nothing is in the copy but files of components */
        int instant; /* volumes the provider proved to share an instant have the same number > 0; 0: no proof
                      */
        /* out */
        enum vss_level level;
        char reason[LEVEL_REASON_SIZE]; /* why it is not better; "" if it is the best there is */
} LevelVolume;

typedef struct LevelComponent {
        /* in */
        const char *writer;         /* for reasons */
        bool writer_frozen;         /* answered Freeze, and neither failed, died nor ran late before Thaw */
        const char *writer_failure; /* what happened, if not frozen */
        const char *failure;        /* this component's own failure, or NULL */
        const char *crash_only;     /* the writer said it can only be crash-consistent, and why; or NULL */
        bool needs_one_instant;
        const size_t *volumes; /* indices of the volumes its files are on */
        size_t n_volumes;
        const char *missing; /* paths of it that are on no volume of the set, or NULL */
        /* out */
        enum vss_level level;
        char reason[LEVEL_REASON_SIZE];
} LevelComponent;

/**
 * level_decide() - fill in the levels
 *
 * Volumes: none without a copy, and none where the files were copied one after the other (VSS_ATOMIC_FILE) unless the
 * provider proved one instant of it. Those held together share one instant (group), as do those a provider proved
 * to; of several such groups the largest counts (the first, if equal), the others are volume, as is a volume
 * that shares its instant with none. A set of one volume is group, if the hold it needed lasted. Components:
 * application as said in LevelComponent on a cut as atomic as they need: what a frozen writer keeps still needs none, so
 * that it may be copied file after file; else the least of their volumes; none when files of theirs are missing.
 *
 * Return: the level of the set: the least of its components, without any the least of its volumes; none if
 * any volume is none, but for one of VSS_ATOMIC_FILE in whose copy there is nothing but components.
 */
enum vss_level level_decide(LevelVolume *volumes, size_t n_volumes, LevelComponent *components,
                            size_t n_components);
