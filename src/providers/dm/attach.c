/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attaching and detaching volumes at run time
 */

#include <string.h>
#include "config.h"
#include "providers/common/block-mount.h"
#include "providers/common/info.h"
#include "providers/dm/attach.h"
#include "providers/dm/attached.h"
#include "providers/dm/boot-internal.h"
#include "providers/dm/catalog.h"
#include "providers/dm/lock.h"
#include "providers/dm/mounts.h"
#include "providers/dm/remount.h"
#include "providers/dm/volume.h"
#include "util/clock.h"

/* The kernel gives a device back some moments after its last unmount. */
#define FREE_USEC (3 * USEC_PER_SEC)
#define FREE_STEP_USEC (20 * USEC_PER_MSEC)

static vss_result unsupported(vss_provider_call *call, const Device *device, const char *why) {
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED, "%s: %s", device->path, why);
}

/* What may lie on it, and what it may be. */
static vss_result check_content(vss_provider_call *call, const Device *device, DeviceContent *ret_content) {
        const char *why;
        int r;

        r = device_content(device->path, ret_content);
        if (r == -EMEDIUMTYPE)
                return unsupported(call, device,
                                   "it has signatures of several file systems. See wipefs(8).");
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s: cannot be read: %s",
                                              device->path, strerror(-r));
        if (device_is_swap(device->number) || strcmp(ret_content->type, "swap") == 0)
                return unsupported(call, device, "it is swap space, which is not copied");
        if (strcmp(ret_content->type, "btrfs") == 0)
                return unsupported(call, device,
                                   "btrfs makes its shadow copies itself, by the btrfs provider");
        if (strcmp(ret_content->type, "LVM2_member") == 0)
                return unsupported(call, device,
                                   "it is a physical volume of LVM, whose volumes the lvm provider copies");
        if (strcmp(ret_content->type, "crypto_LUKS") == 0)
                return unsupported(call, device,
                                   "it is encrypted (LUKS). Unlock it, and attach what it is mapped to.");
        if (device_has_partitions(device->number) || (ret_content->partition_table && !ret_content->type[0]))
                return unsupported(call, device, "it is a disk with partitions. Attach one of these.");
        if (!block_mount_knows(ret_content->type))
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED,
                                              "%s: it holds %s; ext4, ext3, ext2 and XFS can be attached",
                                              device->path,
                                              ret_content->type[0] ? ret_content->type : "no file system");
        if (!info_id_is_valid(ret_content->uuid))
                return unsupported(call, device,
                                   "its file system has no UUID, by which it would be found again. "
                                   "Give it one (tune2fs -U random, xfs_admin -U generate).");
        r = block_mount_outside(device->path, ret_content->type, &why);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: its superblock cannot be read: %s", device->path,
                                              strerror(-r));
        return why ? unsupported(call, device, why) : VSS_S_OK;
}

static vss_result check_device(vss_provider_call *call, const Device *device) {
        char holder[128];
        DevmapInfo info;

        if (!devmap_is_there())
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "this kernel has no device-mapper (/dev/mapper/control)");
        if (devmap_info_device(device->number, &info) == 0) {
                if (strncmp(info.uuid, "LVM-", 4) == 0)
                        return unsupported(call, device,
                                           "it is a volume of LVM, which is the lvm provider's to copy");
                if (strncmp(info.uuid, "LINUXVSS-", 9) == 0)
                        return unsupported(call, device, "it is a device of Linux VSS itself");
        }
        if (device_holder(device->number, holder, sizeof(holder)) == 0)
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_IN_USE,
                        "%s: /dev/%s is made of it. Attach that one, or take it apart first.", device->path,
                        holder);
        return VSS_S_OK;
}

static vss_result choose_name(vss_provider_call *call, const DeviceContent *content,
                              const vss_value *options, char ret_name[static DEVMAP_NAME_SIZE]) {
        const char *wanted = vss_value_get_string(options, "name", "");
        DevmapInfo info;

        if (wanted[0] != 0) {
                if (!attached_name_is_valid(wanted))
                        return vss_provider_call_fail(
                                call, VSS_E_INVALIDARG,
                                "\"%s\" cannot be the name of a volume: at most 64 letters, digits and _.+-",
                                wanted);
                (void)snprintf(ret_name, DEVMAP_NAME_SIZE, "%s", wanted);
        } else {
                DeviceContent unlabelled = *content;

                volume_default_name(content, ret_name);
                unlabelled.label[0] = 0;
                if (devmap_info(ret_name, &info) == 0)
                        volume_default_name(&unlabelled, ret_name);
        }
        if (devmap_info(ret_name, &info) == 0)
                return vss_provider_call_fail(
                        call, VSS_E_OBJECT_ALREADY_EXISTS,
                        "there is a device /dev/mapper/%s already. Choose another name.", ret_name);
        return VSS_S_OK;
}

