/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Difference areas: where the differences of copies lie, and how much they may take
 *
 * Those of a classic snapshot lie in its own store, anywhere in the volume group; the maximum for all copies
 * of a volume is a tag of the original. Those of thin volumes lie in their pool, together with everything
 * else.
 */

#include <inttypes.h>
#include <string.h>
#include "providers/lvm/area.h"
#include "providers/lvm/copy.h"

static bool is_copy_of(const LogicalVolume *lv, const LogicalVolume *origin) {
        return !copy_is_thin(lv) && tags_contain(&lv->tags, TAG_OURS) && strcmp(lv->vg, origin->vg) == 0 &&
               strcmp(lv->origin, origin->name) == 0;
}

/* UINT64_MAX: none was set. */
static uint64_t read_maximum(const LogicalVolume *origin) {
        const char *tag = tags_find(&origin->tags, TAG_MAXIMUM);
        uint64_t maximum;
        char *end;

        if (!tag || *tag < '0' || *tag > '9')
                return UINT64_MAX;
        errno = 0;
        maximum = strtoull(tag, &end, 10);
        return errno || *end ? UINT64_MAX : maximum;
}

uint64_t area_left(const Report *report, const LogicalVolume *origin) {
        uint64_t left = read_maximum(origin);

        if (left == UINT64_MAX)
                return left;
        for (size_t i = 0; i < report->n; i++)
                if (is_copy_of(&report->items[i], origin))
                        left -= MIN(left, report->items[i].size);
        return left;
}

static vss_result fail(vss_provider_call *call, const char *whom, const char *what, int r) {
        return vss_provider_call_fail(
                call, r == -ENOMEM ? VSS_E_OUTOFMEMORY : VSS_E_UNEXPECTED_PROVIDER_ERROR, "%s: %s: %s", whom,
                what, provider_error(vss_provider_call_userdata(call), r));
}

/* Of a copy: the original's UUID and where it is mounted. */
typedef struct About {
        vss_value *info;
        const char *origin, *volume;
} About;

static void about_done(About *about) {
        vss_value_free(about->info);
}

static bool look_at(const LogicalVolume *lv, About *ret) {
        if (!tags_contain(&lv->tags, TAG_OURS) || tags_decode(&lv->tags, &ret->info) < 0)
                return false;
        ret->origin = vss_value_get_string(vss_value_get(ret->info, "lvm"), "origin", "");
        ret->volume = vss_value_get_string(ret->info, "volume", "");
        return true;
}

static uint64_t used_of_store(const LogicalVolume *lv) {
        _cleanup_(freep) char *status = NULL;
        char name[DEVMAP_NAME_SIZE];
        DevmapSnapshot state;

        if (copy_device_name(lv, name) < 0 || origin_read_target(name, "snapshot", true, &status) < 0 ||
            devmap_parse_snapshot(status, &state) < 0)
                return 0;
        return state.invalid ? lv->size : state.used * DEVMAP_SECTOR;
}

static uint64_t used_of_pool(const LogicalVolume *lv, const LogicalVolume *pool) {
        _cleanup_(freep) char *status = NULL;
        char name[DEVMAP_NAME_SIZE];
        PoolState state;

        if (lvm_pool_device_name(lv->vg, lv->pool, sizeof(name), name) < 0)
                return 0;
        if (origin_read_target(name, "thin-pool", true, &status) < 0 ||
            pool_state_parse(status, &state) < 0 || state.data_total == 0)
                return 0;
        return (uint64_t)((double)pool->size * (double)state.data_used / (double)state.data_total);
}

/* The area of one original: everything of ours in @report that is a copy of it. */
static int describe(const Report *report, const About *first, vss_value *entry) {
        vss_value *snapshots = value_require(entry, "snapshots", VSS_KIND_LIST);
        uint64_t allocated = 0, used = 0, maximum = UINT64_MAX;

        if (!snapshots)
                return -ENOMEM;
        for (size_t i = 0; i < report->n; i++) {
                const LogicalVolume *lv = &report->items[i], *pool;
                _cleanup_(about_done) About about = { 0 };

                if (strcmp(lv->uuid, first->origin) == 0)
                        maximum = read_maximum(lv);
                if (!look_at(lv, &about) || strcmp(about.origin, first->origin) != 0)
                        continue;
                if (value_append_string(snapshots, vss_value_get_string(about.info, "id", "")) < 0)
                        return -ENOMEM;
                pool = copy_is_thin(lv) ? report_find_name(report, lv->vg, lv->pool) : NULL;
                if (pool) {
                        allocated = pool->size;
                        used = used_of_pool(lv, pool);
                } else if (!copy_is_thin(lv)) {
                        allocated += lv->size;
                        used += used_of_store(lv);
                }
        }
        if (vss_value_set_string(entry, "volume", first->volume) < 0 ||
            vss_value_set_string(entry, "diff-volume", first->volume) < 0 ||
            vss_value_set_integer(entry, "maximum", maximum > INT64_MAX ? -1 : (int64_t)maximum) < 0 ||
            vss_value_set_integer(entry, "allocated", (int64_t)allocated) < 0 ||
            vss_value_set_integer(entry, "used", (int64_t)used) < 0 ||
            vss_value_set_boolean(entry, "explicit", maximum != UINT64_MAX) < 0)
                return -ENOMEM;
        return 0;
}

