/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The shadow copy set that is being made
 *
 * Each copy has a link, a thread of its own, from the end of Prepare on: with its image open and its
 * identity written. The cut is one call of each of them, side by side. Whatever is late is given up, and the
 * set with it; what of it still happens when the cluster is back is undone later (pending.h).
 */

#include <linuxvss/provider.h>
#include "providers/rbd/cluster.h"

#define FS_TYPE_SIZE 32u

typedef struct Copy {
        char id[VSS_ID_SIZE];
        char *volume; /* its path, for messages */
        char fs_type[FS_TYPE_SIZE];
        vss_value *info;
        size_t cluster; /* its number */
        Place place;
        uint64_t offset, length;
        Link *link;
        struct CopyJob *job; /* while it is not posted */
        bool opened_writable;
} Copy;

typedef struct Set {
        char id[VSS_ID_SIZE];
        size_t n_copies;
        Copy copies[VSS_VOLUMES_MAX];
        bool is_open;  /* between PreFinal and PostFinal */
        bool doubtful; /* something was asked for, and nobody knows what became of it */
} Set;

Set *set_new(const char *id);
Set *set_free(Set *set);

Copy *set_find(Set *set, const char *snapshot_id);
/* -E2BIG */
int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, size_t cluster,
            const Place *place, const Bottom *bottom, const vss_value *properties);

typedef enum SetStep {
        STEP_OPEN,  /* connections, images, identities */
        STEP_CHECK, /* does everybody who is needed answer? */
        STEP_CUT,
        STEP_CLOSE, /* the images are let go of */
        STEP_SEAL   /* the identities say that it is complete */
} SetStep;

/* By all copies at once. It says by @call what went wrong. */
vss_result set_step(Set *set, Clusters *clusters, SetStep step, uint64_t limit_usec,
                    vss_provider_call *call);
