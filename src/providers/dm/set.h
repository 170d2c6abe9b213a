/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The shadow copy set that is being made
 *
 * Everything is made while the volumes run: areas, devices, tables. The cut makes the tables live: the hold
 * suspends the volume, resumes the copy, resumes the volume. Functions return 0 or a negative errno.
 */

#include <linuxvss/provider.h>
#include "providers/dm/storage.h"

typedef struct Copy {
        char id[VSS_ID_SIZE];
        char *path; /* of the volume, for messages */
        char fs_type[32];
        Volume volume;
        bool persistent;
        bool opened; /* its superblock is writable */
        AreaHeader header;
        const char *reason; /* why its area cannot be used, or NULL */
} Copy;

typedef struct Set {
        char id[VSS_ID_SIZE];
        bool cut;       /* handed over */
        bool may_write; /* from PreFinalCommit to PostFinalCommit */
        size_t n;
        Copy copies[VSS_VOLUMES_MAX];
} Set;

Set *set_new(const char *id);
Set *set_free(Set *set);
DEFINE_CLEANUP(Set *, set_free)

Copy *set_find(Set *set, const char *snapshot_id);
/* -EEXIST: the volume is in the set; -E2BIG: the set is full. */
int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, const Volume *of,
            const vss_value *properties);
/* Areas, devices and tables; @results gets the "cut". @ret_copy: the one that failed. */
int set_prepare(Set *set, const Policy *policy, vss_value *results, const Copy **ret_copy);
/* Are the copies live? They become read-only. -ENODATA: the cut was not made. */
int set_examine(Set *set, const Copy **ret_copy);
/* The superblocks are sealed, the identities complete. */
int set_finish(Set *set, const Copy **ret_copy);
