/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The shadow copy set that is being made
 *
 * Functions return 0 or a negative errno; then set->failed tells of which copy, in words where there are any.
 */

#include <linuxvss/provider.h>
#include "providers/reflink/cost.h"
#include "providers/reflink/filesystem.h"
#include "providers/reflink/tree.h"

typedef struct Copy {
        char id[VSS_ID_SIZE];
        char *volume; /* its path */
        char *inside; /* what of the volume is mounted there; "": all */
        vss_value *info, *wanted;
        Filesystem *fs;
        int source_fd;          /* root of the volume */
        int store_fd, dir_fd;   /* -1 until end of prepare */
        Tree *tree;             /* likewise */
        TreeFacts prepared;
        uint64_t estimate_usec, commit_usec;
        bool at_rest;
} Copy;

typedef struct Set {
        char id[VSS_ID_SIZE];
        CostSettings settings;
        uint64_t commit_until_usec; /* monotonic; 0: the commit has not begun */
        size_t n_copies;
        Copy copies[VSS_VOLUMES_MAX];
        const Copy *failed;
        char reason[1024];
} Set;

Set *set_new(const char *id, const CostSettings *settings);
Set *set_free(Set *set);
DEFINE_CLEANUP(Set *, set_free)

Copy *set_find(Set *set, const char *snapshot_id);
/* Opens all that the copy of one volume needs. -EEXIST: the volume is in the set. -E2BIG: the set is full. -EINVAL: a
 * path that is wanted is not below the volume's. */
int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, const vss_value *properties);
/* Makes the copies as they are now. -EFBIG: the commit would take too long. */
int set_prepare(Set *set);
/* Brings them up to date; twice, so that the second time tells whether anything changed meanwhile. */
int set_commit(Set *set, bool last);
/* Directories get what belongs to them; what the copies were made with goes. */
int set_finish(Set *set);
/* The copies are complete. @results: as of PostFinalCommitSnapshots. */
int set_complete(Set *set, vss_value *results);
void set_undo(Set *set);
