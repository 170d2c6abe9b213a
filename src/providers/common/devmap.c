/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Device-mapper devices of ours, by libdevmapper
 */

#include <fcntl.h>
#include <libdevmapper.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "providers/common/devmap.h"

#define UDEV_CONTROL "/run/udev/control"
#define CONTROL_NODE "/dev/mapper/control"
/* Text of tables and states; a segment has some 30 characters. */
#define TEXT_MAX (64u << 20)

DEFINE_CLEANUP(struct dm_task *, dm_task_destroy)
#define _cleanup_task_ _cleanup_(dm_task_destroyp)

/* What goes wrong is told by the caller, who knows what was wanted. */
static void drop_log(_unused_ int level, _unused_ const char *file, _unused_ int line, _unused_ int code,
                     _unused_ const char *format, ...) {
}

static bool udev_is_there(void) {
        return access(UDEV_CONTROL, F_OK) == 0;
}

/* The node alone proves nothing: tools leave it behind where the kernel has no device-mapper. */
bool devmap_is_there(void) {
        _cleanup_(closep) int fd = open(CONTROL_NODE, O_RDWR | O_CLOEXEC);

        return fd >= 0;
}

void devmap_path(const char *name, char ret_path[static DEVMAP_PATH_SIZE]) {
        (void)snprintf(ret_path, DEVMAP_PATH_SIZE, "/dev/mapper/%s", name);
}

static int new_task(int type, const char *name, struct dm_task **ret_task) {
        _cleanup_task_ struct dm_task *task = NULL;

        if (!devmap_is_there())
                return -EOPNOTSUPP;
        dm_log_with_errno_init(drop_log);
        (void)dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
        dm_udev_set_sync_support(udev_is_there());
        task = dm_task_create(type);
        if (!task)
                return -ENOMEM;
        if (name && !dm_task_set_name(task, name))
                return -EINVAL;
        *ret_task = TAKE_PTR(task);
        return 0;
}

static int run(struct dm_task *task) {
        int error;

        if (dm_task_run(task)) {
                /* Nodes that the library makes itself are otherwise made some time later. */
                (void)dm_task_update_nodes();
                return 0;
        }
        error = dm_task_get_errno(task);
        return error > 0 ? -error : -EIO;
}

/* Runs what makes or removes a node, and waits for udev to have done so. */
static int run_with_node(struct dm_task *task, unsigned flags) {
        uint16_t udev_flags = 0;
        uint32_t cookie = 0;
        int r;

        if (!udev_is_there())
                return run(task);
        if (flags & DEVMAP_HIDDEN)
                udev_flags |= DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG |
                              DM_UDEV_DISABLE_OTHER_RULES_FLAG | DM_UDEV_LOW_PRIORITY_FLAG;
        if (!dm_task_set_cookie(task, &cookie, udev_flags))
                return -EIO;
        r = run(task);
        (void)dm_udev_wait(cookie);
        return r;
}

static int add_targets(struct dm_task *task, const DevmapTarget *targets, size_t n) {
        if (n > DEVMAP_TARGETS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < n; i++)
                if (!dm_task_add_target(task, targets[i].start, targets[i].length, targets[i].type,
                                        targets[i].parameters))
                        return -ENOMEM;
        return 0;
}

static int create_empty(const char *name, const char *uuid) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_CREATE, name, &task);
        if (r < 0)
                return r;
        /* Whoever resumes it may make no nodes. */
        if ((uuid && !dm_task_set_uuid(task, uuid)) || !dm_task_set_add_node(task, DM_ADD_NODE_ON_CREATE))
                return -EINVAL;
        return run(task);
}

int devmap_create(const char *name, const char *uuid, unsigned flags, const DevmapTarget *targets,
                  size_t n_targets) {
        DevmapInfo info;
        int r;

        /* The kernel says EBUSY for these, too. */
        if (devmap_info(name, &info) == 0 || (uuid && devmap_info_uuid(uuid, &info) == 0))
                return -EEXIST;
        r = create_empty(name, uuid);
        if (r < 0 || n_targets == 0)
                return r;
        r = devmap_load(name, flags, targets, n_targets);
        if (r == 0)
                r = devmap_resume(name, flags);
        if (r < 0)
                (void)devmap_remove(name);
        return r;
}

int devmap_load(const char *name, unsigned flags, const DevmapTarget *targets, size_t n_targets) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_RELOAD, name, &task);
        if (r == 0 && (flags & DEVMAP_READ_ONLY) && !dm_task_set_ro(task))
                r = -EINVAL;
        if (r == 0)
                r = add_targets(task, targets, n_targets);
        return r == 0 ? run(task) : r;
}

/* Calls that take nothing but the name. */
static int run_simple(int type, const char *name) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(type, name, &task);
        return r == 0 ? run(task) : r;
}

int devmap_clear(const char *name) {
        return run_simple(DM_DEVICE_CLEAR, name);
}

int devmap_make_node(const char *name) {
        return run_simple(DM_DEVICE_MKNODES, name);
}

int devmap_resume(const char *name, unsigned flags) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_RESUME, name, &task);
        if (r == 0 && (flags & DEVMAP_READ_ONLY) && !dm_task_set_ro(task))
                r = -EINVAL;
        return r == 0 ? run_with_node(task, flags) : r;
}

