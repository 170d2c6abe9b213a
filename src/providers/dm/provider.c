/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The dm provider: shadow copies of block file systems, out of the kernel's device-mapper alone
 *
 * A volume is attached once: its file system is mounted through a device that maps the partition one to one.
 * From then on its shadow copies are dm-snapshots of the partition, with a preallocated file as their store.
 * The cut itself is the hold's; everything before and behind it is in here.
 */

#include <string.h>
#include "config.h"
#include "providers/common/block-mount.h"
#include "providers/common/info.h"
#include "providers/dm/area.h"
#include "providers/dm/attach.h"
#include "providers/dm/provider.h"
#include "providers/dm/remove.h"
#include "providers/dm/watch.h"

static vss_result fail(vss_provider_call *call, const char *whom, const char *what, const char *reason,
                       int r) {
        switch (r) {
        case -ENOMEM:
                return vss_provider_call_fail(call, VSS_E_OUTOFMEMORY, "%s: out of memory", whom);
        case -ENOSPC:
                return vss_provider_call_fail(
                        call, VSS_E_INSUFFICIENT_STORAGE,
                        "%s: %s: there is too little free space for a difference area. Free some, "
                        "delete shadow copies, or let it lie on another volume (vss storage add).",
                        whom, what);
        case -EDQUOT:
                return vss_provider_call_fail(
                        call, VSS_E_INSUFFICIENT_STORAGE,
                        "%s: %s: its shadow copies take all the storage they may. Delete some, or "
                        "allow more (vss storage resize).",
                        whom, what);
        case -EOPNOTSUPP:
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "%s: %s: this file system does not preallocate files (ext2 and ext3 do not). "
                        "Let the area lie on another volume (vss storage add).",
                        whom, what);
        case -EROFS:
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: %s: the file system is read-only. Mount it writable.",
                                              whom, what);
        case -ESTALE:
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "%s: %s: its device's table is no longer the one that was loaded", whom, what);
        case -EMEDIUMTYPE:
        case -ENOTCONN:
        case -EIO:
                if (reason)
                        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s: %s: %s%s", whom, what,
                                                      r == -EMEDIUMTYPE ? "the difference area's file " : "",
                                                      reason);
                __attribute__((__fallthrough__));
        default:
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "%s: %s: %s", whom,
                                              what, strerror(-r));
        }
}

static vss_result decline(vss_provider_call *call, const struct vss_volume *volume, const char *why) {
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "%s: %s", volume->path,
                                      why);
}

/* Not attached: what would help? */
static vss_result decline_device(vss_provider_call *call, const struct vss_volume *volume) {
        DevmapInfo info;
        Device device;

        if (device_from_number(volume->device, &device) < 0)
                return decline(call, volume, "it is on no block device");
        if (devmap_info_device(volume->device, &info) == 0 && strncmp(info.uuid, "LVM-", 4) == 0)
                return decline(call, volume, "it is a volume of LVM, which is the lvm provider's to copy");
        if (devmap_info_device(volume->device, &info) == 0 && strncmp(info.uuid, "LINUXVSS-", 9) == 0)
                return decline(call, volume, "it is a shadow copy itself");
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER,
                                      "%s: it is not attached: run vss attach --remount %s", volume->path,
                                      device.path);
}

static vss_result find_volume(vss_provider_call *call, const struct vss_volume *volume, Volume *ret_volume) {
        const char *why;
        int r;

        if (!block_mount_knows(volume->fs_type))
                return decline(call, volume, "its file system is none of ext4, ext3, ext2 and XFS");
        if (!devmap_is_there())
                return decline(call, volume, "this kernel has no device-mapper (/dev/mapper/control)");
        r = volume_by_device(volume->device, ret_volume);
        if (r == -ENOENT)
                return decline_device(call, volume);
        if (r < 0)
                return fail(call, volume->path, "its device cannot be examined", NULL, r);
        if (ret_volume->table == VOLUME_FOREIGN)
                return decline(call, volume,
                               "somebody else has replaced the table of its device. Unmount, detach and "
                               "attach it.");
        /* Of the partition: its own device may be suspended. */
        r = block_mount_outside(ret_volume->origin.path, volume->fs_type, &why);
        if (r < 0)
                return fail(call, volume->path, "its superblock cannot be read", NULL, r);
        return why ? decline(call, volume, why) : VSS_S_OK;
}