static bool is_at_boot(const char *name) {
        Attached attached;
        ConfError error;

        return attached_read(name, &error, &attached) == 0;
}

static int write_conf(const char *name, const char *filesystem) {
        Attached attached = { 0 };

        (void)snprintf(attached.name, sizeof(attached.name), "%.64s", name);
        (void)snprintf(attached.source, sizeof(attached.source), "UUID=%s", filesystem);
        return attached_write(&attached);
}

static int remove_conf(const char *name) {
        int r;

        r = attached_remove(name);
        return r == -ENOENT ? 0 : r;
}

static int describe(const Volume *volume, vss_value *result) {
        _cleanup_value_ vss_value *mounts = NULL;
        vss_value *targets;
        int r;

        r = mounts_list(volume->info.device, &mounts);
        if (r < 0)
                return r;
        targets = value_require(result, "mounted", VSS_KIND_LIST);
        if (!targets || mounts_targets(mounts, targets) < 0 ||
            vss_value_set_string(result, "device", volume->origin.path) < 0 ||
            vss_value_set_string(result, "name", volume->info.name) < 0 ||
            vss_value_set_string(result, "mapped", volume->path) < 0)
                return -ENOMEM;
        return 0;
}

/* With the persistent copies that it has and that may be believed, as at boot. */
static int create_when_free(const char *name, const Device *device) {
        _cleanup_(freep) BootReport *report = calloc(1, sizeof(*report));
        uint64_t until = now_usec() + FREE_USEC;
        int r;

        if (!report)
                return -ENOMEM;
        for (;;) {
                r = boot_attach(device, name, report);
                if (r != -EBUSY || now_usec() > until)
                        break;
                (void)usleep(FREE_STEP_USEC);
        }
        for (size_t i = 0; i < report->n; i++)
                if (report->notes[i].reason[0])
                        fprintf(stderr, "%s: shadow copy %s is lost: %s\n", device->path,
                                report->notes[i].id, report->notes[i].reason);
        if (r < 0)
                fprintf(stderr, "%s\n", report->message);
        return r;
}

static int remove_when_free(const char *name) {
        uint64_t until = now_usec() + FREE_USEC;
        int r;

        for (;;) {
                r = devmap_remove(name);
                if (r != -EBUSY || now_usec() > until)
                        return r;
                (void)usleep(FREE_STEP_USEC);
        }
}

static const char *culprit_of(const Remount *remount, const char *otherwise) {
        return vss_value_get_string(remount->culprit, "target", otherwise);
}

/* Unmounted by now: what fails from here on puts back what was. */
static vss_result put_back(vss_provider_call *call, Remount *remount, const char *source, const char *what,
                           int error) {
        char where[512];
        int r;

        (void)snprintf(where, sizeof(where), "%s", culprit_of(remount, source));
        r = remount_end(remount, source);
        if (r < 0)
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "%s: %s: %s; and %s could not be mounted again from %s: %s. Mount it.", where, what,
                        strerror(-error), culprit_of(remount, "it"), source, strerror(-r));
        return vss_provider_call_fail(call, error == -EBUSY ? VSS_E_VOLUME_IN_USE : VSS_E_PROVIDER_VETO,
                                      "%s: %s: %s%s", where, what, strerror(-error),
                                      vss_value_count(remount->mounts) > 0 ? ". It is mounted as before."
                                                                           : "");
}

static vss_result unmount_all(vss_provider_call *call, dev_t device, const vss_value *options,
                              const char *from, const char *to, Remount *ret_remount) {
        _cleanup_value_ vss_value *mounts = NULL;
        int r;

        r = mounts_list(device, &mounts);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "the mount table cannot be read: %s", strerror(-r));
        if (vss_value_count(mounts) > 0 && !vss_value_get_boolean(options, "remount", false))
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_IN_USE,
                        "%s is mounted at %s. Unmount it, or let it be mounted anew (--remount).", from,
                        vss_value_get_string(vss_value_at(mounts, 0), "target", "?"));
        r = remount_begin(ret_remount, TAKE_PTR(mounts), from, to);
        if (r == -EBUSY)
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_IN_USE,
                        "%s cannot be unmounted: files on it are open, or something is mounted "
                        "below it. It is mounted as before.",
                        culprit_of(ret_remount, from));
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s cannot be unmounted: %s",
                                              culprit_of(ret_remount, from), strerror(-r));
        return VSS_S_OK;
}

