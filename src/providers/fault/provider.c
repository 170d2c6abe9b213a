/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The fault provider: the null provider, with faults on request, to show what a bad one can do to others
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "config.h"
#include "providers/fault/faults.h"
#include "providers/fault/provider.h"
#include "util/value.h"

/* Negative, and nobody's. */
#define BAD_CODE VSS_RESULT(0x80BADC0D)

static void hang(void) {
        for (;;)
                (void)pause();
}

static void crash(void) {
        static const struct rlimit no_core = { 0 };

        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        abort();
}

static void dawdle(unsigned long millis) {
        struct timespec left = { .tv_sec = (time_t)(millis / 1000),
                                 .tv_nsec = (long)(millis % 1000) * 1000000 };

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

/* Does what is wrong with a call. Return: whether it goes on as usual; if not, *@ret_result is its answer.
 */
static bool goes_on(vss_provider_call *call, const char *name, vss_result *ret_result) {
        FaultProvider *p = vss_provider_call_userdata(call);
        ConfError error = { 0 };
        Fault fault;

        *ret_result = VSS_S_OK;
        if (fault_read(p->config_path, name, &error, &fault) < 0) {
                *ret_result = vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s:%u: %s", p->config_path,
                                                     error.line, error.message);
                return false;
        }
        switch (fault.kind) {
        case FAULT_FAIL:
                *ret_result = vss_provider_call_fail(call, fault.code, "%s: %s", name, fault.message);
                return false;
        case FAULT_BAD_CODE:
                *ret_result = vss_provider_call_fail(call, BAD_CODE, "%s: asked for a bad code", name);
                return false;
        case FAULT_LIE:
                return false;
        case FAULT_HANG:
                hang();
                break;
        case FAULT_CRASH:
                crash();
                break;
        case FAULT_STOP:
                (void)raise(SIGSTOP);
                break;
        case FAULT_SLOW:
                dawdle(fault.millis);
                break;
        case FAULT_NONE:
                break;
        }
        return true;
}

static vss_result is_volume_supported(vss_provider_call *call, const struct vss_volume *volume,
                                      struct vss_volume_support *ret_support) {
        vss_result result;

        return goes_on(call, "IsVolumeSupported", &result)
                       ? null_provider.is_volume_supported(call, volume, ret_support)
                       : result;
}

static vss_result list_nested_volumes(vss_provider_call *call, const struct vss_volume *volume,
                                      vss_value *list) {
        vss_result result;

        (void)goes_on(call, "ListNestedVolumes", &result);
        return result;
}

static vss_result begin_prepare_snapshot(vss_provider_call *call, const char *set_id,
                                         const char *snapshot_id, const struct vss_volume *volume,
                                         const vss_value *properties) {
        vss_result result;

        return goes_on(call, "BeginPrepareSnapshot", &result)
                       ? null_provider.begin_prepare_snapshot(call, set_id, snapshot_id, volume, properties)
                       : result;
}

static vss_result end_prepare_snapshots(vss_provider_call *call, const char *set_id, vss_value *results) {
        vss_result result;

        return goes_on(call, "EndPrepareSnapshots", &result)
                       ? null_provider.end_prepare_snapshots(call, set_id, results)
                       : result;
}

static vss_result pre_commit_snapshots(vss_provider_call *call, const char *set_id) {
        vss_result result;

        (void)goes_on(call, "PreCommitSnapshots", &result);
        return result;
}

static vss_result commit_snapshots(vss_provider_call *call, const char *set_id) {
        vss_result result;

        return goes_on(call, "CommitSnapshots", &result) ? null_provider.commit_snapshots(call, set_id)
                                                         : result;
}

static vss_result post_commit_snapshots(vss_provider_call *call, const char *set_id, uint32_t count) {
        vss_result result;

        (void)goes_on(call, "PostCommitSnapshots", &result);
        return result;
}

