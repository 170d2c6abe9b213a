/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where areas of a volume's copies lie, and how large they may be
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "providers/common/info.h"
#include "providers/dm/area.h"
#include "providers/dm/file.h"
#include "providers/dm/storage.h"

#define CONF_FILE LINUXVSS_CONFDIR "/dm.conf"
#define STORAGE_FILE "storage.json"

void storage_read_policy(Policy *ret_policy) {
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r;

        policy_default(ret_policy);
        r = conf_read(CONF_FILE, &error, &conf);
        if (r == -ENOENT)
                return;
        if (r == 0)
                r = policy_read(conf, &error, ret_policy);
        if (r < 0) {
                fprintf(stderr, CONF_FILE ":%u: %s; what is usual is used instead\n", error.line,
                        error.message);
                policy_default(ret_policy);
        }
}

/* Bytes of store that a copy's area has, from its header. */
static uint64_t area_size(const AreaHeader *header) {
        return (uint64_t)MAX(vss_value_get_integer(vss_value_get(header->info, "dm"), "area", 0), 0);
}

/* Adds up the areas of a volume's copies; @ids and @ret_used may be NULL. */
static int sum_areas(const char *filesystem, const char *on, vss_value *ids, uint64_t *ret_allocated,
                     uint64_t *ret_used) {
        _cleanup_value_ vss_value *mapped = vss_value_new_list();
        uint64_t allocated = 0, used = 0;
        int r;

        r = mapped ? store_list(mapped) : -ENOMEM;
        for (size_t i = 0; r == 0 && i < vss_value_count(mapped); i++) {
                const char *id = vss_value_string(vss_value_at(mapped, i), "");
                _cleanup_area_header_ AreaHeader header = { 0 };
                StoreState state;

                r = store_read_header(id, &header);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 ||
                    strcmp(vss_value_get_string(vss_value_get(header.info, "dm"), "origin", ""),
                           filesystem) != 0 ||
                    (on && strcmp(header.root.filesystem, on) != 0)) {
                        r = 0;
                        continue;
                }
                allocated += area_size(&header);
                if (store_state(id, &state) == 0 && state.live && !state.status.invalid)
                        used += state.status.used * DEVMAP_SECTOR;
                if (ids && value_append_string(ids, id) < 0)
                        return -ENOMEM;
        }
        if (r == 0) {
                *ret_allocated = allocated;
                *ret_used = used;
        }
        return r;
}

static int read_said(const Volume *volume, vss_value **ret_said) {
        _cleanup_(closep) int directory_fd = -1;
        Device device;
        int r;

        r = catalog_open_directory(volume->filesystem, false, &directory_fd, &device);
        return r == 0 ? file_read_value(directory_fd, STORAGE_FILE, ret_said) : r;
}

int storage_read(const Volume *volume, const Policy *policy, Storage *ret_storage) {
        _cleanup_value_ vss_value *said = NULL;
        Storage storage = { 0 };
        uint64_t used;
        const char *on;
        int64_t maximum;
        int r;

        storage.volume.size = volume->origin.sectors * DEVMAP_SECTOR;
        storage.maximum = policy_bytes(policy->maximum, storage.volume.size);
        (void)snprintf(storage.on, sizeof(storage.on), "%s", volume->filesystem);
        r = read_said(volume, &said);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && r != -ENOENT)
                fprintf(stderr,
                        "%s: /" AREA_DIRECTORY "/" STORAGE_FILE
                        " cannot be read: %s; what is usual is used instead\n",
                        volume->path, strerror(-r));
        on = vss_value_get_string(said, "on", "");
        if (r == 0 && info_id_is_valid(on)) {
                storage.is_explicit = true;
                (void)snprintf(storage.on, sizeof(storage.on), "%s", on);
                maximum = vss_value_get_integer(said, "maximum", -1);
                storage.maximum = maximum < 0 ? POLICY_NO_LIMIT : (uint64_t)maximum;
        }
        r = sum_areas(volume->filesystem, NULL, NULL, &storage.volume.allocated, &used);
        storage.volume.maximum = storage.maximum;
        if (r == 0)
                *ret_storage = storage;
        return r;
}

