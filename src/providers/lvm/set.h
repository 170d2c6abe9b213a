/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The shadow copy set that is being made
 *
 * Before the cut each copy is a logical volume that LVM knows all about, and that is empty; in it, the hold
 * does with system calls alone what makes it the copy. LVM cannot tell the result from a snapshot of its
 * own.
 *
 *     thin      lvcreate -V makes a new thin volume of the original's size, inactive: no device is
 *               suspended for it. Its number N is deleted from the pool again ("delete N"); the cut is
 *               "create_snap N ORIGINAL" while the original is suspended. LVM's count of the pool's
 *               transactions stays right.
 *     classic   lvcreate -s makes a snapshot, for which LVM stops the original for a moment, under a guard.
 *               That live snapshot is put aside (its device gets a table of errors), its store is emptied
 *               (the header is zeros), and the same table is loaded again to wait: the cut resumes it while
 *               the original is suspended. So it is of the cut's instant, and its store begins empty.
 *
 * From there to the end of the cut LVM's lock of each group is held, shared: no command changes a group
 * whose devices are about to be cut, none of ours runs, and a provider that dies gives it back.
 */

#include <linuxvss/provider.h>
#include "providers/lvm/command.h"
#include "providers/lvm/origin.h"
#include "providers/lvm/policy.h"

#define FS_TYPE_SIZE 32u

typedef struct Copy {
        char id[VSS_ID_SIZE];
        char *volume; /* its path, for messages */
        char fs_type[FS_TYPE_SIZE];
        vss_value *info;
        Origin origin;
        char vg[LVM_NAME_SIZE], origin_lv[LVM_NAME_SIZE], pool_lv[LVM_NAME_SIZE];
        char lv[LVM_NAME_SIZE];             /* the copy's own; "" until it is staged */
        char device_name[DEVMAP_NAME_SIZE]; /* of it */
        uint64_t store_size;                /* classic: bytes */
        uint64_t thin_id;                   /* of the copy */
        char *table;                        /* classic: parameters of the table that waits */
        dev_t device;                       /* classic: of the copy */
        bool opened_writable;
} Copy;

typedef struct Set {
        char id[VSS_ID_SIZE];
        size_t n_copies, n_locks;
        Copy copies[VSS_VOLUMES_MAX];
        int locks[VSS_VOLUMES_MAX];
        bool is_open; /* between PreFinal and PostFinal */
} Set;

Set *set_new(const char *id);
Set *set_free(Set *set);
DEFINE_CLEANUP(Set *, set_free)

Copy *set_find(Set *set, const char *snapshot_id);
/* -EEXIST: the logical volume is in the set. -E2BIG. */
int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, const Origin *origin,
            const vss_value *properties);

/* These say by @call what went wrong. */
vss_result set_prepare(Set *set, Lvm *lvm, const Policy *policy, vss_provider_call *call,
                       vss_value *results);
/* Before the cut: has any filled up meanwhile? */
vss_result set_check_pools(const Set *set, const Policy *policy, vss_provider_call *call);
/* After it: are the copies of what was prepared? Classic ones become read-only. */
vss_result set_examine(const Set *set, vss_provider_call *call);
vss_result set_activate(Set *set, Lvm *lvm, vss_provider_call *call);
vss_result set_finish(Set *set, Lvm *lvm, vss_provider_call *call);
/* LVM may go on. */
void set_unlock(Set *set, Lvm *lvm);