static vss_result is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                      struct vss_volume_support *ret_support) {
        _cleanup_value_ vss_value *mounts = NULL;
        vss_result result;
        Volume found;

        result = find_volume(call, volume, &found);
        if (result < 0)
                return result;
        if (found.info.suspended)
                return decline(call, volume, "its device is suspended. See dmsetup resume.");
        if (mounts_list(found.info.device, &mounts) == 0 && mounts_are_read_only(mounts))
                return decline(call, volume,
                               "its file system is read-only, so that nothing changes that could be copied");
        ret_support->hold = VSS_HOLD_DEVICE;
        return VSS_S_OK;
}

static Set *set_under_way(vss_provider_call *call, const char *set_id) {
        DmProvider *p = vss_provider_call_userdata(call);

        return p->set && strcmp(p->set->id, set_id) == 0 ? p->set : NULL;
}

static vss_result no_set(vss_provider_call *call, const char *set_id) {
        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                      "set %s is not being made; BeginPrepareSnapshot comes first", set_id);
}

static vss_value *suspended_list(DmProvider *p) {
        if (!p->suspended)
                p->suspended = vss_value_new_list();
        return p->suspended;
}

static void undo_set(DmProvider *p, const Set *set) {
        for (size_t i = set->n; i > 0; i--) {
                const Copy *copy = &set->copies[i - 1];
                Volume volume = copy->volume;
                int r;

                /* Nothing of it is to take effect with a resume that somebody else asks for. */
                if (volume_refresh(&volume) == 0 && volume.info.inactive)
                        (void)devmap_clear(volume.info.name);
                r = remove_copy(copy->id, suspended_list(p));
                if (r < 0 && r != -ENOENT)
                        fprintf(stderr, "%s: shadow copy %s could not be taken back: %s\n", copy->path,
                                copy->id, strerror(-r));
        }
}

static vss_result begin_prepare_snapshot(vss_provider_call *call, const char *set_id,
                                         const char *snapshot_id, const struct vss_volume *volume,
                                         const vss_value *properties) {
        DmProvider *p = vss_provider_call_userdata(call);
        vss_result result;
        Volume found;
        int r;

        if (!info_id_is_valid(set_id) || !info_id_is_valid(snapshot_id))
                return vss_provider_call_fail(call, VSS_E_INVALIDARG,
                                              "%s: an identity is a UUID in lower case", volume->path);
        result = find_volume(call, volume, &found);
        if (result < 0)
                return result;
        if (p->set && strcmp(p->set->id, set_id) != 0) {
                undo_set(p, p->set);
                p->set = set_free(p->set);
        }
        if (!p->set)
                p->set = set_new(set_id);
        if (!p->set)
                return fail(call, volume->path, "", NULL, -ENOMEM);
        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: shadow copy %s is in the set", volume->path, snapshot_id);
        r = set_add(p->set, snapshot_id, volume, &found, properties);
        if (r == -EEXIST)
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: its volume is in the set already", volume->path);
        if (r == -E2BIG)
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED,
                                              "%s: the set has %u volumes already", volume->path,
                                              VSS_VOLUMES_MAX);
        return r < 0 ? fail(call, volume->path, "it cannot be added", NULL, r) : VSS_S_OK;
}

static vss_result end_prepare_snapshots(vss_provider_call *call, const char *set_id, vss_value *results) {
        Set *set = set_under_way(call, set_id);
        const Copy *copy;
        Policy policy;
        int r;

        if (!set)
                return no_set(call, set_id);
        storage_read_policy(&policy);
        r = set_prepare(set, &policy, results, &copy);
        return r < 0 ? fail(call, copy->path, "its shadow copy cannot be prepared", copy->reason, r)
                     : VSS_S_OK;
}

/*
 * The hold cuts, and what becomes of each operation it knows itself. Nothing is looked at while writers are
 * frozen: a cut that somebody spoiled beforehand, or afterwards, is found when they run again.
 */
static vss_result pre_commit_snapshots(vss_provider_call *call, const char *set_id) {
        Set *set = set_under_way(call, set_id);

        return set && set->cut ? VSS_S_OK : no_set(call, set_id);
}

static vss_result commit_snapshots(vss_provider_call *call, const char *set_id) {
        return set_under_way(call, set_id) ? VSS_S_OK : no_set(call, set_id);
}

static vss_result post_commit_snapshots(vss_provider_call *call, const char *set_id, uint32_t count) {
        return set_under_way(call, set_id) ? VSS_S_OK : no_set(call, set_id);
}

static vss_result pre_final_commit_snapshots(vss_provider_call *call, const char *set_id) {
        Set *set = set_under_way(call, set_id);
        const Copy *copy;
        int r;

        if (!set)
                return no_set(call, set_id);
        r = set_examine(set, &copy);
        if (r == -ENODATA)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: its device was not cut: the tables are not live",
                                              copy->path);
        if (r < 0)
                return fail(call, copy->path, "its shadow copy is not right", copy->reason, r);
        set->may_write = true;
        return VSS_S_OK;
}

