/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where the null provider keeps its copies
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "providers/common/copies.h"
#include "providers/common/info.h"
#include "providers/null/memory.h"

#define DATA_NAME "data"
#define COPIES_MAX 4096u

int memory_open(const char *path, int *ret_fd) {
        _cleanup_(freep) char *above = strdup(path);
        _cleanup_(closep) int fd = -1;
        struct stat st;
        char *slash;

        if (!above)
                return -ENOMEM;
        slash = strrchr(above, '/');
        if (slash && slash != above) {
                *slash = 0;
                if (mkdir(above, 0755) < 0 && errno != EEXIST)
                        return -errno;
        }
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & 077))
                return -EPERM;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int open_copy(int memory_fd, const char *id, int *ret_fd) {
        int fd = openat(memory_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

/* A tmpfs at DATA_NAME, a little larger than what is copied at most. */
static int mount_data(int dir_fd, int *ret_data_fd) {
        _cleanup_(closep) int context = -1, fd = -1;

        if (mkdirat(dir_fd, DATA_NAME, 0700) < 0)
                return -errno;
        context = fsopen("tmpfs", FSOPEN_CLOEXEC);
        if (context < 0)
                return -errno;
        if (fsconfig(context, FSCONFIG_SET_STRING, "source", "vss-null", 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "size", "96m", 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        if (fd < 0 || move_mount(fd, "", dir_fd, DATA_NAME, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return -errno;
        *ret_data_fd = TAKE_FD(fd);
        return 0;
}

int memory_add(int memory_fd, const char *id, const vss_value *info, bool with_data, int *ret_data_fd) {
        _cleanup_(closep) int dir_fd = -1, data_fd = -1;
        int r;

        if (mkdirat(memory_fd, id, 0700) < 0)
                return -errno;
        r = open_copy(memory_fd, id, &dir_fd);
        if (r < 0)
                return r;
        r = info_write(dir_fd, info);
        if (r < 0)
                return r;
        if (with_data) {
                r = mount_data(dir_fd, &data_fd);
                if (r < 0)
                        return r;
        }
        *ret_data_fd = TAKE_FD(data_fd);
        return 0;
}

int memory_read(int memory_fd, const char *id, const char **ret_reason, vss_value **ret_info) {
        _cleanup_(closep) int dir_fd = -1;
        int r;

        *ret_reason = "it is no directory";
        r = open_copy(memory_fd, id, &dir_fd);
        return r < 0 ? r : info_read(dir_fd, id, ret_reason, ret_info);
}

int memory_replace(int memory_fd, const char *id, const vss_value *info) {
        _cleanup_(closep) int dir_fd = -1;
        int r;

        r = open_copy(memory_fd, id, &dir_fd);
        return r < 0 ? r : info_replace(dir_fd, info);
}

static int unmount_data(int dir_fd) {
        char path[64];

        /* umount(2) takes no descriptors. */
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" DATA_NAME, dir_fd);
        if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
                return -errno;
        return unlinkat(dir_fd, DATA_NAME, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int memory_remove(int memory_fd, const char *id) {
        _cleanup_(closep) int dir_fd = -1;
        int r;

        r = open_copy(memory_fd, id, &dir_fd);
        if (r < 0)
                return r;
        r = unmount_data(dir_fd);
        if (r < 0)
                return r;
        if ((unlinkat(dir_fd, INFO_NAME_NEW, 0) < 0 && errno != ENOENT) ||
            (unlinkat(dir_fd, INFO_NAME, 0) < 0 && errno != ENOENT) ||
            unlinkat(memory_fd, id, AT_REMOVEDIR) < 0)
                return -errno;
        return 0;
}

int memory_list(int memory_fd, const char *set_under_way, vss_value *list) {
        return copies_list(memory_fd, set_under_way, COPIES_MAX, NULL, NULL, list);
}

int memory_break(int memory_fd, const char *id, bool writable) {
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        char path[sizeof(BROKEN_PREFIX) + VSS_ID_SIZE + sizeof("/" DATA_NAME)];

        (void)snprintf(path, sizeof(path), "%s/" DATA_NAME, id);
        /* One that is the live tree has no data of its own. */
        if (!writable &&
            mount_setattr(memory_fd, path, AT_SYMLINK_NOFOLLOW, &attributes, sizeof(attributes)) < 0 &&
            errno != ENOENT)
                return -errno;
        (void)snprintf(path, sizeof(path), BROKEN_PREFIX "%s", id);
        return renameat(memory_fd, id, memory_fd, path) < 0 ? -errno : 0;
}

int memory_clone(int directory_fd, const char *path, bool writable, int *ret_mount_fd) {
        struct mount_attr attributes = {
                .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY),
        };
        _cleanup_(closep) int fd = -1;

        fd = open_tree(directory_fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return -errno;
        *ret_mount_fd = TAKE_FD(fd);
        return 0;
}
