/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * btrfs file systems, reached at their top level
 */

#include <fcntl.h>
#include <libmount.h>
#include <linux/btrfs.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include "providers/btrfs/filesystem.h"

/* Devices of one file system that are tried. */
#define DEVICES_MAX 1024u

DEFINE_CLEANUP(struct libmnt_table *, mnt_unref_table)
DEFINE_CLEANUP(struct libmnt_iter *, mnt_free_iter)

Filesystem *filesystem_free(Filesystem *fs) {
        if (!fs)
                return NULL;
        if (fs->top >= 0)
                (void)close(fs->top);
        free(fs->source);
        free(fs);
        return NULL;
}

void filesystem_format_uuid(const uint8_t raw[static 16], char ret_uuid[static VSS_ID_SIZE]) {
        size_t n = 0;

        for (unsigned i = 0; i < 16; i++)
                n += (size_t)snprintf(ret_uuid + n, VSS_ID_SIZE - n, "%s%02x",
                                      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", raw[i]);
}

int filesystem_uuid(int fd, char ret_uuid[static VSS_ID_SIZE]) {
        struct btrfs_ioctl_fs_info_args info = { 0 };

        if (ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0)
                return -errno;
        filesystem_format_uuid(info.fsid, ret_uuid);
        return 0;
}

/* A new mount of one subvolume of the file system on @source. */
static int mount_subvolume(const char *source, uint64_t id, bool fs_read_only, unsigned attributes,
                           int *ret_fd) {
        _cleanup_(closep) int context = -1;
        char number[24];
        int fd;

        context = fsopen("btrfs", FSOPEN_CLOEXEC);
        if (context < 0)
                return -errno;
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)id);
        if (fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "subvolid", number, 0) < 0)
                return -errno;
        /* The super block is there already; asking for another state than it has could change it for all. */
        if (fs_read_only && fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
                return -errno;
        if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(context, FSMOUNT_CLOEXEC, attributes);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

/* @uuid: refuse another file system; "": take what is there. */
static int open_source(const char *source, bool read_only, const char *uuid, Filesystem **ret_fs) {
        _cleanup_filesystem_ Filesystem *fs = NULL;
        _cleanup_(closep) int mount_fd = -1;
        int r;

        fs = calloc(1, sizeof(*fs));
        if (!fs)
                return -ENOMEM;
        fs->top = -1;
        fs->read_only = read_only;
        fs->source = strdup(source);
        if (!fs->source)
                return -ENOMEM;
        r = mount_subvolume(source, TOP_LEVEL_ID, read_only,
                            MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME,
                            &mount_fd);
        if (r < 0)
                return r;
        /* The mount descriptor is as one of O_PATH; ioctls want the directory itself. */
        fs->top = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fs->top < 0)
                return -errno;
        r = filesystem_uuid(fs->top, fs->uuid);
        if (r < 0)
                return r;
        if (*uuid && strcmp(uuid, fs->uuid) != 0)
                return -EXDEV;
        *ret_fs = TAKE_PTR(fs);
        return 0;
}

int filesystem_open(int fd, const char *source, bool read_only, Filesystem **ret_fs) {
        struct btrfs_ioctl_fs_info_args info = { 0 };
        char uuid[VSS_ID_SIZE];
        int r = -ENODEV, first = 0;

        if (ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0)
                return -errno;
        filesystem_format_uuid(info.fsid, uuid);

        /* What the mount table says is text from whoever mounted it; the file system knows its devices. */
        for (uint64_t id = 1; id <= MIN(info.max_id, (uint64_t)DEVICES_MAX); id++) {
                struct btrfs_ioctl_dev_info_args device = { .devid = id };

                if (ioctl(fd, BTRFS_IOC_DEV_INFO, &device) < 0)
                        continue;
                device.path[sizeof(device.path) - 1] = 0;
                r = open_source((const char *)device.path, read_only, uuid, ret_fs);
                if (r == 0 || r == -ENOSYS || r == -EPERM)
                        return r;
                first = first ?: r;
        }
        r = open_source(source, read_only, uuid, ret_fs);
        return r < 0 && first ? first : r;
}

int filesystem_mount(const Filesystem *fs, uint64_t subvolume_id, bool writable, int *ret_mount_fd) {
        return mount_subvolume(fs->source, subvolume_id, fs->read_only,
                               MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY),
                               ret_mount_fd);
}

