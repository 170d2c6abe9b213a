/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which logical volume a volume is
 */

#include <string.h>
#include <sys/sysmacros.h>
#include "providers/lvm/origin.h"
#include "providers/lvm/policy.h"

int origin_read_target(const char *name, const char *type, bool status, char **ret_parameters) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_devmap_line_ DevmapLine line = { 0 };
        const char *rest;
        int r;

        r = status ? devmap_status(name, &text) : devmap_table(name, &text);
        if (r < 0)
                return r;
        rest = text;
        r = devmap_next_line(&rest, &line);
        if (r < 0)
                return r;
        if (r == 0 || *rest || strcmp(line.type, type) != 0)
                return -EMEDIUMTYPE;
        *ret_parameters = TAKE_PTR(line.parameters);
        return 0;
}

/* Does a name end as those of our copies do? Its group's name stands before the last single '-'. */
static bool is_copy(const char *name) {
        const char *at = strstr(name, "-" COPY_PREFIX);

        return at && (at == name || at[-1] != '-');
}

static int look_thin(Origin *origin, const char *parameters, const char **ret_why) {
        unsigned pool_major, pool_minor;
        DevmapInfo pool;
        bool external;
        int r;

        r = thin_table_parse(parameters, &pool_major, &pool_minor, &origin->thin_id, &external);
        if (r < 0)
                return r;
        if (external) {
                *ret_why = "is a thin volume over a read-only original outside of its pool";
                return -EMEDIUMTYPE;
        }
        origin->thin = true;
        origin->pool = makedev(pool_major, pool_minor);
        r = devmap_info_device(origin->pool, &pool);
        if (r < 0)
                return r;
        (void)snprintf(origin->pool_name, sizeof(origin->pool_name), "%s", pool.name);
        return 0;
}

/* Is one of the devices that a table names a volume of the same group? */
static bool is_on_group(const char *parameters, const char *vg_uuid) {
        char prefix[LVM_UUID_SIZE + 4];
        size_t n;

        n = (size_t)snprintf(prefix, sizeof(prefix), "LVM-%s", vg_uuid);
        for (const char *at = parameters; at; at = strchr(at, ' ')) {
                unsigned part_major, part_minor;
                DevmapInfo info;

                at += strspn(at, " ");
                if (sscanf(at, "%u:%u", &part_major, &part_minor) == 2 &&
                    devmap_info_device(makedev(part_major, part_minor), &info) == 0 &&
                    strncmp(info.uuid, prefix, n) == 0)
                        return true;
        }
        return false;
}

/*
 * A segment of a classic original, or of the inner device of one that has snapshots
 * Of all but linear and striped ones LVM has devices of its own below the volume, which it suspends, too: a
 * command of its that died would leave them so, and no guard knows them all.
 */
static int look_classic(const Origin *origin, const DevmapLine *line, const char **ret_why) {
        if ((strcmp(line->type, "linear") == 0 || strcmp(line->type, "striped") == 0) &&
            !is_on_group(line->parameters, origin->vg_uuid))
                return 0;
        *ret_why = "is a classic volume that is not simply linear or striped (but raid, mirror, cache, "
                   "writecache, VDO or the like, or pvmove is moving it): LVM suspends more than the volume "
                   "for a snapshot of it, and what it leaves suspended when it dies nobody would resume. "
                   "Use a thin volume, whose pool may be of such a type";
        return -EMEDIUMTYPE;
}

static int look_inner(const Origin *origin, const char **ret_why) {
        char uuid[DEVMAP_UUID_SIZE];
        _cleanup_(freep) char *text = NULL;
        const char *rest;
        DevmapInfo info;
        int r;

        (void)snprintf(uuid, sizeof(uuid), "LVM-%s%s-real", origin->vg_uuid, origin->uuid);
        r = devmap_info_uuid(uuid, &info);
        if (r == 0)
                r = devmap_table(info.name, &text);
        rest = text;
        while (r == 0) {
                _cleanup_devmap_line_ DevmapLine line = { 0 };

                r = devmap_next_line(&rest, &line);
                if (r <= 0)
                        break;
                r = look_classic(origin, &line, ret_why);
        }
        return r;
}

static int look_line(Origin *origin, const DevmapLine *line, const char **ret_why) {
        static const char *const others[] = { "snapshot", "snapshot-merge", "thin-pool", "error", "zero" };

        FOREACH_ELEMENT (other, others)
                if (strcmp(line->type, *other) == 0) {
                        *ret_why = "is a snapshot, or a part of another volume";
                        return -EMEDIUMTYPE;
                }
        if (strcmp(line->type, "thin") == 0)
                return look_thin(origin, line->parameters, ret_why);
        if (strcmp(line->type, "snapshot-origin") == 0)
                return look_inner(origin, ret_why);
        return look_classic(origin, line, ret_why);
}

static int look_table(Origin *origin, const char **ret_why) {
        _cleanup_(freep) char *text = NULL;
        const char *rest;
        unsigned n = 0;
        int r;

        r = devmap_table(origin->name, &text);
        if (r < 0)
                return r;
        rest = text;
        for (;; n++) {
                _cleanup_devmap_line_ DevmapLine line = { 0 };

                r = devmap_next_line(&rest, &line);
                if (r == 0)
                        break;
                if (r > 0)
                        r = look_line(origin, &line, ret_why);
                if (r < 0)
                        return r;
                origin->sectors += line.length;
        }
        if (n > 0)
                return 0;
        *ret_why = "its device has no table";
        return -EMEDIUMTYPE;
}

