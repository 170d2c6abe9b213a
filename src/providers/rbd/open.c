/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mounts of copies
 *
 * A snapshot cannot be written to. A copy that is to be, by writers that repair it, or because its journal
 * must be replayed, gets a clone of the snapshot, which is an image of its own in the same pool and shares
 * all that is not written; from then on that is the copy.
 */

#include <string.h>
#include "providers/common/block-mount.h"
#include "providers/common/image-device.h"
#include "providers/rbd/open.h"
#include "util/clock.h"

static vss_result fail(vss_provider_call *call, const char *id, const char *what, const char *why) {
        return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR, "shadow copy %s: %s: %s", id,
                                      what, why);
}

static vss_result attach(vss_provider_call *call, size_t cluster, const vss_value *info, bool read_only,
                         char **ret_device) {
        RbdProvider *p = vss_provider_call_userdata(call);
        const char *id = vss_value_get_string(info, "id", "");
        char snapshot[SNAPSHOT_SIZE], why[WHY_SIZE] = "what is kept with it makes no sense";
        Target target;
        int r = provider_target(p, cluster, info, &target, snapshot);

        target.read_only = read_only;
        if (r == 0)
                r = attached_copy(id, &target, ret_device, why);
        return r < 0 ? fail(call, id, "it cannot be attached", why) : VSS_S_OK;
}

/* The copy is its clone from here on; the snapshot's device goes. */
static vss_result make_clone(vss_provider_call *call, size_t cluster, vss_value *info) {
        RbdProvider *p = vss_provider_call_userdata(call);
        _cleanup_(request_freep) Request *request = NULL;
        const char *id = vss_value_get_string(info, "id", "");
        char snapshot[SNAPSHOT_SIZE], why[WHY_SIZE] = "";
        Target target;
        int r;

        if (vss_value_get_boolean(vss_value_get(info, "rbd"), "clone", false))
                return VSS_S_OK;
        r = provider_target(p, cluster, info, &target, snapshot);
        if (r == 0)
                r = attached_drop_copy(id, &target, why);
        if (r < 0)
                return fail(call, id, "it cannot be detached", why);
        request = request_new(REQUEST_CLONE, REQUEST_USEC);
        if (request)
                request->info = vss_value_copy(info);
        if (!request || !request->info)
                return VSS_E_OUTOFMEMORY;
        r = cluster_do(&p->clusters, cluster, &request, why);
        if (r < 0)
                return cluster_fail(call, &p->clusters, cluster, id, r, why);
        return vss_value_set(info, "rbd", vss_value_copy(vss_value_get(request->info, "rbd"))) < 0
                       ? VSS_E_OUTOFMEMORY
                       : VSS_S_OK;
}

static vss_result mount_device(vss_provider_call *call, const char *id, int r) {
        return r < 0 ? fail(call, id, "it cannot be mounted", strerror(-r)) : VSS_S_OK;
}

/* It was in use when it was cut, and nothing held it: its journal is replayed, as after a power cut. */
static vss_result recover(vss_provider_call *call, size_t cluster, vss_value *info, const char *fs_type,
                          char **ret_device) {
        const char *id = vss_value_get_string(info, "id", "");
        _cleanup_(freep) char *device = NULL;
        _cleanup_(closep) int fd = -1;
        vss_result result = make_clone(call, cluster, info);
        int r;

        if (result == VSS_S_OK)
                result = attach(call, cluster, info, false, &device);
        if (result < 0)
                return result;
        r = block_mount(device, fs_type, true, false, &fd);
        if (r == 0)
                r = block_mount_seal(device, fs_type);
        if (r == 0) {
                closep(&fd);
                fd = -1;
                r = image_device_set_read_only(device, true);
        }
        if (r == 0)
                *ret_device = TAKE_PTR(device);
        return mount_device(call, id, r);
}

vss_result open_copy(vss_provider_call *call, size_t cluster, vss_value *info, int *ret_mount_fd) {
        const char *id = vss_value_get_string(info, "id", "");
        _cleanup_(freep) char *device = NULL, *recovered = NULL;
        char fs_type[FS_TYPE_SIZE]; /* what is kept is another one with the clone */
        vss_result result;
        int r;

        (void)snprintf(fs_type, sizeof(fs_type), "%s",
                       vss_value_get_string(vss_value_get(info, "rbd"), "fs-type", ""));
        if (!block_mount_knows(fs_type))
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "shadow copy %s: \"%.20s\" is no file system that is mounted here", id, fs_type);
        result = attach(call, cluster, info, true, &device);
        if (result < 0)
                return result;
        r = block_mount(device, fs_type, false, false, ret_mount_fd);
        if (r != -EUCLEAN)
                return mount_device(call, id, r);
        result = recover(call, cluster, info, fs_type, &recovered);
        return result < 0
                       ? result
                       : mount_device(call, id, block_mount(recovered, fs_type, false, false, ret_mount_fd));
}

vss_result open_making(vss_provider_call *call, Copy *copy, bool writable, int *ret_mount_fd) {
        _cleanup_(freep) char *device = NULL;
        vss_result result;

        if (!writable && !copy->opened_writable)
                return open_copy(call, copy->cluster, copy->info, ret_mount_fd);
        result = make_clone(call, copy->cluster, copy->info);
        if (result == VSS_S_OK)
                result = attach(call, copy->cluster, copy->info, false, &device);
        if (result < 0)
                return result;
        copy->opened_writable = true;
        return mount_device(call, copy->id,
                            block_mount(device, copy->fs_type, true, writable, ret_mount_fd));
}

vss_result open_seal(vss_provider_call *call, Copy *copy) {
        _cleanup_(freep) char *device = NULL;
        vss_result result;
        int r;

        if (!copy->opened_writable)
                return VSS_S_OK;
        result = attach(call, copy->cluster, copy->info, false, &device);
        if (result < 0)
                return result;
        r = block_mount_seal(device, copy->fs_type);
        if (r == 0)
                r = image_device_set_read_only(device, true);
        return r < 0 ? fail(call, copy->id, "it cannot be made read-only", strerror(-r)) : VSS_S_OK;
}