static vss_result post_final_commit_snapshots(vss_provider_call *call, const char *set_id,
                                              vss_value *results) {
        DmProvider *p = vss_provider_call_userdata(call);
        Set *set = set_under_way(call, set_id);
        const Copy *copy;
        vss_value *list;
        int r;

        if (!set)
                return no_set(call, set_id);
        set->may_write = false;
        r = set_finish(set, &copy);
        if (r < 0)
                return fail(call, copy->path, "its shadow copy cannot be finished", copy->reason, r);
        list = p->suspended && vss_value_count(p->suspended) > 0 ? TAKE_PTR(p->suspended) : NULL;
        if (list && vss_value_set(results, "suspended", list) < 0)
                return fail(call, "dm", "", NULL, -ENOMEM);
        /* From here on it is known from the devices alone. */
        p->set = set_free(p->set);
        return VSS_S_OK;
}

static void abort_snapshots(vss_provider_call *call, const char *set_id) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        DmProvider *p = vss_provider_call_userdata(call);
        int r;

        if (set_under_way(call, set_id)) {
                undo_set(p, p->set);
                p->set = set_free(p->set);
        }
        /* And what a process before this one has left of it. */
        r = ids ? catalog_ids_of_set(set_id, ids) : -ENOMEM;
        if (r < 0)
                fprintf(stderr, "set %s cannot be taken back: %s\n", set_id, strerror(-r));
        for (size_t i = 0; i < vss_value_count(ids); i++) {
                const char *id = vss_value_string(vss_value_at(ids, i), "");

                r = remove_copy(id, suspended_list(p));
                if (r < 0 && r != -ENOENT)
                        fprintf(stderr, "shadow copy %s could not be taken back: %s\n", id, strerror(-r));
        }
}

static vss_result query(vss_provider_call *call, vss_value *list) {
        DmProvider *p = vss_provider_call_userdata(call);
        int r;

        r = catalog_list(p->set ? p->set->id : NULL, list);
        return r < 0 ? fail(call, "dm", "shadow copies cannot be listed", NULL, r) : VSS_S_OK;
}

static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        DmProvider *p = vss_provider_call_userdata(call);
        int r;

        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "shadow copy %s is being made; abort its set instead",
                                              snapshot_id);
        r = info_id_is_valid(snapshot_id) ? remove_copy(snapshot_id, suspended_list(p)) : -ENOENT;
        switch (r) {
        case 0:
                return VSS_S_OK;
        case -ENOENT:
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s is on no volume that is attached or mounted",
                                              snapshot_id);
        case -EBUSY:
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_IN_USE,
                        "shadow copy %s is mounted, or somebody has its device open. Unmount it.",
                        snapshot_id);
        case -ENOTCONN:
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "the volume that holds the difference area of shadow copy %s is not "
                        "mounted. Mount it, and delete again.",
                        snapshot_id);
        default:
                return fail(call, snapshot_id, "cannot be deleted", NULL, r);
        }
}

/* The header of a copy that stands, and why it cannot be used if it cannot. */
static vss_result read_copy(vss_provider_call *call, const char *id, AreaHeader *ret_header) {
        const char *reason = NULL;
        bool lost = false;
        StoreState state;
        int r;

        r = info_id_is_valid(id) ? store_state(id, &state) : -ENXIO;
        if (r == 0)
                r = state.head ? store_read_header(id, ret_header) : -ENXIO;
        if (r == -ENXIO)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "shadow copy %s does not stand",
                                              id);
        if (r == 0 && !ret_header->info)
                r = -EBADMSG;
        if (r == 0 && strcmp(vss_value_get_string(ret_header->info, "state", ""), "preparing") != 0)
                r = catalog_judge(id, ret_header, &state, &reason, &lost);
        if (r == 0 && strcmp(vss_value_get_string(ret_header->info, "state", ""), "deleting") == 0) {
                reason = "its deletion was not finished";
                lost = true;
        }
        if (r < 0)
                return fail(call, id, "its header cannot be read", NULL, r);
        if (reason && !lost)
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO, "shadow copy %s cannot be used: %s. %s", id, reason,
                        strcmp(reason, CATALOG_AWAY) == 0 ? "Attach it." : "See dmsetup resume.");
        if (reason)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s is lost: %s. Delete it.", id,
                                              vss_value_get_string(ret_header->info, "reason", reason));
        return VSS_S_OK;
}

