/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a btrfs volume is: the subvolume that holds its root directory
 *
 * The root of a volume may be any directory of the subvolume, when that directory is bound somewhere. Paths
 * are compared inside the file system, where binds and subvol= do not matter.
 */

#include <btrfsutil.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "providers/btrfs/filesystem.h"
#include "providers/btrfs/store.h"
#include "providers/btrfs/volume.h"

DEFINE_CLEANUP(struct btrfs_util_subvolume_iterator *, btrfs_util_destroy_subvolume_iterator)

int volume_subvolume(const struct vss_volume *volume, uint64_t *ret_id, char **ret_path) {
        _cleanup_(freep) char *path = NULL;
        char *absolute;
        uint64_t id;

        if (btrfs_util_subvolume_id_fd(volume->fd, &id) != BTRFS_UTIL_OK ||
            btrfs_util_subvolume_path_fd(volume->fd, id, &path) != BTRFS_UTIL_OK)
                return negative_errno();
        if (asprintf(&absolute, "/%s", path) < 0)
                return -ENOMEM;
        *ret_id = id;
        *ret_path = absolute;
        return 0;
}

/* The path of the volume's root inside its subvolume: "", or with a '/' at the end. */
static int path_inside(int fd, struct btrfs_ioctl_ino_lookup_args *ret_lookup) {
        struct stat st;

        *ret_lookup = (struct btrfs_ioctl_ino_lookup_args){ 0 };
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_ino == BTRFS_FIRST_FREE_OBJECTID)
                return 0;
        ret_lookup->objectid = st.st_ino;
        if (ioctl(fd, BTRFS_IOC_INO_LOOKUP, ret_lookup) < 0)
                return -errno;
        ret_lookup->name[sizeof(ret_lookup->name) - 1] = 0;
        return 0;
}

/* Is it the store, or in it? Only at the top level. */
static bool is_ours(const char *path) {
        size_t n = sizeof(STORE_NAME) - 1;

        return strncmp(path, STORE_NAME, n) == 0 && (path[n] == 0 || path[n] == '/');
}

int volume_list_nested(const struct vss_volume *volume, vss_value *list) {
        _cleanup_(btrfs_util_destroy_subvolume_iteratorp) struct btrfs_util_subvolume_iterator *iter = NULL;
        struct btrfs_ioctl_ino_lookup_args inside;
        unsigned n = 0;
        uint64_t top;
        int r;

        r = path_inside(volume->fd, &inside);
        if (r < 0)
                return r;
        if (btrfs_util_subvolume_id_fd(volume->fd, &top) != BTRFS_UTIL_OK ||
            btrfs_util_create_subvolume_iterator_fd(volume->fd, top, 0, &iter) != BTRFS_UTIL_OK)
                return negative_errno();

        for (;;) {
                _cleanup_(freep) char *path = NULL;
                enum btrfs_util_error e;
                uint64_t id;

                e = btrfs_util_subvolume_iterator_next(iter, &path, &id);
                if (e == BTRFS_UTIL_ERROR_STOP_ITERATION)
                        return 0;
                if (e != BTRFS_UTIL_OK)
                        return negative_errno();
                if ((top == TOP_LEVEL_ID && is_ours(path)) ||
                    strncmp(path, inside.name, strlen(inside.name)) != 0)
                        continue;
                if (++n > NESTED_MAX)
                        return -E2BIG;
                if (value_append_string(list, path + strlen(inside.name)) < 0)
                        return -ENOMEM;
        }
}
