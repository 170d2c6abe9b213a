/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The null provider plays difference areas, attached devices, and a storage that has to be looked after
 *
 * What it is told is recorded beside its copies; nothing else happens. Which copies are lost, and how full
 * it all is, its settings say.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include "providers/common/info.h"
#include "providers/null/calls.h"
#include "providers/null/memory.h"

#define RECORD_NAME "storage"
#define RECORD_ID "00000000-0000-0000-0000-000000000000"
#define RECORDED_MAX 64u

/* What was recorded; nothing if there is no record. */
static int record_read(int memory, vss_value **ret_record) {
        _cleanup_value_ vss_value *record = NULL;
        _cleanup_(closep) int fd = -1;
        const char *reason;
        int r;

        fd = openat(memory, RECORD_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : info_read(fd, RECORD_ID, &reason, &record);
        if (r == -ENOENT) {
                record = vss_value_new_dict();
                r = record && vss_value_set_string(record, "id", RECORD_ID) >= 0 &&
                                    vss_value_set_string(record, "set", RECORD_ID) >= 0
                            ? 0
                            : -ENOMEM;
        }
        if (r >= 0)
                *ret_record = TAKE_PTR(record);
        return r;
}

static int record_write(int memory, const vss_value *record) {
        _cleanup_(closep) int fd = -1;

        if (mkdirat(memory, RECORD_NAME, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(memory, RECORD_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : info_replace(fd, record);
}

static vss_result open_record(vss_provider_call *call, int *ret_memory, vss_value **ret_record) {
        NullProvider *p = vss_provider_call_userdata(call);
        vss_result result = null_open_memory(call, ret_memory);
        int r = result < 0 ? 0 : record_read(*ret_memory, ret_record);

        return r < 0 ? null_fail(call, p->directory, "its record cannot be read", r) : result;
}

static vss_result write_record(vss_provider_call *call, int memory, const vss_value *record) {
        NullProvider *p = vss_provider_call_userdata(call);
        int r = record_write(memory, record);

        return r < 0 ? null_fail(call, p->directory, "its record cannot be written", r) : VSS_S_OK;
}

/* All but one of a list. */
static int drop_from(vss_value *record, const char *key, size_t index) {
        _cleanup_value_ vss_value *kept = vss_value_new_list();
        const vss_value *list = vss_value_get(record, key);

        for (size_t i = 0; i < vss_value_count(list); i++)
                if (i != index && vss_value_append(kept, vss_value_copy(vss_value_at(list, i))) < 0)
                        return -ENOMEM;
        return vss_value_set(record, key, TAKE_PTR(kept)) < 0 ? -ENOMEM : 0;
}

/* Ids of the copies whose original is @volume. */
static vss_value *list_ids(const vss_value *copies, const char *volume) {
        vss_value *ids = vss_value_new_list();

        for (size_t i = 0; i < vss_value_count(copies); i++)
                if (strcmp(vss_value_get_string(vss_value_at(copies, i), "volume", ""), volume) == 0)
                        (void)value_append_string(ids,
                                                  vss_value_get_string(vss_value_at(copies, i), "id", ""));
        return ids;
}

/* Difference areas */

vss_result null_query_diff_areas(vss_provider_call *call, vss_value *list) {
        _cleanup_value_ vss_value *record = NULL, *copies = vss_value_new_list();
        _cleanup_(closep) int memory = -1;
        const vss_value *areas;
        NullSettings config;
        vss_result result = null_read_config(call, &config);
        int r;

        if (result >= 0)
                result = open_record(call, &memory, &record);
        if (result < 0)
                return result;
        r = memory_list(memory, NULL, copies);
        areas = vss_value_get(record, "areas");
        for (size_t i = 0; r >= 0 && i < vss_value_count(areas); i++) {
                vss_value *area = vss_value_copy(vss_value_at(areas, i));

                if (!area || vss_value_set_integer(area, "used", (int64_t)config.used) < 0 ||
                    vss_value_set_integer(area, "allocated", (int64_t)config.used) < 0 ||
                    vss_value_set_boolean(area, "explicit", true) < 0 ||
                    vss_value_set(area, "snapshots",
                                  list_ids(copies, vss_value_get_string(area, "volume", ""))) < 0) {
                        vss_value_free(area);
                        r = -ENOMEM;
                } else if (vss_value_append(list, area) < 0)
                        r = -ENOMEM;
        }
        return r < 0 ? null_fail(call, "difference areas", "cannot be listed", r) : VSS_S_OK;
}

/* The index of the area of @volume on @on; the number of them if there is none. */
static size_t find_area(const vss_value *record, const char *volume, const char *on) {
        const vss_value *areas = vss_value_get(record, "areas");
        size_t i = 0;

        while (i < vss_value_count(areas) &&
               (strcmp(vss_value_get_string(vss_value_at(areas, i), "volume", ""), volume) != 0 ||
                strcmp(vss_value_get_string(vss_value_at(areas, i), "diff-volume", ""), on) != 0))
                i++;
        return i;
}

vss_result null_add_diff_area(vss_provider_call *call, const struct vss_volume *volume,
                              const struct vss_volume *diff_volume, uint64_t maximum) {
        _cleanup_value_ vss_value *record = NULL;
        _cleanup_(closep) int memory = -1;
        vss_result result = open_record(call, &memory, &record);
        vss_value *areas, *area;
        size_t n;

        if (result < 0)
                return result;
        areas = value_require(record, "areas", VSS_KIND_LIST);
        n = vss_value_count(areas);
        if (find_area(record, volume->path, diff_volume->path) < n)
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "differences of %s are kept on %s already; change the limit",
                                              volume->path, diff_volume->path);
        if (n >= RECORDED_MAX)
                return vss_provider_call_fail(call, VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED,
                                              "%s: there are %u difference areas already", volume->path,
                                              RECORDED_MAX);
        area = vss_value_new_dict();
        if (vss_value_set_string(area, "volume", volume->path) < 0 ||
            vss_value_set_string(area, "diff-volume", diff_volume->path) < 0 ||
            vss_value_set_integer(area, "maximum", (int64_t)maximum) < 0) {
                vss_value_free(area);
                return null_fail(call, volume->path, "", -ENOMEM);
        }
        if (vss_value_append(areas, area) < 0)
                return null_fail(call, volume->path, "", -ENOMEM);
        return write_record(call, memory, record);
}

vss_result null_change_diff_area(vss_provider_call *call, const struct vss_volume *volume,
                                 const struct vss_volume *diff_volume, uint64_t maximum) {
        _cleanup_value_ vss_value *record = NULL, *copies = vss_value_new_list(), *ids = NULL;
        _cleanup_(closep) int memory = -1;
        vss_result result = open_record(call, &memory, &record);
        vss_value *areas;
        size_t index;
        int r;

        if (result < 0)
                return result;
        areas = value_require(record, "areas", VSS_KIND_LIST);
        index = find_area(record, volume->path, diff_volume->path);
        if (index >= vss_value_count(areas))
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND,
                                              "no differences of %s are kept on %s; add a place for them",
                                              volume->path, diff_volume->path);
        r = memory_list(memory, NULL, copies);
        ids = list_ids(copies, volume->path);
        if (r >= 0 && maximum == 0 && vss_value_count(ids) > 0)
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "%zu shadow copies of %s stand; delete them first",
                                              vss_value_count(ids), volume->path);
        if (r >= 0)
                r = maximum == 0 ? drop_from(record, "areas", index)
                    : vss_value_set_integer(value_at_mutable(areas, index), "maximum", (int64_t)maximum) < 0
                            ? -ENOMEM
                            : 0;
        return r < 0 ? null_fail(call, volume->path, "", r) : write_record(call, memory, record);
}

/* What stands */

int null_mark_lost(const NullSettings *config, vss_value *list) {
        for (size_t i = 0; *config->lost && i < vss_value_count(list); i++) {
                vss_value *info = value_at_mutable(list, i);

                if (strcmp(vss_value_get_string(info, "id", ""), config->lost) == 0 &&
                    (vss_value_set_string(info, "state", "lost") < 0 ||
                     vss_value_set_string(info, "reason", "its settings say that it is lost") < 0))
                        return -ENOMEM;
        }
        return 0;
}

static int tell(vss_value *results, const char *what, const vss_value *info, const char *message,
                int64_t used) {
        vss_value *event = vss_value_new_dict();

        if (vss_value_set_string(event, "event", what) < 0 ||
            vss_value_set_string(event, "snapshot", vss_value_get_string(info, "id", "")) < 0 ||
            vss_value_set_string(event, "volume", vss_value_get_string(info, "volume", "")) < 0 ||
            vss_value_set_string(event, "message", message) < 0 ||
            vss_value_set_integer(event, "used", used) < 0) {
                vss_value_free(event);
                return -ENOMEM;
        }
        return vss_value_append(value_require(results, "events", VSS_KIND_LIST), event) < 0 ? -ENOMEM : 0;
}

/* What is lost is told once, what is dropped cannot be told twice. */
static int check_copy(int memory, const NullSettings *config, const vss_value *info, vss_value *results) {
        const char *id = vss_value_get_string(info, "id", "");
        _cleanup_value_ vss_value *changed = NULL;
        vss_value *own;
        int r = 0;

        if (strcmp(id, config->dropped) == 0) {
                r = memory_remove(memory, id);
                return r < 0 ? r : tell(results, "snapshot-deleted", info, "its settings say so", 0);
        }
        if (config->low)
                r = tell(results, "storage-low", info, "it is almost full", (int64_t)config->used);
        own = (vss_value *)vss_value_get(info, "null");
        if (r < 0 || strcmp(id, config->lost) != 0 || vss_value_get_boolean(own, "lost", false))
                return r;
        changed = vss_value_copy(info);
        own = value_require(changed, "null", VSS_KIND_DICT);
        if (!own || vss_value_set_boolean(own, "lost", true) < 0)
                return -ENOMEM;
        r = memory_replace(memory, id, changed);
        return r < 0 ? r : tell(results, "snapshot-lost", info, "its settings say that it is lost", 0);
}

vss_result null_check_storage(vss_provider_call *call, vss_value *results) {
        _cleanup_value_ vss_value *copies = vss_value_new_list();
        NullProvider *p = vss_provider_call_userdata(call);
        _cleanup_(closep) int memory = -1;
        NullSettings config;
        vss_result result = null_read_config(call, &config);
        int r;

        if (result >= 0)
                result = null_open_memory(call, &memory);
        if (result < 0)
                return result;
        r = memory_list(memory, NULL, copies);
        for (size_t i = 0; r >= 0 && i < vss_value_count(copies); i++)
                r = check_copy(memory, &config, vss_value_at(copies, i), results);
        if (r >= 0 && vss_value_count(copies) > 0 && config.check_millis > 0 &&
            vss_value_set_integer(results, "next-usec", (int64_t)config.check_millis * 1000) < 0)
                r = -ENOMEM;
        return r < 0 ? null_fail(call, p->directory, "cannot be looked after", r) : VSS_S_OK;
}

/* Devices */

static size_t find_device(const vss_value *record, const char *key, const char *value) {
        const vss_value *attached = vss_value_get(record, "attached");
        size_t i = 0;

        while (i < vss_value_count(attached) &&
               strcmp(vss_value_get_string(vss_value_at(attached, i), key, ""), value) != 0)
                i++;
        return i;
}

/* Nothing is mapped: its name stands for it. */
static int describe_device(vss_value *into, const char *device, const vss_value *options) {
        const char *slash = strrchr(device, '/');
        const char *name = vss_value_get_string(options, "name", slash ? slash + 1 : device);

        if (vss_value_set_string(into, "device", device) < 0 ||
            vss_value_set_string(into, "name", name) < 0 ||
            value_set_printf(into, "mapped", "/dev/mapper/%s", name) < 0 ||
            vss_value_set_boolean(into, "boot", vss_value_get_boolean(options, "boot", true)) < 0 ||
            vss_value_set_boolean(into, "remount", vss_value_get_boolean(options, "remount", false)) < 0 ||
            !value_require(into, "mounted", VSS_KIND_LIST))
                return -ENOMEM;
        return 0;
}

vss_result null_attach_device(vss_provider_call *call, const char *device, const vss_value *options,
                              vss_value *result) {
        _cleanup_value_ vss_value *record = NULL;
        _cleanup_(closep) int memory = -1;
        vss_result code = open_record(call, &memory, &record);
        vss_value *attached;
        size_t n;

        if (code < 0)
                return code;
        if (device[0] != '/')
                return vss_provider_call_fail(call, VSS_E_INVALIDARG, "%s is no path of a device", device);
        attached = value_require(record, "attached", VSS_KIND_LIST);
        n = vss_value_count(attached);
        if (find_device(record, "device", device) < n)
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS, "%s is attached already",
                                              device);
        if (n >= RECORDED_MAX)
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER,
                                              "%s: %u devices are attached already", device, RECORDED_MAX);
        if (describe_device(result, device, options) < 0 ||
            vss_value_append(attached, vss_value_copy(result)) < 0)
                return null_fail(call, device, "", -ENOMEM);
        return write_record(call, memory, record);
}

