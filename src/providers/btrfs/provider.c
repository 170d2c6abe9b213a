/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The btrfs provider: shadow copies are snapshots of subvolumes
 *
 * A snapshot is one ioctl and one transaction of the file system, complete by itself: what was synced before
 * it is in it. It hangs while the file system is frozen, so that frozen writers are the only hold it asks
 * for.
 */

#include <btrfsutil.h>
#include <string.h>
#include <fcntl.h>
#include "config.h"
#include "providers/btrfs/provider.h"
#include "providers/btrfs/store.h"
#include "providers/btrfs/volume.h"
#include "providers/common/info.h"

static vss_result fail(vss_provider_call *call, const char *whom, const char *what, int r) {
        switch (r) {
        case -ENOMEM:
                return vss_provider_call_fail(call, VSS_E_OUTOFMEMORY, "%s: out of memory", whom);
        case -ENOSPC:
        case -EDQUOT:
                return vss_provider_call_fail(
                        call, VSS_E_INSUFFICIENT_STORAGE,
                        "%s: %s: the file system is full (%s). Free space on it, or delete "
                        "shadow copies.",
                        whom, what, strerror(-r));
        case -ENOSYS:
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "%s: %s: this kernel has no fsopen(2); Linux 5.2 or later is needed.", whom, what);
        case -EROFS:
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: %s: the file system is read-only. Mount it writable.",
                                              whom, what);
        case -EPERM:
        case -EACCES:
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "%s: %s: %s. The provider must run as root, and /" STORE_NAME
                        " of the file system's top level must be root's alone (mode 0700).",
                        whom, what, strerror(-r));
        case -ESTALE:
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: %s: the subvolume was moved meanwhile. Try again.", whom,
                                              what);
        default:
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "%s: %s: %s", whom,
                                              what, strerror(-r));
        }
}

static vss_result decline(vss_provider_call *call, const struct vss_volume *volume, const char *why) {
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "%s: %s", volume->path,
                                      why);
}

static vss_result is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                      struct vss_volume_support *ret_support) {
        _cleanup_(freep) char *root = NULL;
        bool read_only;
        uint64_t id;
        int r;

        if (strcmp(volume->fs_type, "btrfs") != 0)
                return decline(call, volume, "not a btrfs file system");
        r = volume_subvolume(volume, &id, &root);
        if (r < 0)
                return fail(call, volume->path, "its subvolume cannot be identified", r);
        if (strncmp(root, "/" STORE_NAME "/", sizeof(STORE_NAME) + 1) == 0)
                return decline(call, volume, "is a shadow copy itself");
        r = filesystem_is_read_only(volume->mount_point, &read_only);
        if (r < 0 && r != -ENOENT)
                return fail(call, volume->path, "the mount table cannot be read", r);
        if (r == 0 && read_only)
                return decline(call, volume,
                               "the file system is mounted read-only, and its copies lie on itself");

        ret_support->hold = VSS_HOLD_WRITERS;
        ret_support->volume_root = TAKE_PTR(root);
        return VSS_S_OK;
}

static vss_result list_nested_volumes(vss_provider_call *call, const struct vss_volume *volume,
                                      vss_value *list) {
        int r;

        r = volume_list_nested(volume, list);
        if (r == -E2BIG)
                return vss_provider_call_fail(
                        call, VSS_E_NESTED_VOLUME_LIMIT,
                        "%s: more than %u subvolumes lie below it. Choose a smaller volume.", volume->path,
                        NESTED_MAX);
        return r < 0 ? fail(call, volume->path, "its nested subvolumes cannot be listed", r) : VSS_S_OK;
}

static Set *set_under_way(vss_provider_call *call, const char *set_id) {
        BtrfsProvider *p = vss_provider_call_userdata(call);

        return p->set && strcmp(p->set->id, set_id) == 0 ? p->set : NULL;
}

static vss_result no_set(vss_provider_call *call, const char *set_id) {
        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                      "set %s is not being made; BeginPrepareSnapshot comes first", set_id);
}

static void drop_set(BtrfsProvider *p) {
        p->set = set_free(p->set);
}

static vss_result begin_prepare_snapshot(vss_provider_call *call, const char *set_id,
                                         const char *snapshot_id, const struct vss_volume *volume,
                                         const vss_value *properties) {
        BtrfsProvider *p = vss_provider_call_userdata(call);
        int r;

        if (!info_id_is_valid(set_id) || !info_id_is_valid(snapshot_id))
                return vss_provider_call_fail(call, VSS_E_INVALIDARG,
                                              "%s: an identity is a UUID in lower case", volume->path);
        if (p->set && strcmp(p->set->id, set_id) != 0) {
                set_undo(p->set);
                drop_set(p);
        }
        if (!p->set)
                p->set = set_new(set_id);
        if (!p->set)
                return fail(call, volume->path, "", -ENOMEM);
        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: shadow copy %s is in the set", volume->path, snapshot_id);

        r = set_add(p->set, snapshot_id, volume, properties);
        if (r == -EEXIST)
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: its subvolume is in the set already", volume->path);
        if (r == -E2BIG)
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED,
                                              "%s: the set has %u volumes already", volume->path,
                                              VSS_VOLUMES_MAX);
        return r < 0 ? fail(call, volume->path, "the subvolume cannot be opened at the top level", r)
                     : VSS_S_OK;
}