int storage_open(Storage *storage, bool make, int *ret_fd, Device *ret_on) {
        _cleanup_(closep) int fd = -1;
        int r;

        r = catalog_open_directory(storage->on, make, &fd, ret_on);
        if (r == 0)
                r = area_free_space(fd, &storage->volume.free);
        if (r == 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

static vss_result fail(vss_provider_call *call, const char *whom, int r) {
        return vss_provider_call_fail(call,
                                      r == -ENOMEM   ? VSS_E_OUTOFMEMORY
                                      : r == -ENOSPC ? VSS_E_INSUFFICIENT_STORAGE
                                                     : VSS_E_PROVIDER_VETO,
                                      "%s: its storage for shadow copies: %s", whom, strerror(-r));
}

/* Where a volume is mounted, or its device where it is not. */
static void path_of(const char *filesystem, char *ret_path, size_t size) {
        _cleanup_value_ vss_value *mounts = NULL;
        Volume volume;

        (void)snprintf(ret_path, size, "UUID=%s", filesystem);
        if (volume_by_filesystem(filesystem, &volume) < 0)
                return;
        (void)snprintf(ret_path, size, "%s", volume.path);
        if (mounts_list(volume.info.device, &mounts) < 0)
                return;
        for (size_t i = 0; i < vss_value_count(mounts); i++)
                if (strcmp(vss_value_get_string(vss_value_at(mounts, i), "root", ""), "/") == 0) {
                        (void)snprintf(ret_path, size, "%s",
                                       vss_value_get_string(vss_value_at(mounts, i), "target", ""));
                        return;
                }
}

static int query_one(const Volume *volume, const char *on, const Storage *storage, vss_value *list) {
        bool current = strcmp(on, storage->on) == 0;
        _cleanup_value_ vss_value *item = vss_value_new_dict();
        vss_value *ids = item ? value_require(item, "snapshots", VSS_KIND_LIST) : NULL;
        char path[PATH_MAX], diff_path[PATH_MAX];
        uint64_t allocated, used;
        int r;

        if (!ids)
                return -ENOMEM;
        r = sum_areas(volume->filesystem, on, ids, &allocated, &used);
        if (r < 0)
                return r;
        if (!current && vss_value_count(ids) == 0)
                return 0;
        path_of(volume->filesystem, path, sizeof(path));
        path_of(on, diff_path, sizeof(diff_path));
        if (vss_value_set_string(item, "volume", path) < 0 ||
            vss_value_set_string(item, "diff-volume", diff_path) < 0 ||
            vss_value_set_integer(item, "maximum",
                                  storage->maximum > INT64_MAX ? -1 : (int64_t)storage->maximum) < 0 ||
            vss_value_set_integer(item, "allocated", (int64_t)allocated) < 0 ||
            vss_value_set_integer(item, "used", (int64_t)used) < 0 ||
            vss_value_set_boolean(item, "explicit", current && storage->is_explicit) < 0)
                return -ENOMEM;
        return vss_value_append(list, TAKE_PTR(item)) < 0 ? -ENOMEM : 0;
}

/* A place that was detached is still the one that was set. */
static bool is_listed(const VolumeList *volumes, const char *filesystem) {
        for (size_t i = 0; i < volumes->n; i++)
                if (strcmp(volumes->items[i].filesystem, filesystem) == 0)
                        return true;
        return false;
}

vss_result storage_query(vss_provider_call *call, vss_value *list) {
        _cleanup_volumes_ VolumeList volumes = { 0 };
        Policy policy;
        int r;

        storage_read_policy(&policy);
        r = volume_list(&volumes);
        if (r == -EOPNOTSUPP)
                return VSS_S_OK;
        for (size_t i = 0; r == 0 && i < volumes.n; i++) {
                const Volume *volume = &volumes.items[i];
                Storage storage;

                if (volume->table == VOLUME_FOREIGN)
                        continue;
                r = storage_read(volume, &policy, &storage);
                /* Its own, and wherever else its areas lie by now. */
                for (size_t k = 0; r == 0 && k < volumes.n; k++)
                        r = query_one(volume, volumes.items[k].filesystem, &storage, list);
                if (r == 0 && !is_listed(&volumes, storage.on))
                        r = query_one(volume, storage.on, &storage, list);
        }
        return r < 0 ? fail(call, "dm", r) : VSS_S_OK;
}

static vss_result find_volume(vss_provider_call *call, const struct vss_volume *volume, Volume *ret_volume) {
        int r;

        r = volume_by_device(volume->device, ret_volume);
        if (r == 0 && ret_volume->table != VOLUME_FOREIGN)
                return VSS_S_OK;
        return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED,
                                      "%s: it is not attached: run vss attach --remount %s", volume->path,
                                      volume->source);
}

static vss_result write_said(vss_provider_call *call, const struct vss_volume *volume, const Volume *of,
                             const char *on, uint64_t maximum) {
        _cleanup_value_ vss_value *said = vss_value_new_dict();
        _cleanup_(closep) int directory_fd = -1;
        Device device;
        int r = 0;

        if (!said || vss_value_set_string(said, "on", on) < 0 ||
            vss_value_set_integer(said, "maximum", maximum > INT64_MAX ? -1 : (int64_t)maximum) < 0)
                r = -ENOMEM;
        if (r == 0)
                r = catalog_open_directory(of->filesystem, true, &directory_fd, &device);
        if (r == 0)
                r = file_replace_value(directory_fd, STORAGE_FILE, said);
        return r < 0 ? fail(call, volume->path, r) : VSS_S_OK;
}

vss_result storage_add(vss_provider_call *call, const struct vss_volume *volume,
                       const struct vss_volume *diff_volume, uint64_t maximum) {
        Volume of, on;
        Storage storage;
        Policy policy;
        vss_result result;
        int r;

        result = find_volume(call, volume, &of);
        if (result == VSS_S_OK)
                result = find_volume(call, diff_volume, &on);
        if (result < 0)
                return result;
        storage_read_policy(&policy);
        r = storage_read(&of, &policy, &storage);
        if (r < 0)
                return fail(call, volume->path, r);
        if (storage.is_explicit)
                return vss_provider_call_fail(
                        call,
                        strcmp(storage.on, on.filesystem) == 0 ? VSS_E_OBJECT_ALREADY_EXISTS
                                                               : VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED,
                        "%s: where its differences are kept is set already. Change "
                        "it (vss storage resize), or end it first (vss storage delete).",
                        volume->path);
        if (maximum < POLICY_AREA_MIN)
                return vss_provider_call_fail(call, VSS_E_INSUFFICIENT_STORAGE,
                                              "%s: at least %llu MiB are needed", volume->path,
                                              (unsigned long long)(POLICY_AREA_MIN / POLICY_GRAIN));
        return write_said(call, volume, &of, on.filesystem, maximum);
}

static vss_result forget_said(vss_provider_call *call, const struct vss_volume *volume, const Volume *of) {
        _cleanup_(closep) int directory_fd = -1;
        Device device;
        int r;

        r = catalog_open_directory(of->filesystem, false, &directory_fd, &device);
        if (r == 0 && unlinkat(directory_fd, STORAGE_FILE, 0) < 0)
                r = -errno;
        return r < 0 ? fail(call, volume->path, r) : VSS_S_OK;
}

vss_result storage_change(vss_provider_call *call, const struct vss_volume *volume,
                          const struct vss_volume *diff_volume, uint64_t maximum) {
        Volume of, on, place;
        Storage storage;
        Policy policy;
        vss_result result;
        int r;

        result = find_volume(call, volume, &of);
        if (result == VSS_S_OK)
                result = find_volume(call, diff_volume, &on);
        if (result < 0)
                return result;
        storage_read_policy(&policy);
        r = storage_read(&of, &policy, &storage);
        if (r < 0)
                return fail(call, volume->path, r);
        /* Where they were to be kept may have been detached: then it can be named no more. */
        if ((strcmp(storage.on, on.filesystem) != 0 &&
             volume_by_filesystem(storage.on, &place) != -ENOENT) ||
            (maximum == 0 && !storage.is_explicit))
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "%s: nobody has set that its differences are kept on %s",
                                              volume->path, diff_volume->path);
        if (maximum == 0) {
                if (storage.volume.allocated > 0)
                        return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                                      "%s: there are shadow copies whose differences are "
                                                      "kept there. Delete them first.",
                                                      volume->path);
                return forget_said(call, volume, &of);
        }
        if (maximum < POLICY_AREA_MIN)
                return vss_provider_call_fail(call, VSS_E_INVALIDARG, "%s: at least %llu MiB are needed",
                                              volume->path,
                                              (unsigned long long)(POLICY_AREA_MIN / POLICY_GRAIN));
        /* The service deletes the oldest, and asks again. */
        if (maximum < storage.volume.allocated)
                return vss_provider_call_fail(call, VSS_E_INSUFFICIENT_STORAGE,
                                              "%s: its shadow copies take %llu MiB. Delete some first.",
                                              volume->path,
                                              (unsigned long long)(storage.volume.allocated / POLICY_GRAIN));
        return write_said(call, volume, &of, on.filesystem, maximum);
}
