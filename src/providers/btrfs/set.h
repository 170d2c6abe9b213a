/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The shadow copy set that is being made: everything opened before the cut, only system calls in it
 *
 * Functions return 0 or a negative errno.
 */

#include <linuxvss/provider.h>
#include "providers/btrfs/filesystem.h"
#include "util/value.h"

typedef struct SetFilesystem {
        Filesystem *fs;
        int store_fd; /* -1 until end of prepare */
        size_t n_copies;
} SetFilesystem;

typedef struct Copy {
        char id[VSS_ID_SIZE];
        char *volume; /* its path, for messages */
        uint64_t subvolume_id;
        vss_value *info;
        SetFilesystem *on;
        int source_fd;        /* the subvolume */
        int dir_fd;           /* where its copy is put; -1 until end of prepare */
        int error;            /* of the cut: 0 or a negative errno */
        uint64_t transaction; /* of the cut; 0 until it is known */
} Copy;

typedef struct Set {
        char id[VSS_ID_SIZE];
        size_t n_copies, n_filesystems;
        Copy copies[VSS_VOLUMES_MAX];
        SetFilesystem filesystems[VSS_VOLUMES_MAX];
} Set;

Set *set_new(const char *id);
Set *set_free(Set *set);
DEFINE_CLEANUP(Set *, set_free)

Copy *set_find(Set *set, const char *snapshot_id);
/* Opens all that the copy of one volume needs. -EEXIST: the subvolume is in the set. -E2BIG: the set is
 * full. */
int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, const vss_value *properties);
/* Directories and identities of the copies. @ret_copy: the one that failed. */
int set_prepare(Set *set, const Copy **ret_copy);
/* The cut. */
int set_commit(Set *set, const Copy **ret_copy);
/* The copies become read-only and complete. */
int set_finish(Set *set, const Copy **ret_copy);
/* Lists of ids whose copies were made by one transaction, which is one instant. */
int set_list_instants(const Set *set, vss_value *list);
/* Takes everything back; what cannot be is named on standard error. */
void set_undo(Set *set);
