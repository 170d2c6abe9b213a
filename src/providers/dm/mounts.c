/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where block file systems are mounted, and mounting them anew
 */

#include <fcntl.h>
#include <libmount.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include "config.h"
#include "providers/common/block-mount.h"
#include "providers/dm/boot-internal.h"
#include "providers/dm/device.h"
#include "providers/dm/mounts.h"

/* Where a file system is mounted for the moment in which its mounts are made. */
#define STAGING LINUXVSS_RUNDIR "/dm-remount"

DEFINE_CLEANUP(struct libmnt_table *, mnt_unref_table)
DEFINE_CLEANUP(struct libmnt_iter *, mnt_free_iter)

static int append_mount(struct libmnt_fs *fs, vss_value *list) {
        _cleanup_value_ vss_value *mount = vss_value_new_dict();
        const char *optional = mnt_fs_get_optional_fields(fs);
        char number[DEVICE_NUMBER_SIZE];

        device_number_text(mnt_fs_get_devno(fs), number);
        if (!mount || vss_value_set_string(mount, "target", mnt_fs_get_target(fs) ?: "") < 0 ||
            vss_value_set_string(mount, "root", mnt_fs_get_root(fs) ?: "/") < 0 ||
            vss_value_set_string(mount, "type", mnt_fs_get_fstype(fs) ?: "") < 0 ||
            vss_value_set_string(mount, "options", mnt_fs_get_vfs_options(fs) ?: "") < 0 ||
            vss_value_set_string(mount, "super", mnt_fs_get_fs_options(fs) ?: "") < 0 ||
            vss_value_set_string(mount, "device", number) < 0 ||
            vss_value_set_boolean(mount, "shared", optional && strstr(optional, "shared:")) < 0)
                return -ENOMEM;
        return vss_value_append(list, TAKE_PTR(mount)) < 0 ? -ENOMEM : 0;
}

int mounts_list(dev_t device, vss_value **ret_list) {
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table = mnt_new_table();
        _cleanup_(mnt_free_iterp) struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
        _cleanup_value_ vss_value *list = vss_value_new_list();
        struct libmnt_fs *fs;
        unsigned n = 0;
        int r;

        if (!table || !iter || !list)
                return -ENOMEM;
        r = mnt_table_parse_file(table, "/proc/self/mountinfo");
        if (r != 0)
                return r < 0 ? r : -EIO;
        while (mnt_table_next_fs(table, iter, &fs) == 0) {
                dev_t number = mnt_fs_get_devno(fs);

                if (++n > MOUNTS_MAX)
                        return -E2BIG;
                if (device != 0 ? number != device
                                : major(number) == 0 || !block_mount_knows(mnt_fs_get_fstype(fs) ?: ""))
                        continue;
                r = append_mount(fs, list);
                if (r < 0)
                        return r;
        }
        *ret_list = TAKE_PTR(list);
        return 0;
}

int mounts_targets(const vss_value *list, vss_value *targets) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (value_append_string(targets, vss_value_get_string(vss_value_at(list, i), "target", "")) <
                    0)
                        return -ENOMEM;
        return 0;
}

static bool has_option(const vss_value *mount, const char *key, const char *option) {
        const char *options = vss_value_get_string(mount, key, "");

        return mnt_optstr_get_option(options, option, NULL, NULL) == 0;
}

bool mounts_are_read_only(const vss_value *list) {
        return vss_value_count(list) > 0 && has_option(vss_value_at(list, 0), "super", "ro");
}

/* A path as the kernel gives it has no links in it; one that somebody has put there since is not followed.
 */
static int open_target(const char *path) {
        struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
        long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

        return fd < 0 ? -errno : (int)fd;
}

/* The same superblock once more, attached nowhere. */
static int open_again(const vss_value *mount, const char *source, int *ret_fd) {
        _cleanup_(closep) int fs = fsopen(vss_value_get_string(mount, "type", ""), FSOPEN_CLOEXEC);
        int fd;

        if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
                return -errno;
        if (has_option(mount, "super", "ro") && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
                return -errno;
        if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        *ret_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void)close(fd);
        return *ret_fd < 0 ? -errno : 0;
}

int mounts_open_root(dev_t device, const char *source, int *ret_fd) {
        _cleanup_value_ vss_value *list = NULL;
        int r;

        r = mounts_list(device, &list);
        if (r < 0)
                return r;
        if (vss_value_count(list) == 0)
                return -ENOENT;
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *mount = vss_value_at(list, i);
                _cleanup_(closep) int path_fd = -1;
                struct stat st;

                if (strcmp(vss_value_get_string(mount, "root", ""), "/") != 0)
                        continue;
                path_fd = open_target(vss_value_get_string(mount, "target", ""));
                /* Another one may be mounted over it. */
                if (path_fd < 0 || fstat(path_fd, &st) < 0 || st.st_dev != device ||
                    (has_option(mount, "options", "ro") && !has_option(mount, "super", "ro")))
                        continue;
                *ret_fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                return *ret_fd < 0 ? -errno : 0;
        }
        return open_again(vss_value_at(list, 0), source, ret_fd);
}

/* Is it what is on top there? Otherwise it is somebody else's file system that would be unmounted. */
static bool is_on_top(const vss_value *mount) {
        _cleanup_(closep) int fd = open_target(vss_value_get_string(mount, "target", ""));
        struct stat st;
        dev_t number;

        return fd >= 0 && fstat(fd, &st) == 0 &&
               device_parse_number(vss_value_get_string(mount, "device", ""), &number) == 0 &&
               st.st_dev == number;
}

