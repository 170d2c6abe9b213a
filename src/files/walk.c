/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Walking a file set below a root
 *
 * Directories are entered one by one, each opened from the one above without following anything, so that
 * what an owner moves about during the walk leads nowhere.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include "files/beneath.h"
#include "files/walk.h"
#include "model/filespec.h"
#include "util/macro.h"

/* What btrfs shows in a snapshot where a nested subvolume was. */
#define BTRFS_PLACEHOLDER_INODE 2u

typedef struct Walk {
        const WalkSet *set;
        WalkHandler handler;
        void *userdata;
        size_t entries_left;
        size_t below; /* where in @path what is below the set's directory begins */
        dev_t device;
        bool is_btrfs, found;
        char path[PATH_MAX];
} Walk;

static int tell(Walk *walk, WalkEntry *entry) {
        size_t n = strlen(walk->path);

        entry->path = walk->path;
        entry->below = walk->path + MIN(walk->below, n);
        return walk->handler(walk->userdata, entry);
}

static int tell_error(Walk *walk, int error) {
        return tell(walk,
                    &(WalkEntry){ .kind = WALK_ERROR, .directory_fd = -1, .name = "", .error = error });
}

/* @name joins the path. Return: its length before, for leave(); or -ENAMETOOLONG. */
static int enter(Walk *walk, const char *name, size_t *ret_before) {
        size_t n = strlen(walk->path), k = strlen(name);

        if (n + 1 + k >= sizeof(walk->path))
                return -ENAMETOOLONG;
        if (n > 0)
                walk->path[n] = '/';
        memcpy(walk->path + n + (n > 0), name, k + 1);
        *ret_before = n;
        return 0;
}

static void leave(Walk *walk, size_t before) {
        walk->path[before] = '\0';
}

static bool is_mount_point(const Walk *walk, const struct stat *st) {
        if (st->st_dev != walk->device)
                return true;
        if (walk->is_btrfs && S_ISDIR(st->st_mode) && st->st_ino == BTRFS_PLACEHOLDER_INODE)
                return true;
        for (const char *const *p = walk->set->mount_points; p && *p; p++)
                if (strcmp(*p, walk->path) == 0)
                        return true;
        return false;
}

static WalkKind kind_of(const struct stat *st) {
        return S_ISREG(st->st_mode)   ? WALK_FILE
               : S_ISDIR(st->st_mode) ? WALK_DIRECTORY
               : S_ISLNK(st->st_mode) ? WALK_SYMLINK
                                      : WALK_SPECIAL;
}

static int walk_directory(Walk *walk, int fd, unsigned depth);

static int walk_subdirectory(Walk *walk, int fd, const WalkEntry *entry, unsigned depth) {
        WalkEntry told = *entry;
        int r, sub_fd = -1;

        if (depth >= WALK_DEPTH_MAX)
                return tell_error(walk, -ENAMETOOLONG);
        if (told.kind != WALK_MOUNT_POINT) {
                sub_fd = beneath_open(fd, entry->name, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0,
                                      BENEATH_ONE_MOUNT);
                if (sub_fd == -EXDEV)
                        told.kind = WALK_MOUNT_POINT;
                else if (sub_fd < 0)
                        return tell_error(walk, sub_fd);
        }
        r = tell(walk, &told);
        if (sub_fd < 0)
                return r == WALK_PRUNE ? 0 : r;
        if (r != 0) {
                (void)close(sub_fd);
                return r == WALK_PRUNE ? 0 : r;
        }
        return walk_directory(walk, sub_fd, depth + 1);
}