vss_result null_detach_device(vss_provider_call *call, const char *device, const vss_value *options,
                              vss_value *result) {
        _cleanup_value_ vss_value *record = NULL;
        _cleanup_(closep) int memory = -1;
        vss_result code = open_record(call, &memory, &record);
        NullSettings config;
        vss_value *attached;
        size_t index;

        if (code >= 0)
                code = null_read_config(call, &config);
        if (code < 0)
                return code;
        attached = value_require(record, "attached", VSS_KIND_LIST);
        index = find_device(record, "device", device);
        if (index >= vss_value_count(attached))
                return vss_provider_call_fail(call, VSS_E_OBJECT_NOT_FOUND, "%s is not attached", device);
        if (config.in_use)
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "%s is in use", device);
        if (vss_value_set_string(result, "device", device) < 0 ||
            vss_value_set_boolean(result, "remount", vss_value_get_boolean(options, "remount", false)) < 0 ||
            drop_from(record, "attached", index) < 0)
                return null_fail(call, device, "", -ENOMEM);
        return write_record(call, memory, record);
}

vss_result null_query_attached(vss_provider_call *call, vss_value *list) {
        _cleanup_value_ vss_value *record = NULL;
        _cleanup_(closep) int memory = -1;
        vss_result code = open_record(call, &memory, &record);
        const vss_value *attached = vss_value_get(record, "attached");

        for (size_t i = 0; code >= 0 && i < vss_value_count(attached); i++) {
                vss_value *device = vss_value_copy(vss_value_at(attached, i));

                if (!value_require(device, "snapshots", VSS_KIND_LIST)) {
                        vss_value_free(device);
                        return null_fail(call, "attached devices", "", -ENOMEM);
                }
                if (vss_value_append(list, device) < 0)
                        return null_fail(call, "attached devices", "", -ENOMEM);
        }
        return code;
}
