/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The lvm provider: shadow copies are thin volumes and classic snapshots of LVM
 *
 * A logical volume is a device of device-mapper, whose suspend freezes the file system on it, so that the
 * hold makes the cut (set.h). What the copies are is in LVM's metadata alone (tags.h).
 */

#include <string.h>
#include "config.h"
#include "providers/common/block-mount.h"
#include "providers/common/info.h"
#include "providers/lvm/area.h"
#include "providers/lvm/copy.h"
#include "providers/lvm/provider.h"

int provider_init(LvmProvider *p, const char *conf_path) {
        ConfError error = { 0 };
        int r;

        *p = (LvmProvider){ .suspended = vss_value_new_list() };
        r = p->suspended ? policy_read(conf_path, &error, &p->policy) : -ENOMEM;
        if (r < 0)
                fprintf(stderr, "%s:%u: %s\n", conf_path, error.line,
                        *error.message ? error.message : strerror(-r));
        return r;
}

void provider_done(LvmProvider *p) {
        p->set = set_free(p->set);
        vss_value_free(p->suspended);
        report_done(&p->watched);
        for (size_t i = 0; i < p->n_told; i++)
                free(p->told[i]);
}

const char *provider_error(const LvmProvider *p, int r) {
        return r == -EREMOTEIO ? p->lvm.error : strerror(-r);
}

static vss_result fail(vss_provider_call *call, const char *whom, const char *what, int r) {
        vss_result code = r == -ENOMEM ? VSS_E_OUTOFMEMORY : VSS_E_UNEXPECTED_PROVIDER_ERROR;

        return vss_provider_call_fail(call, code, "%s: %s: %s", whom, what,
                                      provider_error(vss_provider_call_userdata(call), r));
}

static vss_result decline(vss_provider_call *call, const struct vss_volume *volume, const char *why) {
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "%s: %s", volume->path,
                                      why);
}

/* Of a suspended device nothing can be read; whoever has done that ends it before a set comes to its cut, or
 * there is none. */
static int look_outside(const Origin *origin, const char *fs_type, const char **ret_why) {
        char path[DEVMAP_PATH_SIZE];
        DevmapInfo info;
        int r;

        *ret_why = NULL;
        r = devmap_info_device(origin->device, &info);
        if (r < 0 || info.suspended)
                return r;
        (void)snprintf(path, sizeof(path), "/dev/mapper/%s", origin->name);
        return block_mount_outside(path, fs_type, ret_why);
}

static vss_result look(vss_provider_call *call, const struct vss_volume *volume, Origin *ret_origin) {
        const char *why = NULL;
        int r;

        if (strcmp(volume->fs_type, "btrfs") == 0)
                return decline(call, volume,
                               "is btrfs, which does not bear a copy of its device beside itself");
        if (!block_mount_knows(volume->fs_type))
                return decline(call, volume, "its file system is neither ext4 nor XFS");
        r = origin_look((dev_t)volume->device, ret_origin, &why);
        if (r == -EMEDIUMTYPE && why)
                return decline(call, volume, why);
        if (r < 0)
                return fail(call, volume->path, "its device cannot be looked at", r);
        r = look_outside(ret_origin, volume->fs_type, &why);
        if (r < 0)
                return fail(call, volume->path, "its superblock cannot be read", r);
        return why ? decline(call, volume, why) : VSS_S_OK;
}

static vss_result is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                      struct vss_volume_support *ret_support) {
        Origin origin;
        vss_result result = look(call, volume, &origin);

        if (result == VSS_S_OK)
                ret_support->hold = VSS_HOLD_DEVICE;
        return result;
}

static Set *set_under_way(vss_provider_call *call, const char *set_id) {
        LvmProvider *p = vss_provider_call_userdata(call);

        return p->set && strcmp(p->set->id, set_id) == 0 ? p->set : NULL;
}

static vss_result no_set(vss_provider_call *call, const char *set_id) {
        return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                      "set %s is not being made; BeginPrepareSnapshot comes first", set_id);
}

static void abort_snapshots(vss_provider_call *call, const char *of_set);