static vss_result set_snapshot_property(vss_provider_call *call, const char *snapshot_id,
                                        const vss_value *properties) {
        _cleanup_area_header_ AreaHeader header = { 0 };
        DmProvider *p = vss_provider_call_userdata(call);
        Copy *making = set_find(p->set, snapshot_id);
        vss_result result;
        int r;

        /* What is kept in memory is written at the end of the set. */
        if (making)
                return info_merge(making->header.info, properties, "dm") < 0
                               ? fail(call, snapshot_id, "", NULL, -ENOMEM)
                               : VSS_S_OK;
        result = read_copy(call, snapshot_id, &header);
        if (result < 0)
                return result;
        r = info_merge(header.info, properties, "dm");
        if (r == 0)
                r = store_write_record(snapshot_id, &header);
        if (r == -ENOSPC)
                return vss_provider_call_fail(call, VSS_E_INSUFFICIENT_STORAGE,
                                              "shadow copy %s: its header has no room for more properties",
                                              snapshot_id);
        return r < 0 ? fail(call, snapshot_id, "its identity cannot be written", NULL, r) : VSS_S_OK;
}

static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable,
                                int *ret_mount_fd) {
        _cleanup_area_header_ AreaHeader header = { 0 };
        DmProvider *p = vss_provider_call_userdata(call);
        Copy *making = set_find(p->set, snapshot_id);
        char path[DEVMAP_PATH_SIZE];
        vss_result result;
        int r = 0;

        result = read_copy(call, snapshot_id, &header);
        if (result < 0)
                return result;
        if (writable && !(making && p->set->may_write))
                return vss_provider_call_fail(
                        call, VSS_E_NOT_SUPPORTED,
                        "shadow copy %s is complete and read-only; it can be written to only "
                        "between PreFinalCommitSnapshots and PostFinalCommitSnapshots",
                        snapshot_id);
        store_path(snapshot_id, STORE_COPY, path);
        if (writable && !making->opened) {
                r = device_set_read_only(path, false);
                making->opened = r == 0;
        }
        if (r == 0)
                r = block_mount(path, vss_value_get_string(vss_value_get(header.info, "dm"), "type", ""),
                                making && making->opened, writable, ret_mount_fd);
        return r < 0 ? fail(call, snapshot_id, "cannot be mounted", NULL, r) : VSS_S_OK;
}

static vss_result check_storage(vss_provider_call *call, vss_value *results) {
        DmProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *before = TAKE_PTR(p->suspended);
        int r;

        if (!p->told)
                p->told = vss_value_new_dict();
        r = p->told ? watch_check(p->told, before, results) : -ENOMEM;
        return r < 0 ? fail(call, "dm", "storage cannot be looked after", NULL, r) : VSS_S_OK;
}

void dm_provider_done(DmProvider *provider) {
        (void)set_free(provider->set);
        (void)vss_value_free(provider->suspended);
        (void)vss_value_free(provider->told);
}

const struct vss_provider dm_provider = {
        VSS_PROVIDER_INIT,
        .name = "Dm",
        .id = "0f4c7d52-6f0e-4f0f-9a30-0c6e4f1d9c11",
        .friendly_name = "attached volumes",
        .version = LINUXVSS_VERSION,
        .type = VSS_PROV_SYSTEM,
        .flags = VSS_PROVIDER_PERSISTENT | VSS_PROVIDER_DIFFERENTIAL,
        .holds = 1u << VSS_HOLD_DEVICE,
        .atomic_scope = VSS_ATOMIC_VOLUME,
        .changed = VSS_CHANGED_RANGES,
        .is_volume_supported = is_volume_supported,
        .begin_prepare_snapshot = begin_prepare_snapshot,
        .commit_snapshots = commit_snapshots,
        .abort_snapshots = abort_snapshots,
        .query = query,
        .delete_snapshot = delete_snapshot,
        .open_snapshot = open_snapshot,
        .end_prepare_snapshots = end_prepare_snapshots,
        .pre_commit_snapshots = pre_commit_snapshots,
        .post_commit_snapshots = post_commit_snapshots,
        .pre_final_commit_snapshots = pre_final_commit_snapshots,
        .post_final_commit_snapshots = post_final_commit_snapshots,
        .max_snapshots = 64,
        .set_snapshot_property = set_snapshot_property,
        .query_diff_areas = storage_query,
        .add_diff_area = storage_add,
        .change_diff_area_maximum_size = storage_change,
        .check_storage = check_storage,
        .attach_device = attach_device,
        .detach_device = attach_detach,
        .query_attached = attach_query,
};