static vss_result pre_final_commit_snapshots(vss_provider_call *call, const char *set_id) {
        vss_result result;

        (void)goes_on(call, "PreFinalCommitSnapshots", &result);
        return result;
}

static vss_result post_final_commit_snapshots(vss_provider_call *call, const char *set_id,
                                              vss_value *results) {
        vss_result result;

        return goes_on(call, "PostFinalCommitSnapshots", &result)
                       ? null_provider.post_final_commit_snapshots(call, set_id, results)
                       : result;
}

static void abort_snapshots(vss_provider_call *call, const char *set_id) {
        vss_result result;

        if (goes_on(call, "AbortSnapshots", &result))
                null_provider.abort_snapshots(call, set_id);
}

static vss_result query(vss_provider_call *call, vss_value *list) {
        vss_result result;

        return goes_on(call, "Query", &result) ? null_provider.query(call, list) : result;
}

static vss_result delete_snapshot(vss_provider_call *call, const char *snapshot_id) {
        vss_result result;

        return goes_on(call, "DeleteSnapshot", &result) ? null_provider.delete_snapshot(call, snapshot_id)
                                                        : result;
}

static vss_result open_snapshot(vss_provider_call *call, const char *snapshot_id, bool writable,
                                int *ret_mount_fd) {
        vss_result result;

        if (goes_on(call, "OpenSnapshot", &result))
                return null_provider.open_snapshot(call, snapshot_id, writable, ret_mount_fd);
        if (result == VSS_S_OK) {
                /* The lie: a descriptor that is no mount. */
                *ret_mount_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                if (*ret_mount_fd < 0)
                        return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                                      "/dev/null: %m");
        }
        return result;
}

static vss_result set_snapshot_property(vss_provider_call *call, const char *snapshot_id,
                                        const vss_value *properties) {
        vss_result result;

        return goes_on(call, "SetSnapshotProperty", &result)
                       ? null_provider.set_snapshot_property(call, snapshot_id, properties)
                       : result;
}

static vss_result get_target_luns(vss_provider_call *call, const char *set_id, vss_value *luns) {
        vss_result result;

        return goes_on(call, "GetTargetLuns", &result)
                       ? null_hardware_provider.get_target_luns(call, set_id, luns)
                       : result;
}

static vss_result import_snapshots(vss_provider_call *call, const vss_value *set, vss_value *ret_result) {
        vss_result result;

        return goes_on(call, "ImportSnapshots", &result)
                       ? null_hardware_provider.import_snapshots(call, set, ret_result)
                       : result;
}

static vss_result break_snapshot_set(vss_provider_call *call, const char *set_id, uint32_t flags) {
        vss_result result;

        return goes_on(call, "BreakSnapshotSet", &result)
                       ? null_hardware_provider.break_snapshot_set(call, set_id, flags)
                       : result;
}

static vss_result revert_to_snapshot(vss_provider_call *call, const char *snapshot_id, bool force) {
        vss_result result;

        return goes_on(call, "RevertToSnapshot", &result)
                       ? null_provider.revert_to_snapshot(call, snapshot_id, force)
                       : result;
}

static vss_result query_revert_status(vss_provider_call *call, const struct vss_volume *volume,
                                      vss_value *status) {
        vss_result result;

        return goes_on(call, "QueryRevertStatus", &result)
                       ? null_provider.query_revert_status(call, volume, status)
                       : result;
}

static vss_result resync_snapshots(vss_provider_call *call, const vss_value *request) {
        vss_result result;

        return goes_on(call, "ResyncSnapshots", &result)
                       ? null_hardware_provider.resync_snapshots(call, request)
                       : result;
}

static vss_result query_diff_areas(vss_provider_call *call, vss_value *list) {
        vss_result result;

        return goes_on(call, "QueryDiffAreas", &result) ? null_provider.query_diff_areas(call, list)
                                                        : result;
}