int devmap_remove(const char *name) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_REMOVE, name, &task);
        /* Whoever listens to device events may be looking at it right now. */
        if (r == 0 && udev_is_there() && !dm_task_retry_remove(task))
                r = -EINVAL;
        return r == 0 ? run_with_node(task, 0) : r;
}

int devmap_remove_later(const char *name) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_REMOVE, name, &task);
        if (r == 0 && !dm_task_deferred_remove(task))
                r = -EINVAL;
        return r == 0 ? run_with_node(task, 0) : r;
}

int devmap_message(const char *name, uint64_t sector, const char *message) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_TARGET_MSG, name, &task);
        if (r == 0 && (!dm_task_set_sector(task, sector) || !dm_task_set_message(task, message)))
                r = -ENOMEM;
        return r == 0 ? run(task) : r;
}

static int task_info(struct dm_task *task, DevmapInfo *ret_info) {
        struct dm_info info;
        int r;

        r = run(task);
        if (r < 0)
                return r;
        if (!dm_task_get_info(task, &info))
                return -EIO;
        if (!info.exists)
                return -ENXIO;
        *ret_info = (DevmapInfo){ .device = makedev(info.major, info.minor),
                                  .suspended = info.suspended,
                                  .live = info.live_table,
                                  .inactive = info.inactive_table,
                                  .read_only = info.read_only,
                                  .open_count = (unsigned)MAX(info.open_count, 0) };
        (void)snprintf(ret_info->name, sizeof(ret_info->name), "%s", dm_task_get_name(task) ?: "");
        (void)snprintf(ret_info->uuid, sizeof(ret_info->uuid), "%s", dm_task_get_uuid(task) ?: "");
        return 0;
}

int devmap_info(const char *name, DevmapInfo *ret_info) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_INFO, name, &task);
        return r == 0 ? task_info(task, ret_info) : r;
}

int devmap_info_device(dev_t device, DevmapInfo *ret_info) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_INFO, NULL, &task);
        if (r == 0 &&
            (!dm_task_set_major(task, (int)major(device)) || !dm_task_set_minor(task, (int)minor(device))))
                r = -EINVAL;
        return r == 0 ? task_info(task, ret_info) : r;
}

int devmap_info_uuid(const char *uuid, DevmapInfo *ret_info) {
        _cleanup_task_ struct dm_task *task = NULL;
        int r;

        r = new_task(DM_DEVICE_INFO, NULL, &task);
        if (r == 0 && !dm_task_set_uuid(task, uuid))
                r = -EINVAL;
        return r == 0 ? task_info(task, ret_info) : r;
}

/* Table or status as text, a line for each target. */
static int targets_text(int type, const char *name, char **ret_text) {
        _cleanup_task_ struct dm_task *task = NULL;
        _cleanup_(freep) char *text = NULL;
        char *target, *parameters;
        uint64_t start, length;
        void *next = NULL;
        size_t size = 0;
        FILE *stream;
        int r;

        r = new_task(type, name, &task);
        if (r == 0)
                r = run(task);
        if (r < 0)
                return r;
        stream = open_memstream(&text, &size);
        if (!stream)
                return -ENOMEM;
        do {
                next = dm_get_next_target(task, next, &start, &length, &target, &parameters);
                if (target)
                        (void)fprintf(stream, "%" PRIu64 " %" PRIu64 " %s %s\n", start, length, target,
                                      parameters ?: "");
        } while (next && ftello(stream) < (off_t)TEXT_MAX);
        r = ferror(stream) ? -ENOMEM : 0;
        if (fclose(stream) != 0 || r < 0)
                return -ENOMEM;
        if (next)
                return -E2BIG;
        *ret_text = TAKE_PTR(text);
        return 0;
}

int devmap_table(const char *name, char **ret_text) {
        return targets_text(DM_DEVICE_TABLE, name, ret_text);
}

int devmap_status(const char *name, char **ret_text) {
        return targets_text(DM_DEVICE_STATUS, name, ret_text);
}

void devmap_list_done(DevmapList *list) {
        free(list->items);
        *list = (DevmapList){ 0 };
}

int devmap_list(const char *prefix, DevmapList *ret_list) {
        _cleanup_devmap_list_ DevmapList list = { 0 };
        _cleanup_task_ struct dm_task *task = NULL;
        struct dm_names *names;
        unsigned n = 0;
        int r;

        r = new_task(DM_DEVICE_LIST, NULL, &task);
        if (r == 0)
                r = run(task);
        if (r < 0)
                return r;
        names = dm_task_get_names(task);
        while (names && names->dev != 0) {
                DevmapInfo info;

                if (++n > DEVMAP_LIST_MAX)
                        return -E2BIG;
                r = devmap_info(names->name, &info);
                /* It may have gone meanwhile. */
                if (r < 0 && r != -ENXIO)
                        return r;
                if (r == 0 && strncmp(info.uuid, prefix, strlen(prefix)) == 0) {
                        DevmapInfo *items = reallocarray(list.items, list.n + 1, sizeof(*items));

                        if (!items)
                                return -ENOMEM;
                        list.items = items;
                        list.items[list.n++] = info;
                }
                if (names->next == 0)
                        break;
                names = (struct dm_names *)(void *)((char *)names + names->next);
        }
        *ret_list = list;
        list = (DevmapList){ 0 };
        return 0;
}