static vss_result begin_prepare_snapshot(vss_provider_call *call, const char *set_id,
                                         const char *snapshot_id, const struct vss_volume *volume,
                                         const vss_value *properties) {
        LvmProvider *p = vss_provider_call_userdata(call);
        vss_result result;
        Origin origin;
        int r;

        if (!info_id_is_valid(set_id) || !info_id_is_valid(snapshot_id))
                return vss_provider_call_fail(call, VSS_E_INVALIDARG,
                                              "%s: an identity is a UUID in lower case", volume->path);
        result = look(call, volume, &origin);
        if (result < 0)
                return result;
        if (p->set && strcmp(p->set->id, set_id) != 0)
                abort_snapshots(call, p->set->id);
        if (!p->set)
                p->set = set_new(set_id);
        if (!p->set)
                return fail(call, volume->path, "it cannot be added", -ENOMEM);
        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: shadow copy %s is in the set", volume->path, snapshot_id);
        r = set_add(p->set, snapshot_id, volume, &origin, properties);
        if (r == -EEXIST)
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: its logical volume is in the set already", volume->path);
        if (r == -E2BIG)
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED,
                                              "%s: the set has %u volumes already", volume->path,
                                              VSS_VOLUMES_MAX);
        return r < 0 ? fail(call, volume->path, "it cannot be added", r) : VSS_S_OK;
}

static vss_result end_prepare_snapshots(vss_provider_call *call, const char *set_id, vss_value *results) {
        LvmProvider *p = vss_provider_call_userdata(call);
        Set *set = set_under_way(call, set_id);

        if (!set)
                return no_set(call, set_id);
        p->looked = false;
        return set_prepare(set, &p->lvm, &p->policy, call, results);
}

/* The least while writers are frozen: what somebody spoiled before the cut, or after it, is found behind it.
 */
static vss_result pre_commit_snapshots(vss_provider_call *call, const char *set_id) {
        LvmProvider *p = vss_provider_call_userdata(call);
        Set *set = set_under_way(call, set_id);

        return set ? set_check_pools(set, &p->policy, call) : no_set(call, set_id);
}

/* The hold cuts. */
static vss_result commit_snapshots(vss_provider_call *call, const char *set_id) {
        return set_under_way(call, set_id) ? VSS_S_OK : no_set(call, set_id);
}

static vss_result post_commit_snapshots(vss_provider_call *call, const char *set_id, uint32_t count) {
        LvmProvider *p = vss_provider_call_userdata(call);
        Set *set = set_under_way(call, set_id);

        if (!set)
                return no_set(call, set_id);
        set_unlock(set, &p->lvm);
        return VSS_S_OK;
}

static vss_result pre_final_commit_snapshots(vss_provider_call *call, const char *set_id) {
        LvmProvider *p = vss_provider_call_userdata(call);
        Set *set = set_under_way(call, set_id);

        vss_result result = set ? set_examine(set, call) : no_set(call, set_id);

        return result < 0 ? result : set_activate(set, &p->lvm, call);
}

static vss_result seal(vss_provider_call *call, const Copy *copy) {
        char path[DEVMAP_PATH_SIZE];
        int r;

        if (!copy->opened_writable)
                return VSS_S_OK;
        devmap_path(copy->device_name, path);
        r = block_mount_seal(path, copy->fs_type);
        if (r == 0)
                r = copy_set_read_only(copy->device_name, copy->origin.thin, true);
        return r < 0 ? fail(call, copy->volume, "its copy cannot be made read-only", r) : VSS_S_OK;
}

static int tell_devices(const Set *set, vss_value *results) {
        vss_value *all = value_require(results, "properties", VSS_KIND_DICT);

        for (size_t i = 0; all && i < set->n_copies; i++) {
                vss_value *own = value_require(all, set->copies[i].id, VSS_KIND_DICT);
                char path[DEVMAP_PATH_SIZE];

                devmap_path(set->copies[i].device_name, path);
                if (!own || vss_value_set_string(own, "block-device", path) < 0)
                        return -ENOMEM;
        }
        return all ? 0 : -ENOMEM;
}