static bool is_first_of_origin(const Report *report, size_t index, const char *origin) {
        for (size_t i = 0; i < index; i++) {
                _cleanup_(about_done) About about = { 0 };

                if (look_at(&report->items[i], &about) && strcmp(about.origin, origin) == 0)
                        return false;
        }
        return true;
}

vss_result area_query(vss_provider_call *call, vss_value *list) {
        LvmProvider *p = vss_provider_call_userdata(call);
        _cleanup_report_ Report report = { 0 };
        int r;

        r = devmap_is_there() ? lvm_list(&p->lvm, false, &report) : 0;
        if (r < 0)
                return fail(call, "lvm", "lvs failed", r);
        for (size_t i = 0; i < report.n; i++) {
                _cleanup_value_ vss_value *entry = NULL;
                _cleanup_(about_done) About about = { 0 };

                if (!look_at(&report.items[i], &about) || !is_first_of_origin(&report, i, about.origin))
                        continue;
                entry = vss_value_new_dict();
                r = entry ? describe(&report, &about, entry) : -ENOMEM;
                if (r < 0 || vss_value_append(list, TAKE_PTR(entry)) < 0)
                        return fail(call, "lvm", "difference areas cannot be listed", -ENOMEM);
        }
        return VSS_S_OK;
}

static vss_result look(vss_provider_call *call, const struct vss_volume *volume,
                       const struct vss_volume *diff_volume, Origin *ret_origin) {
        const char *why = "";
        int r = origin_look((dev_t)volume->device, ret_origin, &why);

        if (r == -EMEDIUMTYPE)
                return vss_provider_call_fail(call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, "%s: %s",
                                              volume->path, why);
        if (r < 0)
                return fail(call, volume->path, "its device cannot be looked at", r);
        if (ret_origin->thin)
                return vss_provider_call_fail(
                        call, VSS_E_NOT_SUPPORTED,
                        "%s: differences of thin volumes lie in their pool; no part of it can be "
                        "set aside. Its limits are in " LVM_CONF ".",
                        volume->path);
        if (volume->device != diff_volume->device)
                return vss_provider_call_fail(
                        call, VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER,
                        "%s: differences of a logical volume lie in its own volume group, not on "
                        "%s",
                        volume->path, diff_volume->path);
        return VSS_S_OK;
}

static int write_maximum(Lvm *lvm, const LogicalVolume *origin, uint64_t maximum) {
        _cleanup_tags_ Tags away = { 0 }, add = { 0 };
        char tag[TAG_SIZE];
        int r = 0;

        for (size_t i = 0; r == 0 && i < origin->tags.n; i++)
                if (strncmp(origin->tags.items[i], TAG_MAXIMUM, sizeof(TAG_MAXIMUM) - 1) == 0)
                        r = tags_append(&away, origin->tags.items[i]);
        (void)snprintf(tag, sizeof(tag), TAG_MAXIMUM "%" PRIu64, maximum);
        if (r == 0 && maximum != 0)
                r = tags_append(&add, tag);
        return r < 0 ? r : copy_change_tags(lvm, origin, &away, &add);
}

static vss_result set_maximum(vss_provider_call *call, const struct vss_volume *volume,
                              const struct vss_volume *diff_volume, uint64_t maximum, bool is_new) {
        LvmProvider *p = vss_provider_call_userdata(call);
        _cleanup_report_ Report report = { 0 };
        const LogicalVolume *lv;
        uint64_t taken = 0;
        bool in_use = false;
        vss_result result;
        Origin origin;
        int r;

        result = look(call, volume, diff_volume, &origin);
        if (result < 0)
                return result;
        r = lvm_list(&p->lvm, false, &report);
        if (r < 0)
                return fail(call, volume->path, "lvs failed", r);
        lv = report_find_uuid(&report, origin.vg_uuid, origin.uuid);
        if (!lv)
                return fail(call, volume->path, "LVM does not list its logical volume", -ENOENT);
        for (size_t i = 0; i < report.n; i++)
                if (is_copy_of(&report.items[i], lv)) {
                        in_use = true;
                        taken += report.items[i].size;
                }
        if (is_new && tags_find(&lv->tags, TAG_MAXIMUM))
                return vss_provider_call_fail(call, VSS_E_OBJECT_ALREADY_EXISTS,
                                              "%s: a maximum is set for its shadow copies already; vss "
                                              "storage resize changes it",
                                              volume->path);
        if (!is_new && maximum == 0 && in_use)
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE,
                                              "%s: shadow copies of it stand; delete them first",
                                              volume->path);
        /* The service deletes the oldest, and asks again. */
        if (!is_new && maximum != 0 && maximum < taken)
                return vss_provider_call_fail(call, VSS_E_INSUFFICIENT_STORAGE,
                                              "%s: its shadow copies take %llu MiB. Delete some first.",
                                              volume->path, (unsigned long long)(taken >> 20));
        r = write_maximum(&p->lvm, lv, maximum);
        p->looked = false;
        return r < 0 ? fail(call, volume->path, "the maximum cannot be set", r) : VSS_S_OK;
}

vss_result area_add(vss_provider_call *call, const struct vss_volume *volume,
                    const struct vss_volume *diff_volume, uint64_t maximum) {
        return set_maximum(call, volume, diff_volume, maximum, true);
}

vss_result area_change(vss_provider_call *call, const struct vss_volume *volume,
                       const struct vss_volume *diff_volume, uint64_t maximum) {
        return set_maximum(call, volume, diff_volume, maximum, false);
}