int filesystem_open_directory(const Filesystem *fs, const char *path, int *ret_fd) {
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        int fd;

        while (*path == '/')
                path++;
        fd = (int)syscall(SYS_openat2, fs->top, *path ? path : ".", &how, sizeof(how));
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

typedef int MountFunction(struct libmnt_fs *mount, void *userdata);

/* Calls @function for each btrfs mount in the order of the table, until one returns other than 0. */
static int for_each_mount(MountFunction *function, void *userdata) {
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table = NULL;
        _cleanup_(mnt_free_iterp) struct libmnt_iter *iter = NULL;
        struct libmnt_fs *mount;
        int r;

        table = mnt_new_table();
        iter = mnt_new_iter(MNT_ITER_FORWARD);
        if (!table || !iter)
                return -ENOMEM;
        r = mnt_table_parse_file(table, "/proc/self/mountinfo");
        if (r != 0)
                return r < 0 ? r : -EIO;
        while (mnt_table_next_fs(table, iter, &mount) == 0) {
                const char *type = mnt_fs_get_fstype(mount);

                if (!type || strcmp(type, "btrfs") != 0)
                        continue;
                r = function(mount, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Of the super block; the mount itself may be read-only besides. */
static bool is_read_only(struct libmnt_fs *mount) {
        const char *options = mnt_fs_get_fs_options(mount);

        return options && mnt_optstr_get_option(options, "ro", NULL, NULL) == 0;
}

typedef struct ReadOnlyQuestion {
        const char *mount_point;
        int answer;
} ReadOnlyQuestion;

static int ask_read_only(struct libmnt_fs *mount, void *userdata) {
        ReadOnlyQuestion *q = userdata;
        const char *target = mnt_fs_get_target(mount);

        /* The last one is on top. */
        if (target && strcmp(target, q->mount_point) == 0)
                q->answer = is_read_only(mount);
        return 0;
}

int filesystem_is_read_only(const char *mount_point, bool *ret_read_only) {
        ReadOnlyQuestion q = { .mount_point = mount_point, .answer = -ENOENT };
        int r;

        r = for_each_mount(ask_read_only, &q);
        if (r < 0)
                return r;
        if (q.answer < 0)
                return q.answer;
        *ret_read_only = q.answer;
        return 0;
}

static bool is_listed(const FilesystemList *list, const char *uuid) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i]->uuid, uuid) == 0)
                        return true;
        return false;
}

typedef struct ListBuild {
        FilesystemList *list;
        dev_t seen[FILESYSTEMS_MAX];
        size_t n_seen;
} ListBuild;

/* By its mount point, when the source in the table leads nowhere. */
static int open_mount_point(struct libmnt_fs *mount, Filesystem **ret_fs) {
        _cleanup_(closep) int fd = -1;
        const char *target = mnt_fs_get_target(mount);

        fd = open(target ?: "", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return filesystem_open(fd, mnt_fs_get_source(mount) ?: "", is_read_only(mount), ret_fs);
}

static int list_one(struct libmnt_fs *mount, void *userdata) {
        _cleanup_filesystem_ Filesystem *fs = NULL;
        ListBuild *build = userdata;
        dev_t device = mnt_fs_get_devno(mount);
        int r;

        for (size_t i = 0; i < build->n_seen; i++)
                if (build->seen[i] == device)
                        return 0;
        if (build->n_seen >= FILESYSTEMS_MAX) {
                fprintf(stderr, "more than %u btrfs file systems are mounted; the others are left out\n",
                        FILESYSTEMS_MAX);
                return 1;
        }
        build->seen[build->n_seen++] = device;

        r = open_source(mnt_fs_get_source(mount) ?: "", is_read_only(mount), "", &fs);
        if (r < 0 && r != -ENOSYS)
                r = open_mount_point(mount, &fs);
        if (r == -ENOSYS)
                return r;
        if (r < 0) {
                fprintf(stderr, "%s: cannot be searched for shadow copies: %s\n",
                        mnt_fs_get_target(mount) ?: "?", strerror(-r));
                return 0;
        }
        if (!is_listed(build->list, fs->uuid))
                build->list->items[build->list->n++] = TAKE_PTR(fs);
        return 0;
}

int filesystem_list(FilesystemList *ret_list) {
        ListBuild build = { .list = ret_list };
        int r;

        ret_list->n = 0;
        r = for_each_mount(list_one, &build);
        if (r < 0) {
                filesystem_list_done(ret_list);
                return r;
        }
        return 0;
}

void filesystem_list_done(FilesystemList *list) {
        while (list->n > 0)
                (void)filesystem_free(list->items[--list->n]);
}
