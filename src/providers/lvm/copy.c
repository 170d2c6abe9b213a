/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One shadow copy, as a logical volume
 */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include "providers/lvm/copy.h"
#include "providers/lvm/origin.h"

/* Targets of one device that are taken over into another table. */
#define TARGETS_MAX 8u

bool copy_is_thin(const LogicalVolume *lv) {
        return strcmp(lv->segtype, "thin") == 0;
}

bool copy_is_created(const LogicalVolume *lv) {
        return tags_contain(&lv->tags, TAG_CREATED);
}

int copy_device_name(const LogicalVolume *lv, char ret_name[static DEVMAP_NAME_SIZE]) {
        return lvm_device_name(lv->vg, lv->name, DEVMAP_NAME_SIZE, ret_name);
}

bool copy_is_lost(const LogicalVolume *lv, char ret_why[static COPY_LOST_SIZE]) {
        const char *tag = tags_find(&lv->tags, TAG_LOST);
        _cleanup_(freep) char *parameters = NULL, *why = NULL;
        char name[DEVMAP_NAME_SIZE];
        DevmapSnapshot state;

        if (tag) {
                (void)snprintf(ret_why, COPY_LOST_SIZE, "%s",
                               tag_unescape(tag, &why) == 0 ? why : "it was given up");
                return true;
        }
        if (copy_is_thin(lv))
                return false;
        if (!*lv->origin) {
                (void)snprintf(ret_why, COPY_LOST_SIZE, "%s", "it is no snapshot any more");
                return true;
        }
        if (copy_device_name(lv, name) < 0 || origin_read_target(name, "snapshot", true, &parameters) < 0 ||
            devmap_parse_snapshot(parameters, &state) < 0 || !state.invalid)
                return false;
        (void)snprintf(ret_why, COPY_LOST_SIZE, "%s",
                       "its difference area was full before it could grow, or could not be written to");
        return true;
}

int copy_activate(Lvm *lvm, const LogicalVolume *lv) {
        _cleanup_arguments_ Arguments arguments = { 0 };
        char name[DEVMAP_NAME_SIZE];
        DevmapInfo info;
        int r;

        r = copy_device_name(lv, name);
        if (r < 0)
                return r;
        if (devmap_info(name, &info) == 0 && info.live)
                return 0;
        arguments_add(&arguments, "lvchange");
        arguments_add(&arguments, "-q");
        arguments_add(&arguments, "-ay");
        arguments_add(&arguments, "-K");
        arguments_add(&arguments, "%s/%s", lv->vg, lv->name);
        return lvm_run(lvm, &arguments);
}

static int set_device_flag(const char *device_name, bool read_only) {
        int flag = read_only;
        char path[DEVMAP_PATH_SIZE];
        _cleanup_(closep) int fd = -1;

        devmap_path(device_name, path);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (ioctl(fd, BLKROSET, &flag) < 0)
                return -errno;
        /* What somebody read from it before it was what it is. */
        return ioctl(fd, BLKFLSBUF, 0) < 0 ? -errno : 0;
}

/* The same table again, as one that may be written through, or not. */
static int reload(const char *device_name, unsigned flags) {
        DevmapLine lines[TARGETS_MAX] = { 0 };
        DevmapTarget targets[TARGETS_MAX];
        _cleanup_(freep) char *text = NULL;
        const char *rest;
        size_t n = 0;
        int r;

        r = devmap_table(device_name, &text);
        if (r < 0)
                return r;
        for (rest = text; n < TARGETS_MAX; n++) {
                r = devmap_next_line(&rest, &lines[n]);
                if (r <= 0)
                        break;
                targets[n] = (DevmapTarget){ lines[n].start, lines[n].length, lines[n].type,
                                             lines[n].parameters };
        }
        if (r == 0)
                r = n > 0 ? devmap_load(device_name, flags, targets, n) : -EMEDIUMTYPE;
        else if (r > 0)
                r = -E2BIG;
        for (size_t i = 0; i < n; i++)
                devmap_line_done(&lines[i]);
        return r < 0 ? r : devmap_resume(device_name, flags);
}