int origin_look(dev_t device, Origin *ret_origin, const char **ret_why) {
        Origin origin = { .device = device };
        DevmapInfo info;
        int r;

        r = devmap_info_device(device, &info);
        if (r == -ENXIO || r == -EOPNOTSUPP || r == -EINVAL) {
                *ret_why = "does not lie on a logical volume";
                return -EMEDIUMTYPE;
        }
        if (r < 0)
                return r;
        if (!lvm_parse_device_uuid(info.uuid, origin.vg_uuid, origin.uuid)) {
                *ret_why = "does not lie on a logical volume itself";
                return -EMEDIUMTYPE;
        }
        if (is_copy(info.name)) {
                *ret_why = "is a shadow copy itself";
                return -EMEDIUMTYPE;
        }
        (void)snprintf(origin.name, sizeof(origin.name), "%s", info.name);
        r = look_table(&origin, ret_why);
        if (r < 0)
                return r;
        *ret_origin = origin;
        return 0;
}

/* "MAJOR:MINOR MAJOR:MINOR ..." of a snapshot: what it is of, and its store. */
static bool parse_snapshot_table(const char *parameters, dev_t *ret_of, dev_t *ret_store) {
        unsigned of_major, of_minor, store_major, store_minor;

        if (sscanf(parameters, "%u:%u %u:%u", &of_major, &of_minor, &store_major, &store_minor) != 4)
                return false;
        *ret_of = makedev(of_major, of_minor);
        *ret_store = makedev(store_major, store_minor);
        return true;
}

static const DevmapInfo *find_uuid(const DevmapList *list, const char *vg_uuid, const char *uuid,
                                   const char *suffix) {
        char text[DEVMAP_UUID_SIZE];

        (void)snprintf(text, sizeof(text), "LVM-%s%s%s", vg_uuid, uuid, suffix);
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].uuid, text) == 0)
                        return &list->items[i];
        return NULL;
}

int origin_list_stack(const char *vg_uuid, const char *uuid, dev_t ret_devices[static STACK_MAX],
                      size_t *ret_n) {
        _cleanup_devmap_list_ DevmapList list = { 0 };
        const DevmapInfo *origin, *inner;
        char prefix[LVM_UUID_SIZE + 4];
        size_t n = 0;
        int r;

        (void)snprintf(prefix, sizeof(prefix), "LVM-%s", vg_uuid);
        r = devmap_list(prefix, &list);
        if (r < 0)
                return r;
        origin = find_uuid(&list, vg_uuid, uuid, "");
        if (!origin)
                return -ENXIO;
        ret_devices[n++] = origin->device;
        inner = find_uuid(&list, vg_uuid, uuid, "-real");
        if (inner)
                ret_devices[n++] = inner->device;
        for (size_t i = 0; inner && i < list.n; i++) {
                _cleanup_(freep) char *parameters = NULL;
                dev_t of, store;

                if (origin_read_target(list.items[i].name, "snapshot", false, &parameters) < 0 ||
                    !parse_snapshot_table(parameters, &of, &store) || of != inner->device)
                        continue;
                if (n + 2 > STACK_MAX)
                        return -E2BIG;
                ret_devices[n++] = list.items[i].device;
                ret_devices[n++] = store;
        }
        *ret_n = n;
        return 0;
}

/* Is the device, or what it is a part of, a logical volume that LVM lists? Groups that LVM does not see are
 * left alone. */
static bool is_listed(const Report *report, const DevmapInfo *info) {
        char uuid[DEVMAP_UUID_SIZE], vg[LVM_UUID_SIZE], lv[LVM_UUID_SIZE];

        (void)snprintf(uuid, sizeof(uuid), "%.68s", info->uuid);
        if (!lvm_parse_device_uuid(uuid, vg, lv) || report_find_uuid(report, vg, lv))
                return true;
        for (size_t i = 0; i < report->n; i++)
                if (strcmp(report->items[i].vg_uuid, vg) == 0)
                        return false;
        return true;
}

static bool ends_with(const char *text, const char *end) {
        size_t n = strlen(text), k = strlen(end);

        return n >= k && strcmp(text + n - k, end) == 0;
}

/* An inner device that its volume does not use any more. */
static bool is_idle_inner(const DevmapList *list, const DevmapInfo *info) {
        char uuid[DEVMAP_UUID_SIZE];
        _cleanup_(freep) char *table = NULL;

        if (!ends_with(info->uuid, "-real") || info->open_count > 0)
                return false;
        (void)snprintf(uuid, sizeof(uuid), "%.68s", info->uuid);
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].uuid, uuid) == 0)
                        return origin_read_target(list->items[i].name, "snapshot-origin", false, &table) ==
                               -EMEDIUMTYPE;
        return false;
}

int origin_sweep(const Report *report) {
        _cleanup_devmap_list_ DevmapList list = { 0 }, now = { 0 };
        bool any = false;
        int r;

        r = devmap_is_there() ? devmap_list("LVM-", &list) : 0;
        /* Stores are held by their snapshots, inner devices by both. */
        for (unsigned round = 0; r == 0 && round < 2; round++)
                for (size_t i = 0; i < list.n; i++) {
                        const DevmapInfo *info = &list.items[i];

                        if (!is_copy(info->name) || is_listed(report, info) ||
                            ends_with(info->name, "-cow") != round)
                                continue;
                        (void)devmap_clear(info->name);
                        any = devmap_remove(info->name) == 0 || any;
                }
        if (any)
                r = devmap_list("LVM-", &now);
        for (size_t i = 0; r == 0 && i < now.n; i++)
                if (is_idle_inner(&now, &now.items[i]))
                        (void)devmap_remove(now.items[i].name);
        return r;
}
