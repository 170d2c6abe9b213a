/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where the copies of one file system lie
 */

#include <btrfsutil.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "files/beneath.h"
#include "providers/common/copies.h"
#include "providers/common/info.h"
#include "providers/reflink/remove.h"
#include "providers/reflink/store.h"

/* Names in the store that are looked at when it is cleaned. */
#define CLEANED_MAX (2 * STORE_COPIES_MAX)

static int open_private(int fd, const char *path, int *ret_fd) {
        _cleanup_(closep) int opened = beneath_open(fd, path, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        struct stat st;

        if (opened < 0)
                return opened;
        if (fstat(opened, &st) < 0)
                return -errno;
        if (st.st_uid != 0 || (st.st_mode & 077))
                return -EPERM;
        *ret_fd = TAKE_FD(opened);
        return 0;
}

int store_open(const Filesystem *fs, int *ret_fd) {
        _cleanup_(closep) int outer = -1;
        int r = open_private(fs->top, STORE_NAME, &outer);

        return r < 0 ? r : open_private(fs->top, STORE_OWN, ret_fd);
}

static int make_outer(const Filesystem *fs) {
        _cleanup_(closep) int fd = -1;

        if (fs->is_btrfs) {
                if (btrfs_util_create_subvolume_fd(fs->top, STORE_NAME, 0, NULL, NULL) != BTRFS_UTIL_OK)
                        return errno > 0 ? -errno : -EIO;
        } else if (mkdirat(fs->top, STORE_NAME, 0700) < 0)
                return -errno;
        fd = beneath_open(fs->top, STORE_NAME, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd;
        return fchown(fd, 0, 0) < 0 || fchmod(fd, 0700) < 0 || fsync(fd) < 0 || fsync(fs->top) < 0 ? -errno : 0;
}

/* What a deletion that was interrupted has left. Nobody misses it, so that what fails is tried again next time. */
void store_clean(int store_fd) {
        int fd = openat(store_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *d;

        if (!directory) {
                closep(&fd);
                return;
        }
        for (unsigned n = 0; n < CLEANED_MAX && (d = readdir(directory)); n++) {
                int r;

                if (strncmp(d->d_name, STORE_GONE, sizeof(STORE_GONE) - 1) != 0)
                        continue;
                r = remove_directory(store_fd, d->d_name);
                if (r < 0)
                        fprintf(stderr, "/" STORE_OWN "/%s cannot be removed: %s\n", d->d_name, strerror(-r));
        }
        (void)closedir(directory);
}

int store_make(const Filesystem *fs, int *ret_fd) {
        _cleanup_(closep) int outer = -1;
        int r = open_private(fs->top, STORE_NAME, &outer);

        if (r == -ENOENT) {
                r = make_outer(fs);
                if (r == 0 || r == -EEXIST)
                        r = open_private(fs->top, STORE_NAME, &outer);
        }
        if (r < 0)
                return r;
        if (mkdirat(fs->top, STORE_OWN, 0700) < 0 && errno != EEXIST)
                return -errno;
        r = open_private(fs->top, STORE_OWN, ret_fd);
        if (r == 0)
                store_clean(*ret_fd);
        return r;
}

int store_identify(const Filesystem *fs, dev_t *ret_device, ino_t *ret_inode) {
        struct stat st;

        if (fstatat(fs->top, STORE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        *ret_device = st.st_dev;
        *ret_inode = st.st_ino;
        return 0;
}

int store_add(int store_fd, const char *id, const vss_value *info, int *ret_dir_fd) {
        static const char *const parts[] = { STORE_TREE, STORE_LINKS, STORE_TRASH };
        _cleanup_(closep) int fd = -1;
        int r;

        if (mkdirat(store_fd, id, 0700) < 0)
                return -errno;
        r = open_private(store_fd, id, &fd);
        if (r == 0)
                r = info_write(fd, info);
        if (r < 0)
                return r;
        FOREACH_ELEMENT (part, parts)
                if (mkdirat(fd, *part, 0700) < 0)
                        return -errno;
        *ret_dir_fd = TAKE_FD(fd);
        return 0;
}

int store_tidy(int dir_fd) {
        int r = remove_directory(dir_fd, STORE_LINKS);

        if (r == 0 || r == -ENOENT)
                r = remove_directory(dir_fd, STORE_TRASH);
        return r == -ENOENT ? 0 : r;
}

int store_remove(int store_fd, const char *id) {
        char gone[sizeof(STORE_GONE) + VSS_ID_SIZE];
        int r;

        (void)snprintf(gone, sizeof(gone), STORE_GONE "%s", id);
        if (renameat(store_fd, id, store_fd, gone) < 0) {
                if (errno != ENOTEMPTY && errno != EEXIST)
                        return -errno;
                /* One of the same name was not removed in full. */
                r = remove_directory(store_fd, gone);
                if (r < 0)
                        return r;
                if (renameat(store_fd, id, store_fd, gone) < 0)
                        return -errno;
        }
        if (fsync(store_fd) < 0)
                return -errno;
        return remove_directory(store_fd, gone);
}

int store_merge(int store_fd, const char *id, const vss_value *properties) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int dir_fd = -1;
        const char *reason;
        int r = open_private(store_fd, id, &dir_fd);

        if (r >= 0)
                r = info_read(dir_fd, id, &reason, &info);
        if (r >= 0)
                r = info_merge(info, properties, "reflink");
        return r < 0 ? r : info_replace(dir_fd, info);
}

int store_open_tree(int store_fd, const char *id, int *ret_fd) {
        char path[VSS_ID_SIZE + sizeof(STORE_TREE)];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/" STORE_TREE, id);
        fd = beneath_open(store_fd, path, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

static int visit(void *userdata, int store_fd, vss_value *info) {
        const Filesystem *fs = userdata;
        _cleanup_(closep) int tree_fd = -1;
        vss_value *own;

        if (strcmp(vss_value_get_string(info, "state", ""), "created") == 0 &&
            store_open_tree(store_fd, vss_value_get_string(info, "id", ""), &tree_fd) < 0 &&
            copies_set_incomplete(info, "its files are missing") < 0)
                return -ENOMEM;
        own = value_require(info, "reflink", VSS_KIND_DICT);
        return !own || vss_value_set_string(own, "filesystem", fs->source) < 0 ? -ENOMEM : 0;
}

int store_list(const Filesystem *fs, const char *set_under_way, vss_value *list) {
        _cleanup_(closep) int store_fd = -1;
        int r;

        r = store_open(fs, &store_fd);
        return r < 0 ? r : copies_list(store_fd, set_under_way, STORE_COPIES_MAX, visit, (void *)fs, list);
}