int copy_set_read_only(const char *device_name, bool thin, bool read_only) {
        DevmapInfo info;
        int r;

        r = devmap_info(device_name, &info);
        /* LVM's own table says so, too; a classic copy's cannot be replaced without stopping its original.
         */
        if (r == 0 && thin && info.read_only != read_only)
                r = reload(device_name, read_only ? DEVMAP_READ_ONLY : 0);
        return r < 0 ? r : set_device_flag(device_name, read_only);
}

int copy_swap_table(const char *device_name, const char *type, const char *parameters) {
        _cleanup_(freep) char *text = NULL;
        DevmapTarget target = { .type = type, .parameters = parameters };
        const char *rest;
        int r;

        r = devmap_table(device_name, &text);
        if (r < 0)
                return r;
        rest = text;
        for (;;) {
                _cleanup_devmap_line_ DevmapLine line = { 0 };

                r = devmap_next_line(&rest, &line);
                if (r <= 0)
                        break;
                target.length = MAX(target.length, line.start + line.length);
        }
        if (r == 0)
                r = target.length > 0 ? devmap_load(device_name, 0, &target, 1) : -EMEDIUMTYPE;
        return r < 0 ? r : devmap_resume(device_name, 0);
}

int copy_change_tags(Lvm *lvm, const LogicalVolume *lv, const Tags *away, const Tags *add) {
        _cleanup_arguments_ Arguments arguments = { 0 };

        arguments_add(&arguments, "lvchange");
        arguments_add(&arguments, "-q");
        for (size_t i = 0; away && i < away->n; i++)
                if (!add || !tags_contain(add, away->items[i])) {
                        arguments_add(&arguments, "--deltag");
                        arguments_add(&arguments, "%s", away->items[i]);
                }
        for (size_t i = 0; add && i < add->n; i++)
                if (!tags_contain(&lv->tags, add->items[i])) {
                        arguments_add(&arguments, "--addtag");
                        arguments_add(&arguments, "%s", add->items[i]);
                }
        if (arguments.n == 2)
                return 0;
        arguments_add(&arguments, "%s/%s", lv->vg, lv->name);
        return lvm_run(lvm, &arguments);
}

/*
 * What LVM cannot undo by itself: a snapshot's table that waits for its cut holds the original's inner
 * device, and a removal that ran into it leaves devices that belong to nothing.
 */
static int remove_leftovers(const LogicalVolume *lv, const char *name) {
        _cleanup_value_ vss_value *identity = NULL;
        _cleanup_(freep) char *errors = NULL;
        char uuid[DEVMAP_UUID_SIZE];
        DevmapInfo info;
        int r;

        if (devmap_info(name, &info) == 0 && info.inactive) {
                r = devmap_clear(name);
                if (r < 0)
                        return r;
        }
        /* One that was given up lies on its pool no more, which LVM does not understand. */
        if (copy_is_thin(lv) && origin_read_target(name, "error", false, &errors) == 0)
                return devmap_remove(name);
        if (copy_is_thin(lv) || *lv->origin)
                return 0;
        /* It was made a plain volume on the way. */
        if (devmap_info(name, &info) == 0 && (r = devmap_remove(name)) < 0)
                return r;
        (void)snprintf(uuid, sizeof(uuid), "LVM-%s%s-cow", lv->vg_uuid, lv->uuid);
        if (devmap_info_uuid(uuid, &info) == 0 && (r = devmap_remove(info.name)) < 0)
                return r;
        if (tags_decode(&lv->tags, &identity) < 0)
                return 0;
        (void)snprintf(uuid, sizeof(uuid), "LVM-%s%.32s-real", lv->vg_uuid,
                       vss_value_get_string(vss_value_get(identity, "lvm"), "origin", ""));
        if (devmap_info_uuid(uuid, &info) == 0 && info.open_count == 0)
                return devmap_remove(info.name);
        return 0;
}

