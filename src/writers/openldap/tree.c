/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Has a tree of LDIF files changed?
 *
 * slapd replaces a file by renaming a new one over it, so a change shows in inodes and times; what is read
 * does not.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "util/macro.h"
#include "writers/common/aside.h"
#include "writers/openldap/environment.h"

#define TREE_FILES_MAX 100000u
#define TREE_DEPTH_MAX 16u

static uint64_t mix(uint64_t sum, const void *data, size_t n) {
        const unsigned char *bytes = data;

        for (size_t i = 0; i < n; i++)
                sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
        return sum;
}

static uint64_t sum_of(const char *name, const struct stat *st) {
        const uint64_t facts[] = { st->st_ino,
                                   (uint64_t)st->st_size,
                                   st->st_mode,
                                   (uint64_t)st->st_mtim.tv_sec,
                                   (uint64_t)st->st_mtim.tv_nsec,
                                   (uint64_t)st->st_ctim.tv_sec,
                                   (uint64_t)st->st_ctim.tv_nsec };

        return mix(mix(UINT64_C(0xcbf29ce484222325), name, strlen(name) + 1), facts, sizeof(facts));
}

static int add_tree(int fd, unsigned depth, unsigned *n, uint64_t *sum) {
        const struct dirent *entry;
        DIR *dir = fdopendir(fd);
        int r = 0;

        if (!dir) {
                (void)close(fd);
                return -errno;
        }
        while (r >= 0 && (errno = 0, entry = readdir(dir))) {
                struct stat st;
                int below;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    strcmp(entry->d_name, ASIDE_NAME) == 0 || strcmp(entry->d_name, ASIDE_DROPPED) == 0)
                        continue;
                if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                        /* It went while it was looked at: that is a change. */
                        r = errno == ENOENT ? 0 : -errno;
                        continue;
                }
                /* A sum of sums: the order of a directory does not matter. */
                *sum += mix(sum_of(entry->d_name, &st), &depth, sizeof(depth));
                if (++*n > TREE_FILES_MAX || depth > TREE_DEPTH_MAX)
                        r = -E2BIG;
                if (r < 0 || !S_ISDIR(st.st_mode))
                        continue;
                below = openat(dirfd(dir), entry->d_name,
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME);
                r = below < 0 ? -errno : add_tree(below, depth + 1, n, sum);
        }
        if (r >= 0 && errno != 0)
                r = -errno;
        (void)closedir(dir);
        return r;
}

int tree_sum(const char *path, uint64_t *ret_sum) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t sum = 0;
        unsigned n = 0;
        int r;

        if (fd < 0)
                return -errno;
        r = add_tree(fd, 0, &n, &sum);
        if (r >= 0)
                *ret_sum = sum;
        return r;
}
