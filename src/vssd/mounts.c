/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mounting device objects and exposures
 *
 * A device object is /run/linuxvss/shadow/<id>: read-only, nosuid, nodev, below a directory that only root
 * enters, since a copy holds everybody's files with the rights they had. Directories of its provider's own
 * are covered by empty ones, before anybody sees it; whoever gets a mount of the copy gets a clone of this
 * one.
 *
 * What is exposed is recorded in a directory, a symbolic link for each, from its id to where it is mounted:
 * below /run for copies that do not outlive the boot, below /var/lib for those that do.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "config.h"
#include "files/beneath.h"
#include "model/id.h"
#include "util/utf8.h"
#include "vssd/mounts.h"

#define SHADOW_DIR LINUXVSS_RUNDIR "/shadow"
#define EXPOSED_VOLATILE_DIR LINUXVSS_RUNDIR "/exposed"
#define EXPOSED_DIR LINUXVSS_STATEDIR "/exposed"

#define STAGING_PREFIX ".new-"

enum { SWEEP_MAX = 4096, STACK_MAX = 64 };

/* Since Linux 6.5; older headers do not know it. */
#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200
#endif

void mounts_device_object(const char *id, char *ret_path, size_t size) {
        (void)snprintf(ret_path, size, "%s/%s", SHADOW_DIR, id);
}

static int explain(WorkerAnswer *answer, int error, const char *path, const char *what) {
        (void)value_set_printf(answer->value, "message", "%s: %s: %s", path, what, strerror(-error));
        return error;
}