/* One name in a directory; it has joined the path. */
static int walk_name(Walk *walk, int fd, const char *name, unsigned depth) {
        WalkEntry entry = { .directory_fd = fd, .name = name };

        if (fstatat(fd, name, &entry.st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                return tell_error(walk, -errno);
        entry.kind = kind_of(&entry.st);
        if (S_ISDIR(entry.st.st_mode)) {
                if (!walk->set->recursive)
                        return 0;
                if (is_mount_point(walk, &entry.st))
                        entry.kind = WALK_MOUNT_POINT;
                return walk_subdirectory(walk, fd, &entry, depth);
        }
        if (!filespec_matches(walk->set->filespec, name))
                return 0;
        walk->found = true;
        if (is_mount_point(walk, &entry.st))
                entry.kind = WALK_MOUNT_POINT;
        return tell(walk, &entry);
}

/* Takes @fd over. */
static int walk_directory(Walk *walk, int fd, unsigned depth) {
        DIR *directory = fdopendir(fd);
        struct dirent *d;
        int r = 0;

        if (!directory) {
                r = -errno;
                (void)close(fd);
                return tell_error(walk, r);
        }
        while (r == 0) {
                size_t before;

                errno = 0;
                d = readdir(directory);
                if (!d) {
                        if (errno != 0)
                                r = tell_error(walk, -errno);
                        break;
                }
                if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                        continue;
                if (walk->entries_left-- == 0) {
                        r = -E2BIG;
                        break;
                }
                r = enter(walk, d->d_name, &before);
                if (r < 0) {
                        r = tell_error(walk, r);
                        continue;
                }
                r = walk_name(walk, dirfd(directory), d->d_name, depth);
                leave(walk, before);
        }
        (void)closedir(directory);
        return r;
}

/* Does the directory of the set lie at or below a mount point? Then its files are not in this volume. */
static bool is_elsewhere(const WalkSet *set) {
        for (const char *const *p = set->mount_points; p && *p; p++) {
                size_t n = strlen(*p);

                if (strncmp(set->directory, *p, n) == 0 &&
                    (set->directory[n] == '/' || set->directory[n] == '\0'))
                        return true;
        }
        return false;
}

/* An exact name that was nowhere, under the path where it should have been. */
static int tell_missing(Walk *walk) {
        size_t before = 0;
        int r;

        if (enter(walk, walk->set->filespec, &before) < 0)
                return tell_error(walk, -ENAMETOOLONG);
        r = tell_error(walk, -ENOENT);
        leave(walk, before);
        return r;
}

static int walk_exact(Walk *walk, int fd) {
        const char *name = walk->set->filespec;
        struct stat st;
        size_t before;
        int r;

        if (enter(walk, name, &before) < 0)
                return tell_error(walk, -ENAMETOOLONG);
        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                r = tell_error(walk, -errno);
        else if (S_ISDIR(st.st_mode))
                r = tell_error(walk, -EISDIR);
        else
                r = walk_name(walk, fd, name, 0);
        leave(walk, before);
        return r;
}

/* The directory of the set itself: its own entry, then what is in it. Takes @fd over. */
static int walk_top(Walk *walk, int fd, bool exact) {
        _cleanup_(closep) int owned = fd;
        WalkEntry top = { .kind = WALK_DIRECTORY, .directory_fd = fd, .name = "." };
        int r = 0;

        if (exact && !walk->set->recursive)
                return walk_exact(walk, fd);
        if (walk->set->recursive) {
                if (fstat(fd, &top.st) < 0)
                        return tell_error(walk, -errno);
                r = tell(walk, &top);
        }
        if (r == 0)
                r = walk_directory(walk, TAKE_FD(owned), 0);
        if (r == 0 && exact && !walk->found)
                r = tell_missing(walk);
        return r == WALK_PRUNE ? 0 : r;
}

int walk_files(const WalkSet *set, WalkHandler handler, void *userdata) {
        _cleanup_(freep) Walk *walk = calloc(1, sizeof(*walk));
        bool exact = !strpbrk(set->filespec, "*?");
        struct statfs fs;
        struct stat st;
        size_t before;
        int fd;

        if (!walk)
                return -ENOMEM;
        if (!beneath_is_valid(set->directory) || !set->filespec[0] || strchr(set->filespec, '/'))
                return -EINVAL;
        *walk = (Walk){ .set = set, .handler = handler, .userdata = userdata };
        walk->entries_left = set->entries_max ?: WALK_ENTRIES_MAX;
        if (fstat(set->root_fd, &st) < 0 || fstatfs(set->root_fd, &fs) < 0)
                return -errno;
        walk->device = st.st_dev;
        walk->is_btrfs = fs.f_type == BTRFS_SUPER_MAGIC;
        if (enter(walk, set->directory, &before) < 0)
                return -EINVAL;
        walk->below = strlen(walk->path) + (walk->path[0] != '\0');

        if (is_elsewhere(set))
                return tell_error(walk, -EXDEV);
        fd = beneath_open(set->root_fd, set->directory, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0,
                          BENEATH_ONE_MOUNT);
        if (fd == -ENOENT)
                return exact ? tell_missing(walk) : 0;
        if (fd < 0)
                return tell_error(walk, fd);
        if (fstat(fd, &st) < 0 || is_mount_point(walk, &st)) {
                (void)close(fd);
                return tell_error(walk, -EXDEV);
        }
        return walk_top(walk, fd, exact);
}

int walk_open(const WalkEntry *entry) {
        _cleanup_(closep) int fd = -1;
        struct stat st;

        if (entry->kind != WALK_FILE && entry->kind != WALK_DIRECTORY)
                return -EINVAL;
        fd = beneath_open(entry->directory_fd, strcmp(entry->name, ".") == 0 ? "" : entry->name,
                          O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_dev != entry->st.st_dev || st.st_ino != entry->st.st_ino ||
            (st.st_mode & S_IFMT) != (entry->st.st_mode & S_IFMT))
                return -ESTALE;
        return TAKE_FD(fd);
}

int walk_read_link(const WalkEntry *entry, char **ret_target) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(entry->directory_fd, entry->name, target, sizeof(target) - 1);

        if (n < 0)
                return -errno;
        target[n] = '\0';
        *ret_target = strdup(target);
        return *ret_target ? 0 : -ENOMEM;
}
