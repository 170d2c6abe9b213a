/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One entry of a directory and its copy
 */

#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include "providers/reflink/node.h"
#include "util/clock.h"
#include "util/macro.h"

/* Smaller files have few extents, and are not asked. */
#define COUNT_FROM_SIZE (1024 * 1024)

#define PROC_FD_SIZE 32u

/* By this name attributes of anything can be read and set, also of what cannot be opened. */
static void proc_fd(int fd, char ret_path[static PROC_FD_SIZE]) {
        (void)snprintf(ret_path, PROC_FD_SIZE, "/proc/self/fd/%d", fd);
}

static int copy_xattr(const char *from, const char *to, const char *name) {
        char value[NODE_XATTRS_SIZE_MAX];
        ssize_t n = getxattr(from, name, value, sizeof(value));

        if (n < 0)
                /* Gone meanwhile, or listed by a file system that does not give it out. */
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
        return setxattr(to, name, value, (size_t)n, 0) < 0 ? -errno : 0;
}

static int copy_xattrs(int from_fd, int to_fd) {
        char from[PROC_FD_SIZE], to[PROC_FD_SIZE], names[NODE_XATTRS_SIZE_MAX + 1];
        ssize_t n;
        int r = 0;

        proc_fd(from_fd, from);
        n = listxattr(from, names, sizeof(names) - 1);
        if (n <= 0)
                return n == 0 || errno == EOPNOTSUPP ? 0 : -errno;
        names[n] = '\0';
        proc_fd(to_fd, to);
        for (const char *name = names; r == 0 && name < names + n; name += strlen(name) + 1)
                r = copy_xattr(from, to, name);
        return r;
}

/* The owner first: changing it takes set-id bits and capabilities away. Times last. */
static int copy_attributes(int from_fd, int to_fd, const struct stat *st) {
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        char path[PROC_FD_SIZE];
        int r;

        if (fchownat(to_fd, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
                return -errno;
        r = copy_xattrs(from_fd, to_fd);
        if (r < 0)
                return r;
        proc_fd(to_fd, path);
        if (!S_ISLNK(st->st_mode) && chmod(path, st->st_mode & 07777) < 0)
                return -errno;
        return utimensat(to_fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int node_copy_directory(int from_fd, int to_fd) {
        struct stat st;

        return fstat(from_fd, &st) < 0 ? -errno : copy_attributes(from_fd, to_fd, &st);
}

static uint64_t count_extents(int fd, const struct stat *st) {
        struct fiemap map = { .fm_length = FIEMAP_MAX_OFFSET };

        if (st->st_size == 0)
                return 0;
        /* With no room for extents the kernel only counts them. */
        return st->st_size >= COUNT_FROM_SIZE && ioctl(fd, FS_IOC_FIEMAP, &map) == 0
                       ? MAX(map.fm_mapped_extents, 1u)
                       : 1;
}

static int open_source(const NodeFile *file, NodeFacts *facts) {
        _cleanup_(closep) int fd = openat(file->from_fd, file->from,
                                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);
        struct timespec now;

        if (fd < 0)
                return errno == ELOOP || errno == ENXIO || errno == EACCES ? -ESTALE : -errno;
        if (fstat(fd, &facts->st) < 0)
                return -errno;
        if (!S_ISREG(facts->st.st_mode) || facts->st.st_ino != file->inode)
                return -ESTALE;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        facts->began_nsec = node_time(&now);
        facts->extents = count_extents(fd, &facts->st);
        return TAKE_FD(fd);
}

/* btrfs shares extents only between files that both have check sums, or both have none. */
static void copy_cow_flag(int from_fd, int to_fd) {
        int flags = 0;

        if (ioctl(from_fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & FS_NOCOW_FL))
                return;
        flags = FS_NOCOW_FL;
        /* If it fails, so does the clone, with its reason. */
        (void)ioctl(to_fd, FS_IOC_SETFLAGS, &flags);
}

static int clone_content(int from_fd, int to_fd, NodeFacts *facts) {
        uint64_t began = now_usec();

        if (facts->st.st_size > 0 && ioctl(to_fd, FICLONE, from_fd) < 0)
                return -errno;
        facts->clone_usec = now_usec() - began;
        facts->cloned = true;
        return 0;
}

int node_copy_file(const NodeFile *file, NodeFill fill, void *userdata, NodeFacts *ret_facts) {
        _cleanup_(closep) int from_fd = -1, to_fd = -1;
        NodeFacts facts = { 0 };
        int r;

        from_fd = open_source(file, &facts);
        if (from_fd < 0)
                return from_fd;
        to_fd = openat(file->to_fd, file->to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to_fd < 0)
                return -errno;
        copy_cow_flag(from_fd, to_fd);
        r = !fill || fill(userdata, &facts) ? clone_content(from_fd, to_fd, &facts) : 0;
        if (r == 0)
                r = copy_attributes(from_fd, to_fd, &facts.st);
        if (r < 0) {
                (void)unlinkat(file->to_fd, file->to, 0);
                return r;
        }
        *ret_facts = facts;
        return 0;
}

int node_fill_file(const NodeFile *file, NodeFacts *ret_facts) {
        _cleanup_(closep) int from_fd = -1, to_fd = -1;
        NodeFacts facts = { 0 };
        int r;

        from_fd = open_source(file, &facts);
        if (from_fd < 0)
                return from_fd;
        to_fd = openat(file->to_fd, file->to, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (to_fd < 0)
                return -errno;
        r = clone_content(from_fd, to_fd, &facts);
        if (r == 0)
                /* Content that arrives takes set-id bits and capabilities away, and changes times. */
                r = copy_attributes(from_fd, to_fd, &facts.st);
        if (r == 0)
                *ret_facts = facts;
        return r;
}

static int make_other(const NodeFile *file, int from_fd, const struct stat *st) {
        char target[PATH_MAX];
        ssize_t n;

        if (!S_ISLNK(st->st_mode))
                return mknodat(file->to_fd, file->to, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0 ? -errno : 0;
        n = readlinkat(from_fd, "", target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        return symlinkat(target, file->to_fd, file->to) < 0 ? -errno : 0;
}

int node_copy_other(const NodeFile *file, const struct stat *st) {
        _cleanup_(closep) int from_fd = -1, to_fd = -1;
        struct stat found;
        int r;

        from_fd = openat(file->from_fd, file->from, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (from_fd < 0 || fstat(from_fd, &found) < 0)
                return -errno;
        if (found.st_ino != st->st_ino || (found.st_mode & S_IFMT) != (st->st_mode & S_IFMT))
                return -ESTALE;
        r = make_other(file, from_fd, &found);
        if (r < 0)
                return r;
        to_fd = openat(file->to_fd, file->to, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        r = to_fd < 0 ? -errno : copy_attributes(from_fd, to_fd, &found);
        if (r < 0)
                (void)unlinkat(file->to_fd, file->to, 0);
        return r;
}