int copy_run_guarded(Lvm *lvm, const Arguments *arguments, const char *vg_uuid, const char *origin_uuid,
                     const char *why, vss_value *suspended) {
        dev_t devices[STACK_MAX];
        size_t n;
        int r;

        r = origin_list_stack(vg_uuid, origin_uuid, devices, &n);
        /* What is not active cannot be stopped. */
        if (r == -ENXIO)
                return lvm_run(lvm, arguments);
        return r < 0 ? r : lvm_run_guarded(lvm, arguments, devices, n, why, suspended);
}

/* With an original LVM removes its classic snapshots: somebody else's, since we make none of copies. */
static int check_snapshots(Lvm *lvm, const LogicalVolume *lv) {
        _cleanup_report_ Report report = { 0 };
        int r = lvm_list(lvm, false, &report);

        for (size_t i = 0; r == 0 && i < report.n; i++) {
                const LogicalVolume *other = &report.items[i];

                if (strcmp(other->vg_uuid, lv->vg_uuid) != 0 || strcmp(other->origin, lv->name) != 0 ||
                    copy_is_thin(other))
                        continue;
                (void)snprintf(lvm->error, sizeof(lvm->error),
                               "%s/%s is a snapshot of it, which would go with it. Remove that first",
                               other->vg, other->name);
                r = -EREMOTEIO;
        }
        return r;
}

int copy_remove(Lvm *lvm, const LogicalVolume *lv, vss_value *suspended) {
        _cleanup_arguments_ Arguments arguments = { 0 };
        char name[DEVMAP_NAME_SIZE], origin[DEVMAP_NAME_SIZE], vg_uuid[LVM_UUID_SIZE], uuid[LVM_UUID_SIZE];
        DevmapInfo info;
        int r;

        r = copy_device_name(lv, name);
        if (r < 0)
                return r;
        if (devmap_info(name, &info) == 0 && info.open_count > 0)
                return -EBUSY;
        if (copy_is_thin(lv))
                r = check_snapshots(lvm, lv);
        if (r == 0)
                r = remove_leftovers(lv, name);
        if (r < 0)
                return r;
        arguments_add(&arguments, "lvremove");
        arguments_add(&arguments, "-q");
        arguments_add(&arguments, "-y");
        arguments_add(&arguments, "%s/%s", lv->vg, lv->name);
        if (copy_is_thin(lv) || !*lv->origin ||
            lvm_device_name(lv->vg, lv->origin, sizeof(origin), origin) < 0 ||
            devmap_info(origin, &info) < 0 || !lvm_parse_device_uuid(info.uuid, vg_uuid, uuid))
                return lvm_run(lvm, &arguments);
        return copy_run_guarded(lvm, &arguments, vg_uuid, uuid, "lvremove of a classic snapshot", suspended);
}

int copy_give_up(Lvm *lvm, const LogicalVolume *lv, const char *why) {
        char name[DEVMAP_NAME_SIZE], pool[DEVMAP_NAME_SIZE], message[64];
        _cleanup_(freep) char *escaped = NULL, *tag = NULL;
        _cleanup_tags_ Tags add = { 0 };
        int r;

        r = tag_escape(why, &escaped);
        if (r == 0 && asprintf(&tag, TAG_LOST "%s", escaped) < 0)
                r = -ENOMEM;
        if (r == 0)
                r = tags_append(&add, tag);
        /* It is said first: what dies behind this has nothing that looks whole. */
        if (r == 0)
                r = copy_change_tags(lvm, lv, NULL, &add);
        if (r < 0 || !copy_is_thin(lv))
                return r;
        r = copy_device_name(lv, name);
        if (r == 0)
                r = copy_swap_table(name, "error", "");
        if (r == 0)
                r = lvm_pool_device_name(lv->vg, lv->pool, sizeof(pool), pool);
        if (r < 0)
                return r;
        (void)snprintf(message, sizeof(message), "delete %" PRIu64, lv->thin_id);
        return devmap_message(pool, 0, message);
}
