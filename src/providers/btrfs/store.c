/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where the shadow copies of one btrfs file system lie
 */

#include <btrfsutil.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "providers/btrfs/store.h"
#include "providers/common/copies.h"
#include "providers/common/info.h"

static int open_directory_at(int dir_fd, const char *path, int *ret_fd) {
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        int fd;

        fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

int store_open(const Filesystem *fs, int *ret_fd) {
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        r = open_directory_at(fs->top, STORE_NAME, &fd);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != 0 || (st.st_mode & 077))
                return -EPERM;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int store_make(const Filesystem *fs, int *ret_fd) {
        _cleanup_(closep) int fd = -1;
        int r;

        r = store_open(fs, ret_fd);
        if (r != -ENOENT)
                return r;
        if (btrfs_util_create_subvolume_fd(fs->top, STORE_NAME, 0, NULL, NULL) != BTRFS_UTIL_OK)
                return negative_errno();
        r = open_directory_at(fs->top, STORE_NAME, &fd);
        if (r < 0)
                return r;
        if (fchown(fd, 0, 0) < 0 || fchmod(fd, 0700) < 0 || fsync(fd) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int store_add(int store_fd, const char *id, const vss_value *info, int *ret_dir_fd) {
        _cleanup_(closep) int fd = -1;
        int r;

        if (mkdirat(store_fd, id, 0700) < 0)
                return -errno;
        r = open_directory_at(store_fd, id, &fd);
        if (r < 0)
                return r;
        r = info_write(fd, info);
        if (r < 0)
                return r;
        *ret_dir_fd = TAKE_FD(fd);
        return 0;
}

static int remove_snapshot(int dir_fd) {
        enum btrfs_util_error e;

        e = btrfs_util_delete_subvolume_fd(dir_fd, STORE_SNAPSHOT, 0);
        if (e != BTRFS_UTIL_OK && errno == ENOTEMPTY) {
                /* A subvolume was made inside while it could be written to. */
                e = btrfs_util_delete_subvolume_fd(dir_fd, STORE_SNAPSHOT,
                                                   BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE);
        }
        return e == BTRFS_UTIL_OK || errno == ENOENT ? 0 : negative_errno();
}

int store_remove(int store_fd, const char *id) {
        _cleanup_(closep) int dir_fd = -1;
        int r;

        r = open_directory_at(store_fd, id, &dir_fd);
        if (r < 0)
                return r;
        /* The identity goes last: until then a crash leaves something that is known and can be deleted
         * again. */
        r = remove_snapshot(dir_fd);
        if (r < 0)
                return r;
        if ((unlinkat(dir_fd, INFO_NAME_NEW, 0) < 0 && errno != ENOENT) ||
            (unlinkat(dir_fd, INFO_NAME, 0) < 0 && errno != ENOENT))
                return -errno;
        if (unlinkat(store_fd, id, AT_REMOVEDIR) < 0)
                return -errno;
        return fsync(store_fd) < 0 ? -errno : 0;
}

int store_merge(int store_fd, const char *id, const vss_value *properties) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int dir_fd = -1;
        const char *reason;
        int r;

        dir_fd = openat(store_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir_fd < 0)
                return -errno;
        r = info_read(dir_fd, id, &reason, &info);
        if (r >= 0)
                r = info_merge(info, properties, "btrfs");
        return r < 0 ? r : info_replace(dir_fd, info);
}

int store_open_snapshot(int store_fd, const char *id, int *ret_fd) {
        _cleanup_(closep) int fd = -1;
        char path[VSS_ID_SIZE + sizeof(STORE_SNAPSHOT)];
        int r;

        (void)snprintf(path, sizeof(path), "%s/" STORE_SNAPSHOT, id);
        r = open_directory_at(store_fd, path, &fd);
        if (r < 0)
                return r;
        if (btrfs_util_is_subvolume_fd(fd) != BTRFS_UTIL_OK)
                return -ENOENT;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int visit(void *userdata, int store_fd, vss_value *info) {
        const Filesystem *fs = userdata;
        _cleanup_(closep) int snapshot_fd = -1;
        vss_value *own;

        if (strcmp(vss_value_get_string(info, "state", ""), "created") == 0 &&
            store_open_snapshot(store_fd, vss_value_get_string(info, "id", ""), &snapshot_fd) < 0 &&
            copies_set_incomplete(info, "its subvolume is missing") < 0)
                return -ENOMEM;
        own = value_require(info, "btrfs", VSS_KIND_DICT);
        return !own || vss_value_set_string(own, "filesystem", fs->uuid) < 0 ? -ENOMEM : 0;
}

int store_list(const Filesystem *fs, const char *set_under_way, vss_value *list) {
        _cleanup_(closep) int store_fd = -1;
        int r;

        r = store_open(fs, &store_fd);
        return r < 0 ? r : copies_list(store_fd, set_under_way, STORE_COPIES_MAX, visit, (void *)fs, list);
}
