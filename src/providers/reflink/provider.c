/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The reflink provider: shadow copies are directories whose files share their extents with the original
 *
 * Each file is copied in one step, the files one after the other: what makes the copy consistent is that their writers
 * are frozen, or that nothing changed meanwhile, which the provider finds out. Nothing that it copies may be frozen: to
 * share extents is to write, and hangs then.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include "config.h"
#include "providers/common/info.h"
#include "providers/reflink/provider.h"
#include "providers/reflink/store.h"

static vss_result fail(vss_provider_call *call, const char *whom, const char *what, int r) {
        switch (r) {
        case -ENOMEM:
                return vss_provider_call_fail(call, VSS_E_OUTOFMEMORY, "%s: out of memory", whom);
        case -ENOSPC:
        case -EDQUOT:
                return vss_provider_call_fail(call, VSS_E_INSUFFICIENT_STORAGE,
                                              "%s: %s: the file system is full (%s). Free space on it, or delete shadow "
                                              "copies.",
                                              whom, what, strerror(-r));
        case -ENOSYS:
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: %s: this kernel has no fsopen(2); Linux 5.2 or later is needed.", whom,
                                              what);
        case -EROFS:
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: %s: the file system is read-only. Mount it writable.", whom, what);
        case -EPERM:
        case -EACCES:
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: %s: %s. The provider must run as root, and /" STORE_NAME
                                              " of the file system must be root's alone (mode 0700).",
                                              whom, what, strerror(-r));
        case -ESTALE:
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: %s: it is another directory by now. Try again.", whom, what);
        case -ETIMEDOUT:
        case -EFBIG:
        case -E2BIG:
                /* These come with all there is to say. */
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s: %s", whom, what);
        default:
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "%s: %s: %s", whom, what,
                                              strerror(-r));
        }
}

static vss_result fail_set(vss_provider_call *call, const Set *set, int r) {
        return fail(call, set->failed ? set->failed->volume : set->id, set->reason, r);
}

static vss_result decline(vss_provider_call *call, const struct vss_volume *volume, const char *why) {
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "%s: %s", volume->path, why);
}

/* Is it the store, or in it? */
static bool is_ours(const char *path) {
        const size_t n = sizeof(STORE_NAME) - 1;

        return strncmp(path, STORE_NAME, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static vss_result is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                      struct vss_volume_support *ret_support) {
        _cleanup_(freep) char *root = NULL, *inside = NULL;
        const char *why = filesystem_refuses(volume->fs_type, volume->fd);
        bool read_only;
        int r;

        if (why)
                return decline(call, volume, why);
        r = filesystem_locate(volume, &root, &inside);
        if (r < 0)
                return fail(call, volume->path, "where it lies in its file system cannot be found out", r);
        if (is_ours(root + 1) || (!root[1] && is_ours(inside)))
                return decline(call, volume, "is a shadow copy itself");
        r = filesystem_is_read_only(volume->mount_point, &read_only);
        if (r < 0 && r != -ENOENT)
                return fail(call, volume->path, "the mount table cannot be read", r);
        if (r == 0 && read_only)
                return decline(call, volume, "the file system is mounted read-only, and its copies lie on itself");

        ret_support->hold = VSS_HOLD_WRITERS;
        ret_support->volume_root = TAKE_PTR(root);
        return VSS_S_OK;
}

static Set *set_under_way(vss_provider_call *call, const char *set_id) {
        ReflinkProvider *p = vss_provider_call_userdata(call);

        return p->set && strcmp(p->set->id, set_id) == 0 ? p->set : NULL;
}

static vss_result no_set(vss_provider_call *call, const char *set_id) {
        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                      "set %s is not being made; BeginPrepareSnapshot comes first", set_id);
}

static void drop_set(ReflinkProvider *p) {
        p->set = set_free(p->set);
}

static vss_result require_set(vss_provider_call *call, const char *set_id) {
        ReflinkProvider *p = vss_provider_call_userdata(call);
        ConfError error = { 0 };
        CostSettings settings;

        if (p->set && strcmp(p->set->id, set_id) != 0) {
                set_undo(p->set);
                drop_set(p);
        }
        if (p->set)
                return VSS_S_OK;
        if (cost_settings_read(p->settings, &error, &settings) < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s:%u: %s. Correct it.", p->settings, error.line,
                                              error.message);
        p->set = set_new(set_id, &settings);
        return p->set ? VSS_S_OK : fail(call, set_id, "", -ENOMEM);
}