static vss_result end_prepare_snapshots(vss_provider_call *call, const char *set_id, vss_value *results) {
        Set *set = set_under_way(call, set_id);
        const Copy *copy;
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_prepare(set, &copy);
        return r < 0 ? fail(call, copy->volume, "the place of its copy cannot be made", r) : VSS_S_OK;
}

static vss_result commit_snapshots(vss_provider_call *call, const char *set_id) {
        Set *set = set_under_way(call, set_id);
        const Copy *copy;
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_commit(set, &copy);
        return r < 0 ? fail(call, copy->volume, "the snapshot cannot be made", r) : VSS_S_OK;
}

static vss_result post_final_commit_snapshots(vss_provider_call *call, const char *set_id,
                                              vss_value *results) {
        Set *set = set_under_way(call, set_id);
        const Copy *copy;
        vss_value *list;
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_finish(set, &copy);
        if (r < 0)
                return fail(call, copy->volume, "the snapshot cannot be finished", r);
        list = value_require(results, "one-instant", VSS_KIND_LIST);
        r = list ? set_list_instants(set, list) : -ENOMEM;
        if (r < 0)
                return fail(call, "btrfs", "", r);
        /* From here on it is known from the disk alone. */
        drop_set(vss_provider_call_userdata(call));
        return VSS_S_OK;
}

/* Takes back a set of which nothing is in memory. */
static void undo_from_disk(const Filesystem *fs, const char *set_id) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        _cleanup_(closep) int store_fd = -1;
        int r;

        r = store_open(fs, &store_fd);
        if (r == -ENOENT)
                return;
        if (r == 0)
                r = store_list(fs, NULL, list);
        if (r < 0) {
                fprintf(stderr, "%s: cannot be searched for copies of set %s: %s\n", fs->source, set_id,
                        strerror(-r));
                return;
        }
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);
                const char *id = vss_value_get_string(info, "id", "");

                if (strcmp(vss_value_get_string(info, "set", ""), set_id) != 0)
                        continue;
                r = store_remove(store_fd, id);
                if (r < 0)
                        fprintf(stderr, "%s: shadow copy %s could not be taken back: %s\n", fs->source, id,
                                strerror(-r));
        }
}

static void abort_snapshots(vss_provider_call *call, const char *set_id) {
        _cleanup_filesystems_ FilesystemList list = { 0 };
        BtrfsProvider *p = vss_provider_call_userdata(call);
        int r;

        if (set_under_way(call, set_id)) {
                set_undo(p->set);
                drop_set(p);
                return;
        }
        r = filesystem_list(&list);
        if (r < 0)
                fprintf(stderr, "set %s cannot be taken back: the mount table cannot be read: %s\n", set_id,
                        strerror(-r));
        for (size_t i = 0; i < list.n; i++)
                undo_from_disk(list.items[i], set_id);
}

static vss_result query(vss_provider_call *call, vss_value *list) {
        _cleanup_filesystems_ FilesystemList filesystems = { 0 };
        BtrfsProvider *p = vss_provider_call_userdata(call);
        int r;

        r = filesystem_list(&filesystems);
        if (r < 0)
                return fail(call, "btrfs", "the mounted file systems cannot be listed", r);
        for (size_t i = 0; i < filesystems.n; i++) {
                const Filesystem *fs = filesystems.items[i];

                r = store_list(fs, p->set ? p->set->id : NULL, list);
                if (r == -ENOMEM)
                        return fail(call, fs->source, "", r);
                /* One bad file system does not hide the others. */
                if (r < 0 && r != -ENOENT)
                        fprintf(stderr, "%s: not all shadow copies on it can be listed: %s\n", fs->source,
                                strerror(-r));
        }
        return VSS_S_OK;
}

typedef struct Found {
        FilesystemList list;
        const Filesystem *fs;
        int store_fd;
} Found;

static void found_done(Found *found) {
        closep(&found->store_fd);
        filesystem_list_done(&found->list);
}

/* Looks for a shadow copy on every file system. One that is on two of them is a trap, or a clone of a disk.
 */
