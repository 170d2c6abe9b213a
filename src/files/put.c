/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files back below a root
 */

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include "files/beneath.h"
#include "files/copy.h"
#include "files/put.h"

#define NAME_TRIES 16

/* A name beside the target that nobody else has chosen. */
static void make_name(char *ret_name, size_t size) {
        uint64_t number = 0;

        (void)getrandom(&number, sizeof(number), 0);
        (void)snprintf(ret_name, size, ".vss-restore-%016llx", (unsigned long long)number);
}

/* Something that was made under @made takes the place of @name. */
static int rename_over(int directory_fd, const char *made, const char *name) {
        int r = 0;

        if (renameat(directory_fd, made, directory_fd, name) < 0) {
                r = -errno;
                (void)unlinkat(directory_fd, made, 0);
        }
        return r;
}

static int finish_file(int fd, int source_fd, const FileMeta *meta) {
        int64_t n = copy_content(source_fd, fd, NULL);

        return n < 0 ? (int)n : meta_apply(fd, meta);
}

static int flush_file(int fd) {
        return fsync(fd) < 0 ? -errno : 0;
}

/* Where the file system has unnamed files, a crash leaves nothing behind. */
static int put_unnamed(int directory_fd, const char *name, int source_fd, const FileMeta *meta, bool later) {
        _cleanup_(closep) int fd = -1;
        char made[64], self[64];
        int r;

        fd = openat(directory_fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
        if (fd < 0)
                return errno == EISDIR || errno == EOPNOTSUPP || errno == ENOENT ? -EOPNOTSUPP : -errno;
        r = finish_file(fd, source_fd, meta);
        if (r >= 0 && !later)
                r = flush_file(fd);
        if (r < 0)
                return r;
        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        if (linkat(AT_FDCWD, self, directory_fd, name, AT_SYMLINK_FOLLOW) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        r = later ? flush_file(fd) : 0;
        if (r < 0)
                return r;
        make_name(made, sizeof(made));
        if (linkat(AT_FDCWD, self, directory_fd, made, AT_SYMLINK_FOLLOW) < 0)
                return -errno;
        return rename_over(directory_fd, made, name);
}

static int put_named(int directory_fd, const char *name, int source_fd, const FileMeta *meta) {
        _cleanup_(closep) int fd = -1;
        char made[64];
        int r;

        for (unsigned i = 0; fd < 0 && i < NAME_TRIES; i++) {
                make_name(made, sizeof(made));
                fd = openat(directory_fd, made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd < 0 && errno != EEXIST)
                        return -errno;
        }
        if (fd < 0)
                return -EEXIST;
        r = finish_file(fd, source_fd, meta);
        if (r >= 0)
                r = flush_file(fd);
        if (r < 0) {
                (void)unlinkat(directory_fd, made, 0);
                return r;
        }
        return rename_over(directory_fd, made, name);
}

/* By its directory; more than fit are flushed now. */
static int sync_later(PutSync *later, int directory_fd) {
        struct stat st;
        int fd;

        if (fstat(directory_fd, &st) < 0)
                return -errno;
        for (size_t i = 0; i < later->n; i++)
                if (later->devices[i] == st.st_dev)
                        return 0;
        if (later->n == PUT_SYNC_MAX)
                return syncfs(directory_fd) < 0 ? -errno : 0;
        fd = fcntl(directory_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        later->devices[later->n] = st.st_dev;
        later->fds[later->n++] = fd;
        return 0;
}

int put_sync(PutSync *later) {
        int r = 0;

        for (size_t i = 0; i < later->n; i++) {
                if (syncfs(later->fds[i]) < 0 && r == 0)
                        r = -errno;
                (void)close(later->fds[i]);
        }
        later->n = 0;
        return r;
}

int put_file(int root_fd, const char *path, int source_fd, const FileMeta *meta, PutSync *later) {
        _cleanup_(closep) int directory_fd = -1;
        const char *name;
        int r;

        directory_fd = beneath_open_parent(root_fd, path, true, &name);
        if (directory_fd < 0)
                return directory_fd;
        r = put_unnamed(directory_fd, name, source_fd, meta, later != NULL);
        if (r == -EOPNOTSUPP)
                r = put_named(directory_fd, name, source_fd, meta);
        if (r < 0)
                return r;
        return later ? sync_later(later, directory_fd) : flush_file(directory_fd);
}

int put_directory(int root_fd, const char *path, const FileMeta *meta) {
        _cleanup_(closep) int parent_fd = -1, fd = -1;
        const char *name;

        if (*path) {
                parent_fd = beneath_open_parent(root_fd, path, true, &name);
                if (parent_fd < 0)
                        return parent_fd;
                if (mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST)
                        return -errno;
                fd = beneath_open(parent_fd, name, O_RDONLY | O_DIRECTORY, 0, 0);
        } else
                fd = beneath_open(root_fd, "", O_RDONLY | O_DIRECTORY, 0, 0);
        return fd < 0 ? fd : meta_apply(fd, meta);
}

/* Owner and time of what cannot be opened. */
static int apply_by_name(int directory_fd, const char *name, const FileMeta *meta) {
        struct timespec times[2] = {
                { .tv_nsec = UTIME_OMIT },
                { .tv_sec = meta->mtime_nsec / 1000000000, .tv_nsec = meta->mtime_nsec % 1000000000 },
        };

        if (times[1].tv_nsec < 0) {
                times[1].tv_sec--;
                times[1].tv_nsec += 1000000000;
        }
        if (fchownat(directory_fd, name, meta->uid, meta->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            utimensat(directory_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

/* A symbolic link to @target, or a node if that is NULL. */
static int put_node(int root_fd, const char *path, const char *target, const FileMeta *meta) {
        _cleanup_(closep) int directory_fd = -1;
        const char *name;
        char made[64];
        int r = -EEXIST;

        directory_fd = beneath_open_parent(root_fd, path, true, &name);
        if (directory_fd < 0)
                return directory_fd;
        for (unsigned i = 0; r == -EEXIST && i < NAME_TRIES; i++) {
                make_name(made, sizeof(made));
                r = target ? symlinkat(target, directory_fd, made)
                           : mknodat(directory_fd, made, meta->mode, meta->device);
                r = r < 0 ? -errno : 0;
        }
        if (r < 0)
                return r;
        r = apply_by_name(directory_fd, made, meta);
        /* The umask took bits away, the owner took others. What was just made is no link. */
        if (r == 0 && !target && fchmodat(directory_fd, made, meta->mode & 07777, 0) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(directory_fd, made, 0);
                return r;
        }
        return rename_over(directory_fd, made, name);
}

int put_symlink(int root_fd, const char *path, const char *target, const FileMeta *meta) {
        return put_node(root_fd, path, target, meta);
}

int put_special(int root_fd, const char *path, const FileMeta *meta) {
        if (!S_ISFIFO(meta->mode) && !S_ISSOCK(meta->mode) && !S_ISCHR(meta->mode) && !S_ISBLK(meta->mode))
                return -EINVAL;
        return put_node(root_fd, path, NULL, meta);
}

int put_ranges(int root_fd, const char *path, int source_fd, const PutRange *ranges,
               const uint64_t *source_offsets, size_t n) {
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        if (!*path || !beneath_is_valid(path))
                return -EINVAL;
        fd = beneath_open(root_fd, path, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0, 0);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                r = copy_range(source_fd, source_offsets ? source_offsets[i] : ranges[i].offset,
                               ranges[i].length, fd, ranges[i].offset, NULL);
                if (r < 0)
                        return r;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int _printf_(2, 3) cannot(PutFacts *facts, const char *format, ...) {
        va_list args;

        facts->replaceable = false;
        va_start(args, format);
        (void)vsnprintf(facts->reason, sizeof(facts->reason), format, args);
        va_end(args);
        return 0;
}

static int examine_file(int directory_fd, const char *name, PutFacts *facts) {
        _cleanup_(closep) int fd = -1;
        int flags = 0;

        fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return cannot(facts, "it cannot be opened: %m");
        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)))
                return cannot(facts, "it is marked %s (chattr -%c lets it be replaced)",
                              flags & FS_IMMUTABLE_FL ? "immutable" : "append-only",
                              flags & FS_IMMUTABLE_FL ? 'i' : 'a');
        /* A lease for reading is given only if nobody has it open for writing. */
        if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
                (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        else if (errno == EAGAIN || errno == EBUSY)
                return cannot(facts, "it is open for writing (fuser names by whom)");
        return 0;
}

/* Where a missing directory would be made. Return: the descriptor of the nearest one that is there. */
static int open_nearest(int root_fd, const char *path) {
        char above[PATH_MAX];
        size_t n;

        if (snprintf(above, sizeof(above), "%s", path) >= (int)sizeof(above))
                return -ENAMETOOLONG;
        for (n = strlen(above);;) {
                int fd = beneath_open(root_fd, above, O_RDONLY | O_DIRECTORY, 0, 0);
                char *slash;

                if (fd != -ENOENT || n == 0)
                        return fd;
                slash = strrchr(above, '/');
                n = slash ? (size_t)(slash - above) : 0;
                above[n] = '\0';
        }
}

static int examine_missing(int root_fd, const char *path, PutFacts *facts) {
        _cleanup_(closep) int fd = open_nearest(root_fd, path);

        if (fd < 0)
                return cannot(facts, "its directory cannot be reached: %s", strerror(-fd));
        if (faccessat(fd, ".", W_OK, AT_EACCESS) < 0)
                return cannot(facts, "its directory cannot be written to: %m");
        facts->replaceable = true;
        return 0;
}

int put_examine(int root_fd, const char *path, PutFacts *ret_facts) {
        _cleanup_(closep) int directory_fd = -1;
        struct statx stx;
        const char *name;

        *ret_facts = (PutFacts){ 0 };
        directory_fd = beneath_open_parent(root_fd, path, false, &name);
        if (directory_fd == -EINVAL)
                return -EINVAL;
        if (directory_fd == -ENOENT)
                return examine_missing(root_fd, path, ret_facts);
        if (directory_fd < 0)
                return cannot(ret_facts, "its directory cannot be reached: %s", strerror(-directory_fd));
        if (statx(directory_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) < 0)
                return errno == ENOENT ? examine_missing(root_fd, path, ret_facts) : -errno;

        ret_facts->exists = true;
        if (faccessat(directory_fd, ".", W_OK, AT_EACCESS) < 0)
                return cannot(ret_facts, "its directory cannot be written to: %m");
        if (S_ISDIR(stx.stx_mode))
                return cannot(ret_facts, "a directory is in its place");
        if (stx.stx_attributes & stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)
                return cannot(ret_facts, "it is a mount point");
        ret_facts->replaceable = true;
        return S_ISREG(stx.stx_mode) ? examine_file(directory_fd, name, ret_facts) : 0;
}
