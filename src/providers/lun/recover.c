/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LUNs become what their copies are
 *
 * The array writes the whole LUN at once, by sharing the copy's blocks. So nobody may have it open: it is
 * detached here, if nothing is mounted of it, and attached again behind that; the array refuses while
 * another host has it.
 */

#include <mntent.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "providers/lun/provider.h"

#define MOUNT_PROGRAM "/usr/bin/mount"
#define MOUNTS_MAX 16u

static void endmntentp(FILE **file) {
        if (*file)
                (void)endmntent(*file);
}

/* {"target", "type", "options"} of each mount of a device as a whole. */
static int list_mounts(const char *device, vss_value *list) {
        _cleanup_(endmntentp) FILE *file = setmntent("/proc/self/mounts", "re");
        struct mntent *entry;

        if (!file)
                return -errno;
        while ((entry = getmntent(file))) {
                vss_value *mount;

                if (strcmp(entry->mnt_fsname, device) != 0)
                        continue;
                mount = vss_value_new_dict();
                if (vss_value_set_string(mount, "target", entry->mnt_dir) < 0 ||
                    vss_value_set_string(mount, "type", entry->mnt_type) < 0 ||
                    vss_value_set_string(mount, "options", entry->mnt_opts) < 0 ||
                    vss_value_append(list, mount) < 0)
                        return -ENOMEM;
                if (vss_value_count(list) > MOUNTS_MAX)
                        return -E2BIG;
        }
        return 0;
}

static int mount_again(const vss_value *mount, const char *device) {
        const char *argv[] = { "mount",
                               "-t",
                               vss_value_get_string(mount, "type", ""),
                               "-o",
                               vss_value_get_string(mount, "options", ""),
                               "--",
                               device,
                               vss_value_get_string(mount, "target", ""),
                               NULL };
        int status = -1, r;
        pid_t pid;

        /* POSIX promises that the words are left as they are. */
        r = posix_spawn(&pid, MOUNT_PROGRAM, NULL, NULL, (char *const *)(uintptr_t)argv, environ);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return status == 0 ? 0 : -EIO;
}

/* Return: 0, or -EBUSY with everything mounted as it was. */
static int unmount_all(const vss_value *mounts, const char *device) {
        for (size_t i = vss_value_count(mounts); i > 0; i--) {
                if (umount2(vss_value_get_string(vss_value_at(mounts, i - 1), "target", ""),
                            UMOUNT_NOFOLLOW) == 0)
                        continue;
                for (size_t k = i; k < vss_value_count(mounts); k++)
                        (void)mount_again(vss_value_at(mounts, k), device);
                return -EBUSY;
        }
        return 0;
}

/* One LUN from one copy. @force: what is mounted is unmounted for it, and mounted again. */
typedef struct Recovery {
        Client *client;
        const char *id, *lun, *volume;
        bool force;
        char name[PLACE_NAME_SIZE];
        char *device;      /* it was attached */
        vss_value *mounts; /* of it */
} Recovery;

static void recovery_done(Recovery *recovery) {
        free(recovery->device);
        vss_value_free(recovery->mounts);
}

static vss_result in_use(vss_provider_call *call, const Recovery *recovery, const char *why) {
        return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "%s: LUN %s %s", recovery->volume,
                                      recovery->lun, why);
}