static vss_result find(vss_provider_call *call, const char *id, Found *found) {
        int r;

        r = info_id_is_valid(id) ? filesystem_list(&found->list) : 0;
        if (r < 0)
                return fail(call, id, "the mounted file systems cannot be listed", r);
        for (size_t i = 0; i < found->list.n; i++) {
                _cleanup_(closep) int store_fd = -1;
                const Filesystem *fs = found->list.items[i];

                r = store_open(fs, &store_fd);
                if (r < 0 || faccessat(store_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (found->fs)
                        return vss_provider_call_fail(
                                call, VSS_E_PROVIDER_VETO,
                                "shadow copy %s is on %s and on %s. Unmount one of them.", id,
                                found->fs->source, fs->source);
                found->fs = fs;
                found->store_fd = TAKE_FD(store_fd);
        }
        if (!found->fs)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s is on no mounted btrfs file system", id);
        return VSS_S_OK;
}

static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        _cleanup_(found_done) Found found = { .store_fd = -1 };
        BtrfsProvider *p = vss_provider_call_userdata(call);
        vss_result result;
        int r;

        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "shadow copy %s is being made; abort its set instead",
                                              snapshot_id);
        result = find(call, snapshot_id, &found);
        if (result < 0)
                return result;
        r = store_remove(found.store_fd, snapshot_id);
        if (r == -ENOTEMPTY)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: /" STORE_NAME
                                              "/%s holds files that are not the provider's. Move "
                                              "them away and delete again.",
                                              found.fs->source, snapshot_id);
        if (r == -ENOSPC || r == -EDQUOT)
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "shadow copy %s cannot be deleted: %s is full, and deleting needs a "
                        "little space, too. Remove some other file from it.",
                        snapshot_id, found.fs->source);
        return r < 0 ? fail(call, snapshot_id, "cannot be deleted", r) : VSS_S_OK;
}

static vss_result set_snapshot_property(vss_provider_call *call, const char *snapshot_id,
                                        const vss_value *properties) {
        _cleanup_(found_done) Found found = { .store_fd = -1 };
        BtrfsProvider *p = vss_provider_call_userdata(call);
        Copy *making = set_find(p->set, snapshot_id);
        vss_result result;
        int r;

        /* What is kept in memory is written at the end of the set. */
        if (making)
                return info_merge(making->info, properties, "btrfs") < 0
                               ? fail(call, snapshot_id, "", -ENOMEM)
                               : VSS_S_OK;
        result = find(call, snapshot_id, &found);
        if (result < 0)
                return result;
        r = store_merge(found.store_fd, snapshot_id, properties);
        if (r == -ENOSPC || r == -EDQUOT)
                return vss_provider_call_fail(call, VSS_E_INSUFFICIENT_STORAGE, "%s is full",
                                              found.fs->source);
        return r < 0 ? fail(call, snapshot_id, "its identity cannot be written", r) : VSS_S_OK;
}

static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable,
                                int *ret_mount_fd) {
        _cleanup_(found_done) Found found = { .store_fd = -1 };
        BtrfsProvider *p = vss_provider_call_userdata(call);
        _cleanup_(closep) int fd = -1;
        bool read_only = true;
        vss_result result;
        uint64_t id;
        int r;

        result = find(call, snapshot_id, &found);
        if (result < 0)
                return result;
        r = store_open_snapshot(found.store_fd, snapshot_id, &fd);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s has no subvolume: %s. Delete it.", snapshot_id,
                                              strerror(-r));
        if (btrfs_util_subvolume_id_fd(fd, &id) != BTRFS_UTIL_OK ||
            btrfs_util_get_subvolume_read_only_fd(fd, &read_only) != BTRFS_UTIL_OK)
                return fail(call, snapshot_id, "its subvolume cannot be examined", negative_errno());
        if (writable && read_only && set_find(p->set, snapshot_id)) {
                /* Nobody had said so before it was made. */
                if (btrfs_util_set_subvolume_read_only_fd(fd, false) != BTRFS_UTIL_OK)
                        return fail(call, snapshot_id, "cannot be made writable", negative_errno());
        } else if (writable && read_only)
                return vss_provider_call_fail(
                        call, VSS_E_NOT_SUPPORTED,
                        "shadow copy %s is complete and read-only; it can be written to only "
                        "between PreFinalCommitSnapshots and PostFinalCommitSnapshots",
                        snapshot_id);
        r = filesystem_mount(found.fs, id, writable, ret_mount_fd);
        return r < 0 ? fail(call, snapshot_id, "cannot be mounted", r) : VSS_S_OK;
}

const struct vss_provider btrfs_provider = {
        VSS_PROVIDER_INIT,
        .name = "Btrfs",
        .id = "114a19cf-bf2a-4d1d-999b-4b95864ea4c5",
        .friendly_name = "btrfs subvolumes",
        .version = LINUXVSS_VERSION,
        .type = VSS_PROV_SOFTWARE,
        .flags = VSS_PROVIDER_PERSISTENT | VSS_PROVIDER_DIFFERENTIAL,
        .holds = 1u << VSS_HOLD_WRITERS,
        .changed = VSS_CHANGED_FILES,
        .is_volume_supported = is_volume_supported,
        .begin_prepare_snapshot = begin_prepare_snapshot,
        .commit_snapshots = commit_snapshots,
        .abort_snapshots = abort_snapshots,
        .query = query,
        .delete_snapshot = delete_snapshot,
        .open_snapshot = open_snapshot,
        .list_nested_volumes = list_nested_volumes,
        .end_prepare_snapshots = end_prepare_snapshots,
        .post_final_commit_snapshots = post_final_commit_snapshots,
        .set_snapshot_property = set_snapshot_property,
};
