/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Control groups to be held
 *
 * All that is read here is made by the kernel on the spot: it does not wait for a disk.
 */

#include <fcntl.h>
#include <libmount/libmount.h>
#include <stdbool.h>
#include <string.h>
#include "model/path.h"
#include "util/macro.h"
#include "vssd/cgroup.h"

DEFINE_CLEANUP(struct libmnt_table *, mnt_unref_table)
DEFINE_CLEANUP(struct libmnt_iter *, mnt_free_iter)

/* Hybrid machines have version 2 elsewhere than /sys/fs/cgroup. */
static int find_cgroup2(char **ret_path) {
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table = mnt_new_table_from_file(
                "/proc/self/mountinfo");
        _cleanup_(mnt_free_iterp) struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
        struct libmnt_fs *fs;

        while (table && iter && mnt_table_next_fs(table, iter, &fs) == 0)
                if (mnt_fs_match_fstype(fs, "cgroup2")) {
                        *ret_path = strdup(mnt_fs_get_target(fs));
                        return *ret_path ? 0 : -ENOMEM;
                }
        return -EOPNOTSUPP;
}

int cgroup_open(const char *path) {
        _cleanup_(freep) char *top = NULL;
        char full[4096];
        int fd, r;

        if (!path_is_normal(path) || strcmp(path, "/") == 0)
                return -EINVAL;
        r = find_cgroup2(&top);
        if (r < 0)
                return r;
        if (snprintf(full, sizeof(full), "%s%s", top, path) >= (int)sizeof(full))
                return -ENAMETOOLONG;
        fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int cgroup_contains(const char *path, pid_t pid) {
        _cleanup_(fclosep) FILE *file = NULL;
        char name[64], line[4096 + 8];

        (void)snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
        file = fopen(name, "re");
        if (!file)
                return errno == ENOENT ? 0 : 1;
        while (fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, "0::", 3) == 0)
                        return path_is_below(line + 3, path);
        }
        return 0;
}