static vss_result detach(vss_provider_call *call, Recovery *recovery) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *mounted = vss_value_new_list();
        ImageError error;
        int r;

        if (place_name(recovery->client->array->name, recovery->lun, recovery->name) < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s is no LUN's name",
                                              recovery->lun);
        r = image_find(p->live, recovery->name, &recovery->device);
        if (r == -ENOENT)
                return VSS_S_OK;
        recovery->mounts = vss_value_new_list();
        if (!recovery->mounts || !recovery->device || list_mounts(recovery->device, recovery->mounts) < 0 ||
            lun_mounts_of(recovery->device, mounted) < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "LUN %s: its mounts cannot be listed", recovery->lun);
        if (vss_value_count(mounted) > 0 && !recovery->force)
                return in_use(call, recovery, "is mounted; unmount it first");
        if (vss_value_count(mounted) > vss_value_count(recovery->mounts))
                return in_use(call, recovery, "has partitions that are mounted; unmount them first");
        if (unmount_all(recovery->mounts, recovery->device) < 0)
                return in_use(call, recovery, "is mounted, and files in it are open");
        r = image_detach(p->live, recovery->name, &error);
        if (r == 0)
                return VSS_S_OK;
        for (size_t i = 0; i < vss_value_count(recovery->mounts); i++)
                (void)mount_again(vss_value_at(recovery->mounts, i), recovery->device);
        return r == -EBUSY ? in_use(call, recovery, "is in use")
                           : vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "LUN %s: %s", recovery->lun,
                                                    error.text);
}

static void attach_again(LunProvider *p, Recovery *recovery) {
        _cleanup_(freep) char *device = NULL;
        ImageError error = { .text = "" };

        if (!recovery->device)
                return;
        if (lun_attach_live(p, recovery->client, recovery->lun, true, &device, &error) < 0) {
                fprintf(stderr, "LUN %s cannot be attached again: %s\n", recovery->lun, error.text);
                return;
        }
        for (size_t i = 0; i < vss_value_count(recovery->mounts); i++)
                if (mount_again(vss_value_at(recovery->mounts, i), device) < 0)
                        fprintf(stderr, "LUN %s cannot be mounted again at %s\n", recovery->lun,
                                vss_value_get_string(vss_value_at(recovery->mounts, i), "target", ""));
}

static vss_result recover(vss_provider_call *call, Recovery *recovery) {
        LunProvider *p = vss_provider_call_userdata(call);
        _cleanup_value_ vss_value *request = client_request("write-back");
        vss_result result = detach(call, recovery);
        int r;

        if (result < 0)
                return result;
        r = request && vss_value_set_string(request, "id", recovery->id) >= 0 &&
                            vss_value_set_string(request, "lun", recovery->lun) >= 0
                    ? client_call(recovery->client, request, p->settings.call_usec, NULL)
                    : -ENOMEM;
        attach_again(p, recovery);
        if (r == -EBUSY)
                return in_use(call, recovery, "is attached by another host; detach it there first");
        return r < 0 ? lun_fail(call, recovery->volume, recovery->client, r) : VSS_S_OK;
}

/* Resync */

static bool is_requested(const vss_value *request, const char *id) {
        const vss_value *snapshots = vss_value_get(request, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcmp(vss_value_get_string(vss_value_at(snapshots, i), "id", ""), id) == 0)
                        return true;
        return false;
}

static const char *lun_name(const vss_value *info) {
        return vss_value_get_string(vss_value_get(info, "array"), "lun", "");
}

/* The whole LUN is written: each copy of the set that is of the same one must be in the request. */
static vss_result check_lun(vss_provider_call *call, const vss_value *list, const vss_value *info,
                            const vss_value *request) {
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *other = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(other, "set", ""), vss_value_get_string(info, "set", "")) ==
                            0 &&
                    strcmp(vss_value_get_string(other, "lun-array", ""),
                           vss_value_get_string(info, "lun-array", "")) == 0 &&
                    strcmp(lun_name(other), lun_name(info)) == 0 &&
                    !is_requested(request, vss_value_get_string(other, "id", "")))
                        return vss_provider_call_fail(call, VSS_E_UNSELECTED_VOLUME,
                                                      "%s lies on the same LUN, and was not chosen",
                                                      vss_value_get_string(other, "volume", "?"));
        }
        return VSS_S_OK;
}