int mounts_remove(const vss_value *list, const vss_value **ret_mount) {
        for (size_t i = vss_value_count(list); i > 0; i--) {
                const vss_value *mount = vss_value_at(list, i - 1);

                if (!is_on_top(mount)) {
                        *ret_mount = mount;
                        return -EBUSY;
                }
                if (umount2(vss_value_get_string(mount, "target", ""), UMOUNT_NOFOLLOW) < 0) {
                        *ret_mount = mount;
                        return -errno;
                }
                boot_stop("mount-removed");
        }
        return 0;
}

/* The options of a file system as the kernel shows them, given to it again. */
static int configure(int fs, const char *options) {
        char *name, *value, *rest;
        _cleanup_(freep) char *text = strdup(options);
        size_t name_size, value_size;

        if (!text)
                return -ENOMEM;
        rest = text;
        while (mnt_optstr_next_option(&rest, &name, &name_size, &value, &value_size) == 0) {
                _cleanup_(freep) char *key = strndup(name, name_size), *with = NULL;

                if (!key || (value && !(with = strndup(value, value_size))))
                        return -ENOMEM;
                /* What SELinux adds when it shows them is no option. */
                if (strcmp(key, "rw") == 0 || strcmp(key, "seclabel") == 0)
                        continue;
                if (fsconfig(fs, with ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, with, 0) < 0)
                        return -errno;
        }
        return 0;
}

static int make_superblock(const vss_value *mount, const char *source, int *ret_fd) {
        _cleanup_(closep) int fs = fsopen(vss_value_get_string(mount, "type", ""), FSOPEN_CLOEXEC);
        int r;

        if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
                return -errno;
        r = configure(fs, vss_value_get_string(mount, "super", ""));
        if (r < 0)
                return r;
        if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        *ret_fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
        return *ret_fd < 0 ? -errno : 0;
}

static void mount_attributes(const vss_value *mount, struct mount_attr *ret_attributes) {
        static const struct {
                const char *option;
                uint64_t attribute;
        } flags[] = { { "ro", MOUNT_ATTR_RDONLY },
                      { "nosuid", MOUNT_ATTR_NOSUID },
                      { "nodev", MOUNT_ATTR_NODEV },
                      { "noexec", MOUNT_ATTR_NOEXEC },
                      { "nodiratime", MOUNT_ATTR_NODIRATIME },
                      { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW } };

        *ret_attributes = (struct mount_attr){ .attr_clr = MOUNT_ATTR__ATIME };
        FOREACH_ELEMENT (flag, flags)
                if (has_option(mount, "options", flag->option))
                        ret_attributes->attr_set |= flag->attribute;
        if (has_option(mount, "options", "noatime"))
                ret_attributes->attr_set |= MOUNT_ATTR_NOATIME;
        else if (!has_option(mount, "options", "relatime"))
                ret_attributes->attr_set |= MOUNT_ATTR_STRICTATIME;
        if (vss_value_get_boolean(mount, "shared", false))
                ret_attributes->propagation = MS_SHARED;
}

/* What lies at its target may be of the same device all the same: one of them can be mounted within another.
 */
static int stands(const vss_value *mount, dev_t device) {
        _cleanup_value_ vss_value *list = NULL;
        int r = mounts_list(device, &list);

        for (size_t i = 0; r == 0 && i < vss_value_count(list); i++) {
                const vss_value *other = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(other, "target", ""),
                           vss_value_get_string(mount, "target", "")) == 0 &&
                    strcmp(vss_value_get_string(other, "root", ""),
                           vss_value_get_string(mount, "root", "")) == 0)
                        return 1;
        }
        return r;
}

static int make_one(const vss_value *mount, int root_fd, dev_t device) {
        const char *root = vss_value_get_string(mount, "root", "/");
        _cleanup_(closep) int fd = -1, target_fd = -1;
        struct mount_attr attributes;
        int r = stands(mount, device);

        if (r != 0)
                return r < 0 ? r : 0;
        target_fd = open_target(vss_value_get_string(mount, "target", ""));
        if (target_fd < 0)
                return target_fd;
        while (*root == '/')
                root++;
        fd = open_tree(root_fd, root,
                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW |
                               (*root ? 0 : AT_EMPTY_PATH));
        if (fd < 0)
                return -errno;
        mount_attributes(mount, &attributes);
        if (mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return -errno;
        if (move_mount(fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return -errno;
        return 0;
}

void mounts_forget_staging(void) {
        (void)umount2(STAGING, UMOUNT_NOFOLLOW | MNT_DETACH);
        (void)rmdir(STAGING);
}

/* Mounts can be cloned only from one that is attached somewhere. */
static int stage(int mount_fd, int *ret_root_fd) {
        if ((mkdir(LINUXVSS_RUNDIR, 0755) < 0 && errno != EEXIST) ||
            (mkdir(STAGING, 0700) < 0 && errno != EEXIST))
                return -errno;
        if (move_mount(mount_fd, "", AT_FDCWD, STAGING, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return -errno;
        *ret_root_fd = open(STAGING, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret_root_fd < 0 ? -errno : 0;
}

int mounts_make(const vss_value *list, const char *source, dev_t device, const vss_value **ret_mount) {
        _cleanup_(closep) int mount_fd = -1, root_fd = -1;
        int r;

        if (vss_value_count(list) == 0)
                return 0;
        *ret_mount = vss_value_at(list, 0);
        r = make_superblock(vss_value_at(list, 0), source, &mount_fd);
        if (r == 0)
                r = stage(mount_fd, &root_fd);
        for (size_t i = 0; r == 0 && i < vss_value_count(list); i++) {
                *ret_mount = vss_value_at(list, i);
                r = make_one(*ret_mount, root_fd, device);
                boot_stop("mount-made");
        }
        closep(&root_fd);
        root_fd = -1;
        mounts_forget_staging();
        return r;
}