static vss_result post_final_commit_snapshots(vss_provider_call *call, const char *set_id,
                                              vss_value *results) {
        LvmProvider *p = vss_provider_call_userdata(call);
        Set *set = set_under_way(call, set_id);
        vss_result result = VSS_S_OK;

        if (!set)
                return no_set(call, set_id);
        set->is_open = false;
        for (size_t i = 0; i < set->n_copies && result == VSS_S_OK; i++)
                result = seal(call, &set->copies[i]);
        if (result == VSS_S_OK)
                result = set_finish(set, &p->lvm, call);
        if (result == VSS_S_OK && tell_devices(set, results) < 0)
                result = VSS_E_OUTOFMEMORY;
        if (result < 0)
                return result;
        /* From here on it is known from LVM alone. */
        p->set = set_free(p->set);
        p->looked = false;
        return VSS_S_OK;
}

static bool is_of_set(const LogicalVolume *lv, const char *set_id) {
        _cleanup_value_ vss_value *info = NULL;

        return report_is_copy(lv, &info) && strcmp(vss_value_get_string(info, "set", ""), set_id) == 0;
}

/* Devices that a command of LVM left when it died, and that LVM does not know of. */
static void sweep(LvmProvider *p) {
        _cleanup_report_ Report report = { 0 };
        int r = lvm_list(&p->lvm, false, &report);

        if (r == 0)
                r = origin_sweep(&report);
        if (r < 0)
                fprintf(stderr, "devices of copies that are gone may be left: %s\n", provider_error(p, r));
}

static void abort_snapshots(vss_provider_call *call, const char *of_set) {
        _cleanup_report_ Report report = { 0 };
        LvmProvider *p = vss_provider_call_userdata(call);
        char set_id[VSS_ID_SIZE];
        int r;

        /* It may be that of the set that is dropped here. */
        (void)snprintf(set_id, sizeof(set_id), "%s", of_set);
        if (set_under_way(call, set_id)) {
                set_unlock(p->set, &p->lvm);
                p->set = set_free(p->set);
        }
        p->looked = false;
        r = lvm_list(&p->lvm, true, &report);
        if (r < 0)
                fprintf(stderr, "set %s cannot be taken back: lvs failed: %s\n", set_id,
                        provider_error(p, r));
        for (size_t i = 0; i < report.n; i++) {
                const LogicalVolume *lv = &report.items[i];

                if (!is_of_set(lv, set_id))
                        continue;
                r = copy_remove(&p->lvm, lv, p->suspended);
                if (r < 0)
                        fprintf(stderr, "%s/%s: the copy could not be taken back: %s\n", lv->vg, lv->name,
                                provider_error(p, r));
        }
        sweep(p);
}

static int describe_state(const LogicalVolume *lv, const Set *set, vss_value *info) {
        char why[COPY_LOST_SIZE];

        if (set && strcmp(vss_value_get_string(info, "set", ""), set->id) == 0)
                return vss_value_set_string(info, "state", "preparing") < 0 ? -ENOMEM : 0;
        if (!copy_is_created(lv))
                return vss_value_set_string(info, "state", "incomplete") < 0 ||
                                       vss_value_set_string(info, "state-reason", "it was never finished") <
                                               0
                               ? -ENOMEM
                               : 0;
        if (copy_is_lost(lv, why))
                return vss_value_set_string(info, "state", "lost") < 0 ||
                                       vss_value_set_string(info, "reason", why) < 0
                               ? -ENOMEM
                               : 0;
        return vss_value_set_string(info, "state", "created") < 0 ? -ENOMEM : 0;
}

static int describe(const LogicalVolume *lv, const Set *set, vss_value *info) {
        vss_value *own = value_require(info, "lvm", VSS_KIND_DICT);
        char name[DEVMAP_NAME_SIZE], path[DEVMAP_PATH_SIZE];
        int r;

        r = describe_state(lv, set, info);
        if (r < 0)
                return r;
        if (!own || vss_value_set_string(own, "group", lv->vg) < 0 ||
            vss_value_set_string(own, "volume", lv->name) < 0 ||
            vss_value_set_string(own, "kind", copy_is_thin(lv) ? "thin" : "classic") < 0)
                return -ENOMEM;
        if (copy_device_name(lv, name) < 0)
                return 0;
        devmap_path(name, path);
        return vss_value_set_string(info, "block-device", path) < 0 ? -ENOMEM : 0;
}