/* It is attached already: nothing to do but to say so. */
static vss_result attach_again(vss_provider_call *call, const Volume *volume, const vss_value *options,
                               vss_value *result) {
        const char *name = vss_value_get_string(options, "name", "");
        int r = 0;

        if (name[0] != 0 && strcmp(name, volume->info.name) != 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s is attached already, as %s", volume->origin.path,
                                              volume->path);
        if (vss_value_get_boolean(options, "boot", true))
                r = write_conf(volume->info.name, volume->filesystem);
        if (r == 0)
                r = describe(volume, result);
        return r < 0 ? vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s: %s", volume->path,
                                              strerror(-r))
                     : VSS_S_OK;
}

static void undo_attach(const char *name, const Device *device) {
        _cleanup_(freep) BootReport *report = calloc(1, sizeof(*report));

        /* Copies without their volume would keep the device from being mounted. */
        if (remove_when_free(name) == 0 && report)
                (void)boot_remove_copies(device, report);
}

static bool is_root(dev_t device) {
        _cleanup_value_ vss_value *mounts = NULL;

        if (mounts_list(device, &mounts) < 0)
                return false;
        for (size_t i = 0; i < vss_value_count(mounts); i++)
                if (strcmp(vss_value_get_string(vss_value_at(mounts, i), "target", ""), "/") == 0)
                        return true;
        return false;
}

static vss_result attach_free(vss_provider_call *call, const Device *device, const DeviceContent *content,
                              const char *name, const vss_value *options, Volume *ret_volume) {
        _cleanup_remount_ Remount remount = { 0 };
        char path[DEVMAP_PATH_SIZE];
        vss_result result;
        int r;

        devmap_path(name, path);
        if (is_root(device->number))
                return unsupported(call, device, "it holds the root file system, which cannot be attached.");
        result = unmount_all(call, device->number, options, device->path, path, &remount);
        if (result < 0)
                return result;
        r = create_when_free(name, device);
        boot_stop("attached");
        if (r == -EEXIST)
                return put_back(call, &remount, device->path, "a volume with the same UUID is attached", r);
        if (r < 0)
                return put_back(call, &remount, device->path,
                                r == -EBUSY ? "somebody uses it, perhaps in another mount namespace"
                                            : "it cannot be mapped",
                                r);
        if (vss_value_get_boolean(options, "boot", true)) {
                r = write_conf(name, content->uuid);
                if (r < 0) {
                        undo_attach(name, device);
                        return put_back(call, &remount, device->path, ATTACHED_DIR " cannot be written to",
                                        r);
                }
        }
        r = volume_by_filesystem(content->uuid, ret_volume);
        if (r == 0)
                r = remount_end(&remount, path);
        if (r < 0) {
                _cleanup_value_ vss_value *mounts = NULL;
                const vss_value *ignored;

                /* Some of it may be mounted by now. */
                if (mounts_list(ret_volume->info.device, &mounts) == 0)
                        (void)mounts_remove(mounts, &ignored);
                undo_attach(name, device);
                (void)remove_conf(name);
                return put_back(call, &remount, device->path, "it cannot be mounted as it was", r);
        }
        return VSS_S_OK;
}

static vss_result others_are_at_it(vss_provider_call *call, const char *name) {
        return vss_provider_call_fail(
                call, VSS_E_PROVIDER_VETO,
                "%s: another volume has been in the midst of being attached or detached for %u seconds. "
                "See whether vss-dm-boot hangs, and try again.",
                name, (unsigned)(LOCK_ATTACH_USEC / USEC_PER_SEC));
}

vss_result attach_device(vss_provider_call *call, const char *name, const vss_value *options,
                         vss_value *result) {
        _cleanup_(closep) int lock = lock_take(LOCK_ATTACH_USEC);
        char volume_name[DEVMAP_NAME_SIZE];
        DeviceContent content;
        vss_result failure;
        Volume volume;
        Device device;
        int r;

        if (lock == -EAGAIN)
                return others_are_at_it(call, name);
        if (volume_find(name, &volume) == 0 && volume.table != VOLUME_FOREIGN)
                return attach_again(call, &volume, options, result);
        r = device_open(name, &device);
        if (r < 0)
                return vss_provider_call_fail(
                        call, r == -ENOTBLK ? VSS_E_VOLUME_NOT_SUPPORTED : VSS_E_OBJECT_NOT_FOUND, "%s: %s",
                        name, r == -ENOTBLK ? "it is no block device" : strerror(-r));
        failure = check_device(call, &device);
        if (failure == VSS_S_OK)
                failure = check_content(call, &device, &content);
        if (failure == VSS_S_OK)
                failure = choose_name(call, &content, options, volume_name);
        if (failure == VSS_S_OK)
                failure = attach_free(call, &device, &content, volume_name, options, &volume);
        if (failure < 0)
                return failure;
        r = describe(&volume, result);
        return r < 0 ? vss_provider_call_fail(call, VSS_E_PROVIDER_VETO, "%s: %s", volume.path, strerror(-r))
                     : VSS_S_OK;
}