static vss_result begin_prepare_snapshot(vss_provider_call *call, const char *set_id, const char *snapshot_id,
                                         const struct vss_volume *volume, const vss_value *properties) {
        ReflinkProvider *p = vss_provider_call_userdata(call);
        vss_result result;
        int r;

        if (!info_id_is_valid(set_id) || !info_id_is_valid(snapshot_id))
                return vss_provider_call_fail(call, VSS_E_INVALIDARG, "%s: an identity is a UUID in lower case",
                                              volume->path);
        result = require_set(call, set_id);
        if (result < 0)
                return result;
        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS, "%s: shadow copy %s is in the set",
                                              volume->path, snapshot_id);
        r = set_add(p->set, snapshot_id, volume, properties);
        if (r == -EEXIST)
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS, "%s: it is in the set already",
                                              volume->path);
        if (r == -E2BIG)
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED,
                                              "%s: the set has %u volumes already", volume->path, VSS_VOLUMES_MAX);
        if (r == -EINVAL)
                return vss_provider_call_fail(call, VSS_E_INVALIDARG,
                                              "%s: the paths that are wanted of it must lie below it", volume->path);
        return r < 0 ? fail(call, volume->path, "its file system cannot be opened", r) : VSS_S_OK;
}

static vss_result end_prepare_snapshots(vss_provider_call *call, const char *set_id, vss_value *results) {
        Set *set = set_under_way(call, set_id);
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_prepare(set);
        return r < 0 ? fail_set(call, set, r) : VSS_S_OK;
}

/* Nearly all there is to do with writers frozen is done here: file systems of others are held from commit on, and not
 * for that. */
static vss_result pre_commit_snapshots(vss_provider_call *call, const char *set_id) {
        Set *set = set_under_way(call, set_id);
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_commit(set, false);
        return r < 0 ? fail_set(call, set, r) : VSS_S_OK;
}

/* What is held by control group stands still only now. */
static vss_result commit_snapshots(vss_provider_call *call, const char *set_id) {
        Set *set = set_under_way(call, set_id);
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_commit(set, true);
        return r < 0 ? fail_set(call, set, r) : VSS_S_OK;
}

static vss_result pre_final_commit_snapshots(vss_provider_call *call, const char *set_id) {
        Set *set = set_under_way(call, set_id);
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_finish(set);
        return r < 0 ? fail_set(call, set, r) : VSS_S_OK;
}

static vss_result post_final_commit_snapshots(vss_provider_call *call, const char *set_id, vss_value *results) {
        Set *set = set_under_way(call, set_id);
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_complete(set, results);
        if (r < 0)
                return fail_set(call, set, r);
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
                fprintf(stderr, "%s: cannot be searched for copies of set %s: %s\n", fs->source, set_id, strerror(-r));
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
        store_clean(store_fd);
}

static void abort_snapshots(vss_provider_call *call, const char *set_id) {
        _cleanup_filesystems_ FilesystemList list = { 0 };
        ReflinkProvider *p = vss_provider_call_userdata(call);
        int r;

        if (set_under_way(call, set_id)) {
                set_undo(p->set);
                drop_set(p);
                return;
        }
        r = filesystem_list(&list);
        if (r < 0)
                fprintf(stderr, "set %s cannot be taken back: the mount table cannot be read: %s\n", set_id, strerror(-r));
        for (size_t i = 0; i < list.n; i++)
                undo_from_disk(list.items[i], set_id);
}