static int make_dir(const char *path) {
        return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int protect(int fd, unsigned flags) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };

        return mount_setattr(fd, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* An empty directory of its own file system, read-only. */
static int make_empty(int *ret_fd) {
        _cleanup_(closep) int context = fsopen("tmpfs", FSOPEN_CLOEXEC), fd = -1;

        if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "source", "linuxvss-hidden", 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(context, FSMOUNT_CLOEXEC,
                     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* What is not in the copy needs no hiding. */
static int hide(int object_fd, const char *path) {
        _cleanup_(closep) int empty = -1;
        _cleanup_(closep) int target = beneath_open(object_fd, path[0] == '/' ? path + 1 : path,
                                                    O_PATH | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        int r;

        if (target == -ENOENT)
                return 0;
        if (target < 0)
                return target;
        r = make_empty(&empty);
        if (r < 0)
                return r;
        return move_mount(empty, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
                       ? -errno
                       : 0;
}

/* @object: what it is called. */
static int hide_all(int fd, const char *object, const vss_value *hidden, WorkerAnswer *answer) {
        char what[512];

        for (size_t i = 0; i < vss_value_count(hidden); i++) {
                const char *path = vss_value_string(vss_value_at(hidden, i), "");
                int r = hide(fd, path);

                (void)snprintf(what, sizeof(what), "%s, its provider's own, cannot be hidden", path);
                if (r < 0)
                        return explain(answer, r, object, what);
        }
        return 0;
}

int mounts_hide(const char *object, const vss_value *hidden, WorkerAnswer *answer) {
        _cleanup_(closep) int fd = -1;

        if (vss_value_count(hidden) == 0)
                return 0;
        fd = open(object, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? explain(answer, -errno, object, "cannot be opened")
                      : hide_all(fd, object, hidden, answer);
}

/* Recursive for what is hidden, and with no ties to what will be mounted in the device object or in other
 * clones: nothing live ever comes to lie in it. */
static int clone_directory(int directory, int *ret_fd) {
        struct mount_attr attr = { .propagation = MS_PRIVATE };
        _cleanup_(closep) int fd = open_tree(
                directory, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static bool examine(int fd, struct statx *ret_stx) {
        return fd >= 0 && statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_INO, ret_stx) == 0 &&
               (ret_stx->stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int take_away(const char *path) {
        if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
                return -errno;
        return 0;
}

/* With all that lies beneath: who was killed in the midst of put_in_place() has left it there. */
static int take_all_away(const char *path) {
        for (int i = 0; i < STACK_MAX; i++)
                if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
                        return errno == EINVAL || errno == ENOENT ? 0 : -errno;
        return -EBUSY;
}

static void staging_place(const char *id, char *ret_path, size_t size) {
        (void)snprintf(ret_path, size, "%s/%s%s", SHADOW_DIR, STAGING_PREFIX, id);
}

/* What somebody who was killed has left of cover(). */
static void forget_staged(const char *id) {
        char path[256];

        staging_place(id, path, sizeof(path));
        (void)take_all_away(path);
        (void)rmdir(path);
}

/* A tree of the mount with what covers its hidden directories, made where nobody looks. (A mount that is
 * attached nowhere could be mounted in only since Linux 6.15.) Always by its descriptor: a sweep may take
 * it away meanwhile, and then it fails. */
static int cover(const MountArgs *args, WorkerAnswer *answer, int *ret_fd) {
        char path[256];
        int r;

        staging_place(args->id, path, sizeof(path));
        r = make_dir(path);
        if (r >= 0)
                r = take_all_away(path);
        if (r >= 0 && move_mount(args->fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                r = -errno;
        if (r < 0)
                (void)explain(answer, r, path, "cannot be mounted");
        else
                r = hide_all(args->fd, path, args->hidden, answer);
        if (r >= 0) {
                r = clone_directory(args->fd, ret_fd);
                if (r < 0)
                        (void)explain(answer, r, path, "cannot be cloned");
        }
        (void)take_away(path);
        (void)rmdir(path);
        return r;
}

/* Where one stands that a service before us made, it goes without a moment in which there is none; before
 * Linux 6.5 there is one. */
static int put_in_place(int fd, const char *path) {
        _cleanup_(closep) int there = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct statx stx;
        bool stands;
        int r = 0;

        if (there < 0)
                return -errno;
        stands = examine(there, &stx);
        if (stands && move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH) == 0)
                return take_away(path);
        if (stands)
                r = take_all_away(path);
        if (r >= 0 && move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                r = -errno;
        return r;
}

int mounts_attach_main(void *arg, WorkerAnswer *answer) {
        const MountArgs *args = arg;
        _cleanup_(closep) int covered = -1;
        char path[256];
        int r;

        mounts_device_object(args->id, path, sizeof(path));
        r = make_dir(LINUXVSS_RUNDIR);
        if (r >= 0)
                r = make_dir(SHADOW_DIR);
        if (r >= 0)
                r = make_dir(path);
        if (r < 0)
                return explain(answer, r, path, "cannot be made");
        r = protect(args->fd, 0);
        if (r < 0)
                return explain(answer, r, path, "cannot be made read-only");
        if (vss_value_count(args->hidden) > 0)
                r = cover(args, answer, &covered);
        if (r >= 0) {
                r = put_in_place(covered >= 0 ? covered : args->fd, path);
                if (r < 0)
                        (void)explain(answer, r, path, "cannot be mounted");
        }
        /* One that stands already stays. */
        if (r < 0)
                (void)rmdir(path);
        return r;
}

int mounts_detach_main(void *arg, WorkerAnswer *answer) {
        const MountArgs *args = arg;
        char path[256];
        int r;

        forget_staged(args->id);
        mounts_device_object(args->id, path, sizeof(path));
        r = take_all_away(path);
        if (r < 0)
                return explain(answer, r, path, "cannot be unmounted");
        if (rmdir(path) < 0 && errno != ENOENT)
                return explain(answer, -errno, path, "cannot be removed");
        return 0;
}

static int open_object(const char *id, char path[static PATH_MAX], WorkerAnswer *answer, int *ret_fd) {
        mounts_device_object(id, path, PATH_MAX);
        *ret_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret_fd < 0 ? explain(answer, -errno, path, "cannot be opened") : 0;
}

int mounts_clone(const char *id, const char *below, WorkerAnswer *answer, int *ret_fd) {
        _cleanup_(closep) int object = -1, directory = -1, fd = -1;
        char path[PATH_MAX];
        int r;

        r = open_object(id, path, answer, &object);
        if (r < 0)
                return r;
        directory = beneath_open(object, below, O_PATH | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        if (directory < 0)
                return explain(answer, directory, path, "what is wanted of it cannot be opened");
        r = clone_directory(directory, &fd);
        if (r < 0)
                return explain(answer, r, path, "cannot be opened");
        r = protect(fd, AT_RECURSIVE);
        if (r < 0)
                return explain(answer, r, path, "cannot be made read-only");
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int mounts_clone_writable(const char *id, int opened_fd, WorkerAnswer *answer, int *ret_fd) {
        struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
        _cleanup_(closep) int object = -1, fd = -1;
        struct stat opened, st;
        char path[PATH_MAX];
        int r;

        r = open_object(id, path, answer, &object);
        if (r < 0)
                return r;
        if (fstat(object, &st) < 0 || fstat(opened_fd, &opened) < 0)
                return explain(answer, -errno, path, "cannot be looked at");
        if (st.st_dev != opened.st_dev || st.st_ino != opened.st_ino)
                return explain(answer, -EXDEV, path, "is not what its provider opened for writing");
        r = clone_directory(object, &fd);
        /* Its root alone: what covers the hidden directories stays read-only. */
        if (r >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                r = -errno;
        if (r < 0)
                return explain(answer, r, path, "cannot be opened for writing");
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int mounts_clone_main(void *arg, WorkerAnswer *answer) {
        const MountArgs *args = arg;
        int fd, r = mounts_clone(args->id, "", answer, &fd);

        if (r >= 0)
                answer->fds[answer->n_fds++] = fd;
        return r;
}

static int check_empty(int fd) {
        _cleanup_(closep) int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *entry;
        DIR *dir = copy < 0 ? NULL : fdopendir(copy);
        int n = 0;

        if (!dir)
                return -errno;
        copy = -1;
        while (n <= 2 && (entry = readdir(dir)))
                n++;
        closedir(dir);
        return n > 2 ? -ENOTEMPTY : 0;
}

static void forget_exposure(const char *id) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s", EXPOSED_DIR, id);
        (void)unlink(path);
        (void)snprintf(path, sizeof(path), "%s/%s", EXPOSED_VOLATILE_DIR, id);
        (void)unlink(path);
}

static int record_exposure(const MountArgs *args) {
        const char *dir = args->persistent ? EXPOSED_DIR : EXPOSED_VOLATILE_DIR;
        _cleanup_(closep) int fd = -1;
        int r = make_dir(args->persistent ? LINUXVSS_STATEDIR : LINUXVSS_RUNDIR);

        if (r >= 0)
                r = make_dir(dir);
        if (r < 0)
                return r;
        forget_exposure(args->id);
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || symlinkat(args->directory, fd, args->id) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

/* What was exposed is found again by a path without links: whoever owns a directory on the way could have
 * put one there since, to have it mounted, or unmounted, somewhere else. Return: a descriptor. */
static int open_strictly(const char *path, int flags) {
        _cleanup_(closep) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (root < 0)
                return -errno;
        return path[0] == '/' ? beneath_open(root, path + 1, flags | O_DIRECTORY, 0, 0) : -EINVAL;
}

/* Where it is without links, for the record and for the answer. */
static int note_directory(MountArgs *real, int target, WorkerAnswer *answer) {
        char self[64];
        ssize_t n;

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", target);
        n = readlink(self, real->directory, sizeof(real->directory) - 1);
        if (n < 0)
                return -errno;
        real->directory[n] = '\0';
        if (!text_is_utf8(real->directory))
                return -EINVAL;
        return vss_value_set_string(answer->value, "directory", real->directory) < 0 ? -ENOMEM : 0;
}

int mounts_expose_main(void *arg, WorkerAnswer *answer) {
        const MountArgs *args = arg;
        _cleanup_(closep) int mount_fd = -1, target = -1;
        MountArgs real = *args;
        int r;

        target = args->again ? open_strictly(args->directory, O_RDONLY)
                             : open(args->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (target < 0)
                return explain(answer, args->again ? target : -errno, args->directory,
                               "must be an empty directory");
        r = check_empty(target);
        if (r < 0)
                return explain(answer, r, args->directory, "must be an empty directory");
        r = mounts_clone(args->id, "", answer, &mount_fd);
        if (r < 0)
                return r;
        /* Before the mount: a record without one is noticed, a mount without a record is not. */
        r = note_directory(&real, target, answer);
        if (r >= 0)
                r = record_exposure(&real);
        if (r < 0)
                return explain(answer, r, args->persistent ? EXPOSED_DIR : EXPOSED_VOLATILE_DIR,
                               "cannot be written");
        if (move_mount(mount_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
                r = -errno;
                forget_exposure(args->id);
                return explain(answer, r, args->directory, "cannot be mounted on");
        }
        return 0;
}

/* Is it what is exposed that is mounted there, and nothing that came later? The device object tells, if it
 * stands. */
static bool is_exposed(const char *id, int directory_fd, bool without_object) {
        _cleanup_(closep) int object_fd = -1;
        struct statx object, exposed;
        char path[256];

        mounts_device_object(id, path, sizeof(path));
        if (!examine(directory_fd, &exposed))
                return false;
        object_fd = open_strictly(path, O_PATH);
        if (!examine(object_fd, &object))
                return without_object;
        return object.stx_dev_major == exposed.stx_dev_major &&
               object.stx_dev_minor == exposed.stx_dev_minor && object.stx_ino == exposed.stx_ino;
}

int mounts_unexpose_main(void *arg, WorkerAnswer *answer) {
        const MountArgs *args = arg;
        _cleanup_(closep) int fd = open_strictly(args->directory, O_PATH);
        char self[64];
        int r = 0;

        /* By the descriptor: what was looked at, whatever lies at that path by now. */
        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        if (is_exposed(args->id, fd, true) && umount2(self, MNT_DETACH) < 0)
                r = -errno;
        if (r < 0)
                return explain(answer, r, args->directory, "cannot be unmounted");
        forget_exposure(args->id);
        return 0;
}

/* After a boot there are records of what is not mounted any more; it is wanted again. */
static void read_exposures(const char *path, bool persistent, vss_value *exposed, vss_value *wanted) {
        DIR *dir = opendir(path);
        struct dirent *entry;
        int n = 0;

        while (dir && n < SWEEP_MAX && (entry = readdir(dir))) {
                _cleanup_(closep) int fd = -1;
                char directory[4096];
                ssize_t size;
                bool stands;

                if (!id_is_valid(entry->d_name))
                        continue;
                n++;
                size = readlinkat(dirfd(dir), entry->d_name, directory, sizeof(directory) - 1);
                directory[MAX(size, 0)] = '\0';
                fd = open_strictly(directory, O_PATH);
                stands = is_exposed(entry->d_name, fd, !persistent);
                if (directory[0] == '/' && (stands || persistent))
                        (void)vss_value_set_string(stands ? exposed : wanted, entry->d_name, directory);
                else
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
        if (dir)
                closedir(dir);
}

int mounts_sweep_main(void *arg, WorkerAnswer *answer) {
        vss_value *exposed = value_require(answer->value, "exposed", VSS_KIND_DICT);
        vss_value *wanted = value_require(answer->value, "wanted", VSS_KIND_DICT);
        vss_value *left = value_require(answer->value, "left", VSS_KIND_LIST);
        DIR *dir = opendir(SHADOW_DIR);
        int n = 0, r = dir || errno == ENOENT ? 0 : -errno;
        struct dirent *entry;

        /* By the device objects, which stand, what is exposed is known. */
        read_exposures(EXPOSED_VOLATILE_DIR, false, exposed, wanted);
        read_exposures(EXPOSED_DIR, true, exposed, wanted);
        if (!dir)
                return r;
        while (n < SWEEP_MAX && (entry = readdir(dir))) {
                if (strncmp(entry->d_name, STAGING_PREFIX, strlen(STAGING_PREFIX)) == 0 &&
                    id_is_valid(entry->d_name + strlen(STAGING_PREFIX)))
                        forget_staged(entry->d_name + strlen(STAGING_PREFIX));
                if (!id_is_valid(entry->d_name))
                        continue;
                (void)value_append_string(left, entry->d_name);
                n++;
        }
        closedir(dir);
        return 0;
}

int mounts_detach_all_main(void *arg, WorkerAnswer *answer) {
        const vss_value *ids = arg;
        int r = 0;

        for (size_t i = 0; i < vss_value_count(ids); i++) {
                MountArgs args = { 0 };
                int one;

                (void)snprintf(args.id, sizeof(args.id), "%.36s",
                               vss_value_string(vss_value_at(ids, i), ""));
                one = mounts_detach_main(&args, answer);
                r = r < 0 ? r : one;
        }
        return r;
}