static vss_result check_copies(vss_provider_call *call, const Volume *volume) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        int r;

        r = ids ? catalog_ids_of(volume, ids) : -ENOMEM;
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "%s: its shadow copies cannot be listed: %s", volume->path,
                                              strerror(-r));
        if (vss_value_count(ids) > 0)
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_IN_USE,
                        "%s: shadow copies need it (%zu; %s is one). Delete them first.", volume->path,
                        vss_value_count(ids), vss_value_string(vss_value_at(ids, 0), "?"));
        return VSS_S_OK;
}

vss_result attach_detach(vss_provider_call *call, const char *name, const vss_value *options,
                         vss_value *result) {
        _cleanup_(closep) int lock = lock_take(LOCK_ATTACH_USEC);
        _cleanup_remount_ Remount remount = { 0 };
        vss_result failure;
        Volume volume;
        int r;

        if (lock == -EAGAIN)
                return others_are_at_it(call, name);
        r = volume_find(name, &volume);
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "%s is no attached volume: %s",
                                              name, strerror(-r));
        failure = check_copies(call, &volume);
        if (failure == VSS_S_OK)
                failure = unmount_all(call, volume.info.device, options, volume.path, volume.origin.path,
                                      &remount);
        if (failure < 0)
                return failure;
        r = remove_when_free(volume.info.name);
        boot_stop("detached");
        if (r < 0)
                return put_back(call, &remount, volume.path, "somebody uses it", r);
        r = remove_conf(volume.info.name);
        if (r < 0)
                fprintf(stderr,
                        "%s: it will be attached again at the next boot: " ATTACHED_DIR "/%s.conf: %s\n",
                        volume.path, volume.info.name, strerror(-r));
        r = remount_end(&remount, volume.origin.path);
        if (r < 0)
                return vss_provider_call_fail(
                        call, VSS_E_PROVIDER_VETO,
                        "%s is detached, but %s cannot be mounted from it: %s. Mount it.",
                        volume.origin.path, culprit_of(&remount, "what was mounted"), strerror(-r));
        if (vss_value_set_string(result, "device", volume.origin.path) < 0 ||
            vss_value_set_string(result, "name", volume.info.name) < 0)
                return vss_provider_call_fail(call, VSS_E_OUTOFMEMORY, "%s: out of memory",
                                              volume.origin.path);
        return VSS_S_OK;
}

static int query_one(const Volume *volume, vss_value *list) {
        _cleanup_value_ vss_value *item = vss_value_new_dict();
        vss_value *ids = item ? value_require(item, "snapshots", VSS_KIND_LIST) : NULL;
        int r;

        if (!ids || vss_value_set_boolean(item, "boot", is_at_boot(volume->info.name)) < 0)
                return -ENOMEM;
        r = describe(volume, item);
        if (r == 0)
                r = catalog_ids_of(volume, ids);
        if (r < 0)
                return r;
        return vss_value_append(list, TAKE_PTR(item)) < 0 ? -ENOMEM : 0;
}

vss_result attach_query(vss_provider_call *call, vss_value *list) {
        _cleanup_volumes_ VolumeList volumes = { 0 };
        int r;

        r = volume_list(&volumes);
        if (r == -EOPNOTSUPP)
                return VSS_S_OK;
        for (size_t i = 0; r == 0 && i < volumes.n; i++)
                r = query_one(&volumes.items[i], list);
        return r < 0 ? vss_provider_call_fail(call, VSS_E_PROVIDER_VETO,
                                              "attached volumes cannot be listed: %s", strerror(-r))
                     : VSS_S_OK;
}

void attach_recover(void) {
        _cleanup_(closep) int lock = -1;
        int r;

        if (!remount_is_recorded())
                return;
        /* Is another one at it, and alive? Then it mounts again what it has unmounted. */
        lock = lock_take(LOCK_ATTACH_USEC);
        if (lock == -EAGAIN)
                return;
        r = remount_recover();
        if (r < 0)
                fprintf(stderr,
                        "what an attach that was killed has unmounted cannot be mounted again: %s. "
                        "See " LINUXVSS_RUNDIR "/dm-remount.json.\n",
                        strerror(-r));
        else if (r > 0)
                fprintf(stderr, "what an attach that was killed had unmounted is mounted again\n");
}