static vss_result query(vss_provider_call *call, vss_value *list) {
        _cleanup_report_ Report report = { 0 };
        LvmProvider *p = vss_provider_call_userdata(call);
        int r;

        r = devmap_is_there() ? lvm_list(&p->lvm, true, &report) : 0;
        if (r < 0)
                return fail(call, "lvm", "lvs failed", r);
        for (size_t i = 0; i < report.n; i++) {
                _cleanup_value_ vss_value *info = NULL;
                const LogicalVolume *lv = &report.items[i];

                r = report_is_copy(lv, &info) ? 0 : -EBADMSG;
                /* One bad volume does not hide the others. */
                if (r < 0)
                        fprintf(stderr, "%s/%s has the tag " TAG_OURS ", but is no shadow copy\n", lv->vg,
                                lv->name);
                if (r == 0)
                        r = describe(lv, p->set, info);
                if (r == -ENOMEM)
                        return fail(call, "lvm", "the copies cannot be listed", r);
                if (r == 0 && vss_value_append(list, TAKE_PTR(info)) < 0)
                        return fail(call, "lvm", "the copies cannot be listed", -ENOMEM);
        }
        return VSS_S_OK;
}

/* Looks for a shadow copy in every group. One that is in two of them is a trap, or a clone of a disk. */
static vss_result find(vss_provider_call *call, const char *id, Report *report, const LogicalVolume **ret_lv,
                       vss_value **ret_info) {
        LvmProvider *p = vss_provider_call_userdata(call);
        const LogicalVolume *found = NULL;
        int r;

        r = info_id_is_valid(id) && devmap_is_there() ? lvm_list(&p->lvm, true, report) : 0;
        if (r < 0)
                return fail(call, id, "lvs failed", r);
        for (size_t i = 0; i < report->n; i++) {
                _cleanup_value_ vss_value *info = NULL;
                const LogicalVolume *lv = &report->items[i];

                if (!report_is_copy(lv, &info) || strcmp(vss_value_get_string(info, "id", ""), id) != 0)
                        continue;
                if (found)
                        return vss_provider_call_fail(
                                call, VSS_E_PROVIDER_VETO,
                                "shadow copy %s is %s/%s and %s/%s. Take the disk of one of "
                                "them away, or remove it with lvremove.",
                                id, found->vg, found->name, lv->vg, lv->name);
                found = lv;
                *ret_info = TAKE_PTR(info);
        }
        if (!found)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s is in no volume group", id);
        *ret_lv = found;
        return VSS_S_OK;
}

static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        _cleanup_report_ Report report = { 0 };
        _cleanup_value_ vss_value *info = NULL;
        LvmProvider *p = vss_provider_call_userdata(call);
        const LogicalVolume *lv = NULL;
        vss_result result;
        int r;

        if (set_find(p->set, snapshot_id))
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "shadow copy %s is being made; abort its set instead",
                                              snapshot_id);
        result = find(call, snapshot_id, &report, &lv, &info);
        if (result < 0)
                return result;
        r = copy_remove(&p->lvm, lv, p->suspended);
        p->looked = false;
        if (r == -EBUSY)
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_IN_USE,
                        "shadow copy %s: its device %s/%s is in use. Unmount it, and end what "
                        "reads from it.",
                        snapshot_id, lv->vg, lv->name);
        return r < 0 ? fail(call, snapshot_id, "lvremove failed", r) : VSS_S_OK;
}

static int replace_identity(Lvm *lvm, const LogicalVolume *lv, const vss_value *info) {
        _cleanup_tags_ Tags old = { 0 }, new = { 0 };
        int r;

        r = tags_encode(info, &new);
        for (size_t i = 0; r == 0 && i < lv->tags.n; i++)
                if (strncmp(lv->tags.items[i], TAG_INFO, sizeof(TAG_INFO) - 1) == 0)
                        r = tags_append(&old, lv->tags.items[i]);
        return r < 0 ? r : copy_change_tags(lvm, lv, &old, &new);
}

static vss_result set_snapshot_property(vss_provider_call *call, const char *snapshot_id,
                                        const vss_value *properties) {
        _cleanup_report_ Report report = { 0 };
        _cleanup_value_ vss_value *info = NULL;
        LvmProvider *p = vss_provider_call_userdata(call);
        Copy *making = set_find(p->set, snapshot_id);
        const LogicalVolume *lv = NULL;
        vss_result result;
        int r;

        if (making && info_merge(making->info, properties, "lvm") < 0)
                return fail(call, snapshot_id, "its identity cannot be changed", -ENOMEM);
        result = find(call, snapshot_id, &report, &lv, &info);
        if (result < 0)
                return making ? VSS_S_OK : result;
        r = info_merge(info, properties, "lvm");
        if (r == 0)
                r = replace_identity(&p->lvm, lv, info);
        p->looked = false;
        return r < 0 ? fail(call, snapshot_id, "its identity cannot be written", r) : VSS_S_OK;
}