static vss_result add_diff_area(vss_provider_call *call, const struct vss_volume *volume,
                                const struct vss_volume *diff_volume, uint64_t maximum) {
        vss_result result;

        return goes_on(call, "AddDiffArea", &result)
                       ? null_provider.add_diff_area(call, volume, diff_volume, maximum)
                       : result;
}

static vss_result change_diff_area_maximum_size(vss_provider_call *call, const struct vss_volume *volume,
                                                const struct vss_volume *diff_volume, uint64_t maximum) {
        vss_result result;

        return goes_on(call, "ChangeDiffAreaMaximumSize", &result)
                       ? null_provider.change_diff_area_maximum_size(call, volume, diff_volume, maximum)
                       : result;
}

static vss_result check_storage(vss_provider_call *call, vss_value *results) {
        vss_result result;

        return goes_on(call, "CheckStorage", &result) ? null_provider.check_storage(call, results) : result;
}

static vss_result attach_device(vss_provider_call *call, const char *device, const vss_value *options,
                                vss_value *ret_result) {
        vss_result result;

        return goes_on(call, "AttachDevice", &result)
                       ? null_provider.attach_device(call, device, options, ret_result)
                       : result;
}

static vss_result detach_device(vss_provider_call *call, const char *device, const vss_value *options,
                                vss_value *ret_result) {
        vss_result result;

        return goes_on(call, "DetachDevice", &result)
                       ? null_provider.detach_device(call, device, options, ret_result)
                       : result;
}

static vss_result query_attached(vss_provider_call *call, vss_value *list) {
        vss_result result;

        return goes_on(call, "QueryAttached", &result) ? null_provider.query_attached(call, list) : result;
}

/* Hardware, so that every call of the interface can go wrong. */
const struct vss_provider fault_provider = {
        VSS_PROVIDER_INIT,
        .name = "Fault",
        .id = "4db3b5bd-eadb-46f6-af04-d8fb1d22a9f5",
        .friendly_name = "Faults on request, for tests",
        .version = LINUXVSS_VERSION,
        .type = VSS_PROV_HARDWARE,
        .flags = VSS_PROVIDER_EXPLICIT_ONLY | VSS_PROVIDER_PERSISTENT | VSS_PROVIDER_TRANSPORTABLE |
                 VSS_PROVIDER_DIFFERENTIAL | VSS_PROVIDER_PLEX,
        .holds = 1u << VSS_HOLD_NONE | 1u << VSS_HOLD_WRITERS | 1u << VSS_HOLD_FILESYSTEM |
                 1u << VSS_HOLD_DEVICE,
        .is_volume_supported = is_volume_supported,
        .list_nested_volumes = list_nested_volumes,
        .begin_prepare_snapshot = begin_prepare_snapshot,
        .end_prepare_snapshots = end_prepare_snapshots,
        .pre_commit_snapshots = pre_commit_snapshots,
        .commit_snapshots = commit_snapshots,
        .post_commit_snapshots = post_commit_snapshots,
        .pre_final_commit_snapshots = pre_final_commit_snapshots,
        .post_final_commit_snapshots = post_final_commit_snapshots,
        .abort_snapshots = abort_snapshots,
        .query = query,
        .delete_snapshot = delete_snapshot,
        .open_snapshot = open_snapshot,
        .set_snapshot_property = set_snapshot_property,
        .get_target_luns = get_target_luns,
        .import_snapshots = import_snapshots,
        .break_snapshot_set = break_snapshot_set,
        .revert_to_snapshot = revert_to_snapshot,
        .query_revert_status = query_revert_status,
        .resync_snapshots = resync_snapshots,
        .query_diff_areas = query_diff_areas,
        .add_diff_area = add_diff_area,
        .change_diff_area_maximum_size = change_diff_area_maximum_size,
        .check_storage = check_storage,
        .attach_device = attach_device,
        .detach_device = detach_device,
        .query_attached = query_attached,
};