static vss_result query(vss_provider_call *call, vss_value *list) {
        _cleanup_filesystems_ FilesystemList filesystems = { 0 };
        ReflinkProvider *p = vss_provider_call_userdata(call);
        int r;

        r = filesystem_list(&filesystems);
        if (r < 0)
                return fail(call, "reflink", "the mounted file systems cannot be listed", r);
        for (size_t i = 0; i < filesystems.n; i++) {
                const Filesystem *fs = filesystems.items[i];

                r = store_list(fs, p->set ? p->set->id : NULL, list);
                if (r == -ENOMEM)
                        return fail(call, fs->source, "", r);
                /* One bad file system does not hide the others. */
                if (r < 0 && r != -ENOENT)
                        fprintf(stderr, "%s: not all shadow copies on it can be listed: %s\n", fs->source, strerror(-r));
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

/* Looks for a shadow copy on every file system. One that is on two of them is a trap, or a clone of a disk. */
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
                        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                                      "shadow copy %s is on %s and on %s. Unmount one of them.", id,
                                                      found->fs->source, fs->source);
                found->fs = fs;
                found->store_fd = TAKE_FD(store_fd);
        }
        if (!found->fs)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s is on no mounted file system", id);
        return VSS_S_OK;
}

static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        _cleanup_(found_done) Found found = { .store_fd = -1 };
        ReflinkProvider *p = vss_provider_call_userdata(call);
        vss_result result;
        int r;

        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "shadow copy %s is being made; abort its set instead", snapshot_id);
        result = find(call, snapshot_id, &found);
        if (result < 0)
                return result;
        r = store_remove(found.store_fd, snapshot_id);
        return r < 0 ? fail(call, snapshot_id, "cannot be deleted", r) : VSS_S_OK;
}

static vss_result set_snapshot_property(vss_provider_call *call, const char *snapshot_id, const vss_value *properties) {
        _cleanup_(found_done) Found found = { .store_fd = -1 };
        ReflinkProvider *p = vss_provider_call_userdata(call);
        Copy *making = set_find(p->set, snapshot_id);
        vss_result result;
        int r;

        /* What is kept in memory is written at the end of the set. */
        if (making && info_merge(making->info, properties, "reflink") < 0)
                return fail(call, snapshot_id, "", -ENOMEM);
        result = find(call, snapshot_id, &found);
        if (result < 0)
                return making ? VSS_S_OK : result;
        r = store_merge(found.store_fd, snapshot_id, properties);
        return r < 0 ? fail(call, snapshot_id, "its identity cannot be written", r) : VSS_S_OK;
}

static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable, int *ret_mount_fd) {
        _cleanup_(found_done) Found found = { .store_fd = -1 };
        ReflinkProvider *p = vss_provider_call_userdata(call);
        _cleanup_(closep) int fd = -1;
        vss_result result;
        int r;

        if (writable && !set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_NOT_SUPPORTED,
                                              "shadow copy %s is complete and read-only; it can be written to only "
                                              "between PreFinalCommitSnapshots and PostFinalCommitSnapshots",
                                              snapshot_id);
        result = find(call, snapshot_id, &found);
        if (result < 0)
                return result;
        r = store_open_tree(found.store_fd, snapshot_id, &fd);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s has no files: %s. Delete it.", snapshot_id, strerror(-r));
        /* The tree alone: from there nothing else of the file system can be reached. */
        r = filesystem_clone(found.fs, fd,
                             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY), ret_mount_fd);
        return r < 0 ? fail(call, snapshot_id, "cannot be mounted", r) : VSS_S_OK;
}

const struct vss_provider reflink_provider = {
        VSS_PROVIDER_INIT,
        .name = "Reflink",
        .id = "5c1d5b0e-8a3f-4f0e-9a56-0f2f7a3f9d61",
        .friendly_name = "directories of shared extents",
        .version = LINUXVSS_VERSION,
        .type = VSS_PROV_SOFTWARE,
        .flags = VSS_PROVIDER_PERSISTENT | VSS_PROVIDER_DIFFERENTIAL,
        .holds = 1u << VSS_HOLD_WRITERS,
        .atomic_scope = VSS_ATOMIC_FILE,
        .changed = VSS_CHANGED_FILES,
        .is_volume_supported = is_volume_supported,
        .begin_prepare_snapshot = begin_prepare_snapshot,
        .commit_snapshots = commit_snapshots,
        .abort_snapshots = abort_snapshots,
        .query = query,
        .delete_snapshot = delete_snapshot,
        .open_snapshot = open_snapshot,
        .end_prepare_snapshots = end_prepare_snapshots,
        .pre_commit_snapshots = pre_commit_snapshots,
        .pre_final_commit_snapshots = pre_final_commit_snapshots,
        .post_final_commit_snapshots = post_final_commit_snapshots,
        .set_snapshot_property = set_snapshot_property,
};