/* A mount of the copy; one that is unclean is repaired by being opened writable once. */
static int mount_copy(const char *name, bool thin, const char *fs_type, bool superblock, bool writable,
                      int *ret_fd) {
        char path[DEVMAP_PATH_SIZE];
        _cleanup_(closep) int fd = -1;
        int r;

        r = copy_set_read_only(name, thin, !superblock);
        if (r < 0)
                return r;
        devmap_path(name, path);
        r = block_mount(path, fs_type, superblock, writable, ret_fd);
        if (r != -EUCLEAN)
                return r;
        r = copy_set_read_only(name, thin, false);
        if (r == 0)
                r = block_mount(path, fs_type, true, false, &fd);
        if (r == 0)
                r = block_mount_seal(path, fs_type);
        closep(&fd);
        fd = -1;
        if (r == 0)
                r = copy_set_read_only(name, thin, true);
        return r < 0 ? r : block_mount(path, fs_type, false, false, ret_fd);
}

/* Between PreFinal and PostFinal: writable for all who want it, if it is for one. */
static vss_result open_making(vss_provider_call *call, Copy *copy, bool writable, int *ret_mount_fd) {
        int r;

        copy->opened_writable = copy->opened_writable || writable;
        r = mount_copy(copy->device_name, copy->origin.thin, copy->fs_type, copy->opened_writable, writable,
                       ret_mount_fd);
        return r < 0 ? fail(call, copy->volume, "its copy cannot be mounted", r) : VSS_S_OK;
}

static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable,
                                int *ret_mount_fd) {
        _cleanup_report_ Report report = { 0 };
        _cleanup_value_ vss_value *info = NULL;
        LvmProvider *p = vss_provider_call_userdata(call);
        Copy *making = set_find(p->set, snapshot_id);
        const LogicalVolume *lv = NULL;
        char why[COPY_LOST_SIZE], name[DEVMAP_NAME_SIZE];
        const char *fs_type;
        vss_result result;
        int r;

        if (making && p->set->is_open)
                return open_making(call, making, writable, ret_mount_fd);
        result = find(call, snapshot_id, &report, &lv, &info);
        if (result < 0)
                return result;
        if (copy_is_lost(lv, why))
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s is lost: %s. Delete it.", snapshot_id, why);
        if (!copy_is_created(lv))
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %s was never finished. Delete it.", snapshot_id);
        if (writable)
                return vss_provider_call_fail(
                        call, VSS_E_NOT_SUPPORTED,
                        "shadow copy %s is complete and read-only; it can be written to only "
                        "between PreFinalCommitSnapshots and PostFinalCommitSnapshots",
                        snapshot_id);
        fs_type = vss_value_get_string(vss_value_get(info, "lvm"), "fs-type", "");
        if (!block_mount_knows(fs_type))
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "shadow copy %s: \"%.20s\" is no file system that is mounted here", snapshot_id,
                        fs_type);
        r = copy_activate(&p->lvm, lv);
        if (r < 0)
                return fail(call, snapshot_id, "its logical volume cannot be activated", r);
        r = copy_device_name(lv, name);
        if (r == 0)
                r = mount_copy(name, copy_is_thin(lv), fs_type, false, false, ret_mount_fd);
        return r < 0 ? fail(call, snapshot_id, "cannot be mounted", r) : VSS_S_OK;
}

const struct vss_provider lvm_provider = {
        VSS_PROVIDER_INIT,
        .name = "Lvm",
        .id = "d79e608a-0a3f-4832-b9f1-35ef78c39828",
        .friendly_name = "LVM thin and classic snapshots",
        .version = LINUXVSS_VERSION,
        .type = VSS_PROV_SOFTWARE,
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
        .set_snapshot_property = set_snapshot_property,
        .query_diff_areas = area_query,
        .add_diff_area = area_add,
        .change_diff_area_maximum_size = area_change,
        .check_storage = watch_check_storage,
};