/* The LUN that a volume lies on; "" is the original one. */
static vss_result choose_lun(vss_provider_call *call, const vss_value *info, const char *destination,
                             char ret_lun[static ARRAY_NAME_MAX + 1]) {
        LunProvider *p = vss_provider_call_userdata(call);
        const char *why = "it is not there";
        struct stat st;
        Place place;
        int r;

        (void)snprintf(ret_lun, ARRAY_NAME_MAX + 1, "%s", lun_name(info));
        if (!*destination)
                return VSS_S_OK;
        r = stat(destination, &st) < 0
                    ? -EMEDIUMTYPE
                    : place_find(p->live, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, &place, &why);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED, "%s: %s", destination, why);
        if (strcmp(place.array, vss_value_get_string(info, "lun-array", "")) != 0)
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED,
                                              "%s is on another array than its copy", destination);
        (void)snprintf(ret_lun, ARRAY_NAME_MAX + 1, "%s", place.lun);
        return VSS_S_OK;
}

static const vss_value *find(const vss_value *list, const char *id) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "id", ""), id) == 0)
                        return vss_value_at(list, i);
        return NULL;
}

/* Two volumes of one LUN are of one instant: it is written once. */
static bool is_done(const vss_value *done, const char *lun) {
        return value_contains(done, lun);
}

static vss_result resync_one(vss_provider_call *call, const vss_value *list, const vss_value *snapshot,
                             const vss_value *request, bool write, vss_value *done) {
        LunProvider *p = vss_provider_call_userdata(call);
        const char *id = vss_value_get_string(snapshot, "id", "");
        const vss_value *info = find(list, id);
        Recovery recovery = { .id = id, .volume = vss_value_get_string(info, "volume", "?") };
        char lun[ARRAY_NAME_MAX + 1];
        vss_result result;

        if (!info)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "shadow copy %.40s is on no array", id);
        result = choose_lun(call, info, vss_value_get_string(snapshot, "destination", ""), lun);
        if (result >= 0 && !(vss_value_get_integer(request, "flags", 0) & VSS_RECOVERY_NO_VOLUME_CHECK))
                result = check_lun(call, list, info, request);
        if (result < 0 || !write || is_done(done, lun))
                return result;
        recovery.client = lun_client(p, vss_value_get_string(info, "lun-array", ""));
        recovery.lun = lun;
        result = recover(call, &recovery);
        recovery_done(&recovery);
        if (result >= 0 && value_append_string(done, lun) < 0)
                return VSS_E_OUTOFMEMORY;
        return result;
}

vss_result lun_resync(vss_provider_call *call, const vss_value *request) {
        _cleanup_value_ vss_value *list = vss_value_new_list(), *done = vss_value_new_list();
        const vss_value *snapshots = vss_value_get(request, "snapshots");
        vss_result result = lun_list(call, list);

        /* All are looked at before the first is written. */
        for (int write = 0; write <= 1; write++)
                for (size_t i = 0; result >= 0 && i < vss_value_count(snapshots); i++)
                        result = resync_one(call, list, vss_value_at(snapshots, i), request, write, done);
        return result;
}

vss_result lun_revert(vss_provider_call *call, const char *snapshot_id, bool force) {
        _cleanup_value_ vss_value *info = NULL;
        Recovery recovery = { .id = snapshot_id, .force = force };
        vss_result result = lun_find(call, snapshot_id, &info, &recovery.client);
        const vss_value *own = vss_value_get(info, "lun");

        if (result < 0)
                return result;
        if (vss_value_get_integer(own, "length", 0) != 0)
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_NOT_SUPPORTED,
                        "%s is a part of its LUN, and the others would be reverted with it; resync "
                        "the LUN instead",
                        vss_value_get_string(info, "volume", "?"));
        recovery.lun = lun_name(info);
        recovery.volume = vss_value_get_string(info, "volume", "?");
        result = recover(call, &recovery);
        recovery_done(&recovery);
        return result;
}

/* It is done when it has been begun. */
vss_result lun_query_revert(vss_provider_call *call, const struct vss_volume *volume, vss_value *status) {
        return vss_value_set_boolean(status, "in-progress", false) < 0 ? VSS_E_OUTOFMEMORY : VSS_S_OK;
}
