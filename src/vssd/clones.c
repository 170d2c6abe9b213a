/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Clones of shadow copies; see clones.h
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include "config.h"
#include "files/beneath.h"
#include "model/path.h"
#include "vssd/clones.h"
#include "vssd/manager.h"
#include "vssd/mounts.h"

#define SPACE_DIR LINUXVSS_STATEDIR "/verify"
#define SCRATCH_SIZE "256m"
#define MOUNT_FLAGS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

enum { SWEEP_MAX = 4096, STACKED_MAX = 128, DEPTH_MAX = 256 };

void clones_path(const char *name, size_t index, char *ret_path, size_t size) {
        if (index == SIZE_MAX)
                (void)snprintf(ret_path, size, "%s/%s/scratch", LINUXVSS_VERIFYDIR, name);
        else
                (void)snprintf(ret_path, size, "%s/%s/%zu", LINUXVSS_VERIFYDIR, name, index);
}

static void space_path(const char *name, char path[static PATH_MAX]) {
        (void)snprintf(path, PATH_MAX, "%s/%s", SPACE_DIR, name);
}

static int explain(WorkerAnswer *answer, int error, const char *path, const char *what) {
        (void)value_set_printf(answer->value, "message", "%s: %s: %s", path, what, strerror(-error));
        return error;
}

static int make_dir(const char *path, mode_t mode) {
        return (mkdir(path, mode) < 0 && errno != EEXIST) || chmod(path, mode) < 0 ? -errno : 0;
}

/* Mounts */

static int new_tmpfs(const char *mode, uid_t uid, const char *size, int *ret_fd) {
        _cleanup_(closep) int context = fsopen("tmpfs", FSOPEN_CLOEXEC), fd = -1;
        char owner[16];

        (void)snprintf(owner, sizeof(owner), "%u", uid);
        if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "source", "linuxvss-verify", 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "mode", mode, 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "uid", owner, 0) < 0 ||
            (size && fsconfig(context, FSCONFIG_SET_STRING, "size", size, 0) < 0) ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_FLAGS);
        if (fd < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int attach(int fd, const char *path) {
        return move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

/* The root of an overlay is its upper directory: it is to look like the one below. */
static int copy_look(int lower, const char *upper) {
        static const char *const lists[] = { "system.posix_acl_access", "system.posix_acl_default" };
        char self[64], list[4096];
        struct stat st;

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", lower);
        if (fstat(lower, &st) < 0 || chown(upper, st.st_uid, st.st_gid) < 0 ||
            chmod(upper, st.st_mode & 07777) < 0)
                return -errno;
        FOREACH_ELEMENT (name, lists) {
                ssize_t n = getxattr(self, *name, list, sizeof(list));

                if (n > 0 && setxattr(upper, *name, list, (size_t)n, 0) < 0)
                        return -errno;
        }
        return 0;
}

/* @syncs: what is written there is also to get to a disk. It need not, but old kernels do not know that. */
static int new_overlay(int lower, const char *upper, const char *work, bool syncs, int *ret_fd) {
        _cleanup_(closep) int context = fsopen("overlay", FSOPEN_CLOEXEC), fd = -1;
        char self[64];

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", lower);
        if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "source", "linuxvss-verify", 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "lowerdir", self, 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "upperdir", upper, 0) < 0 ||
            fsconfig(context, FSCONFIG_SET_STRING, "workdir", work, 0) < 0 ||
            (!syncs && fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0) ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_FLAGS);
        if (fd < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* In directories of its own each time: one that was tried without success is not taken again. */
static int try_overlay(const Clones *clones, size_t index, int lower, unsigned try, bool syncs,
                       int *ret_fd) {
        char space[PATH_MAX], upper[PATH_MAX + 64], work[PATH_MAX + 64];
        int r;

        space_path(clones->name, space);
        (void)snprintf(upper, sizeof(upper), "%s/%zu-%u.upper", space, index, try);
        (void)snprintf(work, sizeof(work), "%s/%zu-%u.work", space, index, try);
        if (mkdir(upper, 0700) < 0 || mkdir(work, 0700) < 0)
                return -errno;
        r = copy_look(lower, upper);
        return r < 0 ? r : new_overlay(lower, upper, work, syncs, ret_fd);
}

/* Not every file system can be an overlay's upper one. In memory there is always one that can. */
static int make_overlay(const Clones *clones, size_t index, int lower, bool *in_memory, int *ret_fd) {
        unsigned try = 0;
        int r;

        for (;;) {
                _cleanup_(closep) int memory = -1;
                char space[PATH_MAX];

                r = try_overlay(clones, index, lower, try++, false, ret_fd);
                if (r < 0)
                        r = try_overlay(clones, index, lower, try++, true, ret_fd);
                if (r >= 0 || *in_memory || r == -ENODEV)
                        return r;
                space_path(clones->name, space);
                r = new_tmpfs("0700", 0, NULL, &memory);
                if (r >= 0)
                        r = attach(memory, space);
                if (r < 0)
                        return r;
                *in_memory = true;
        }
}

/* Hidden paths are of the copy's root. */
static int hide(const char *path, const CloneVolume *volume, WorkerAnswer *answer) {
        _cleanup_value_ vss_value *inside = vss_value_new_list();
        _cleanup_(freep) char *root = NULL;

        if (path_join("/", volume->below, &root) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(volume->hidden); i++) {
                const char *hidden = vss_value_string(vss_value_at(volume->hidden, i), "");
                _cleanup_(freep) char *whole = NULL;
                const char *below;

                if (path_join("/", hidden[0] == '/' ? hidden + 1 : hidden, &whole) < 0)
                        return -ENOMEM;
                below = path_relative(whole, root);
                if (below && *below && value_append_string(inside, below) < 0)
                        return -ENOMEM;
        }
        return mounts_hide(path, inside, answer);
}

static int make_clone(const Clones *clones, size_t index, bool *in_memory, WorkerAnswer *answer) {
        const CloneVolume *volume = &clones->volumes[index];
        _cleanup_(closep) int object = -1, lower = -1, fd = -1;
        char source[PATH_MAX], path[PATH_MAX];
        int r;

        mounts_device_object(volume->snapshot, source, sizeof(source));
        clones_path(clones->name, index, path, sizeof(path));
        object = open(source, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (object < 0)
                return explain(answer, -errno, source, "cannot be opened");
        lower = beneath_open(object, volume->below, O_PATH | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        if (lower < 0)
                return explain(answer, lower, source, "what is wanted of it cannot be opened");
        r = make_overlay(clones, index, lower, in_memory, &fd);
        if (r >= 0)
                r = make_dir(path, 0700);
        if (r >= 0)
                r = attach(fd, path);
        if (r < 0)
                return explain(answer, r, source,
                               r == -ENODEV ? "this kernel has no overlay file system to clone it with"
                                            : "it cannot be cloned");
        return hide(path, volume, answer);
}

/* Where a volume lies in another one of them, its clone is to be found in that one's, too. */
static int nest(const Clones *clones, size_t index) {
        _cleanup_(closep) int outer = -1, target = -1, tree = -1;
        const CloneVolume *volume = &clones->volumes[index];
        size_t above = SIZE_MAX;
        char path[PATH_MAX];

        for (size_t i = 0; i < clones->n; i++)
                if (i != index && path_is_below(volume->path, clones->volumes[i].path) &&
                    (above == SIZE_MAX ||
                     strlen(clones->volumes[i].path) > strlen(clones->volumes[above].path)))
                        above = i;
        if (above == SIZE_MAX)
                return 0;
        clones_path(clones->name, above, path, sizeof(path));
        outer = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (outer < 0)
                return -errno;
        target = beneath_open(outer, path_relative(volume->path, clones->volumes[above].path),
                              O_PATH | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        /* What is not in the copy, or hidden in it, is not entered. */
        if (target < 0)
                return 0;
        clones_path(clones->name, index, path, sizeof(path));
        tree = open_tree(AT_FDCWD, path,
                         OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
        if (tree < 0 ||
            move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return -errno;
        return 0;
}

/* Innermost first, so that each brings along what lies in it. */
static int nest_all(const Clones *clones) {
        size_t order[VSS_VOLUMES_MAX];

        for (size_t i = 0; i < clones->n; i++) {
                size_t k = i;

                for (; k > 0 && strlen(clones->volumes[order[k - 1]].path) < strlen(clones->volumes[i].path);
                     k--)
                        order[k] = order[k - 1];
                order[k] = i;
        }
        for (size_t i = 0; i < clones->n; i++) {
                int r = nest(clones, order[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int make_directories(const Clones *clones) {
        char path[PATH_MAX], space[PATH_MAX];
        int r = make_dir(LINUXVSS_VERIFYDIR, 0711);

        (void)snprintf(path, sizeof(path), "%s/%s", LINUXVSS_VERIFYDIR, clones->name);
        space_path(clones->name, space);
        if (r >= 0)
                r = make_dir(path, 0700);
        if (r >= 0)
                r = make_dir(LINUXVSS_STATEDIR, 0700);
        if (r >= 0)
                r = make_dir(SPACE_DIR, 0700);
        return r < 0 ? r : make_dir(space, 0700);
}

static int make_scratch(const Clones *clones) {
        _cleanup_(closep) int fd = -1;
        char path[PATH_MAX];
        /* Root's writers give each of those whom they ask for a directory in it. */
        int r = new_tmpfs(clones->uid == 0 ? "0711" : "0700", clones->uid, SCRATCH_SIZE, &fd);

        clones_path(clones->name, SIZE_MAX, path, sizeof(path));
        if (r >= 0)
                r = make_dir(path, 0700);
        return r < 0 ? r : attach(fd, path);
}

int clones_make_main(void *arg, WorkerAnswer *answer) {
        const Clones *clones = arg;
        bool in_memory = false;
        char path[PATH_MAX];
        int r = make_directories(clones);

        (void)snprintf(path, sizeof(path), "%s/%s", LINUXVSS_VERIFYDIR, clones->name);
        if (r < 0)
                return explain(answer, r, path, "cannot be made");
        for (size_t i = 0; i < clones->n; i++) {
                r = make_clone(clones, i, &in_memory, answer);
                if (r < 0)
                        return r;
        }
        r = nest_all(clones);
        if (r >= 0)
                r = make_scratch(clones);
        /* Only now somebody else may enter. Root's writers ask for others, whose processes have to get
         * there. */
        if (r >= 0 &&
            (chmod(path, clones->uid == 0 ? 0711 : 0500) < 0 || chown(path, clones->uid, (gid_t)-1) < 0))
                r = -errno;
        return r < 0 ? explain(answer, r, path, "cannot be made") : 0;
}

/* Taking away */

/* What lies on another file system than @device stays. No link is followed: it may be a stranger's. */
static int remove_below(int parent, const char *name, dev_t device, int depth) {
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
        struct dirent *entry;
        struct stat st;
        DIR *dir;

        if (fd < 0)
                return unlinkat(parent, name, 0) < 0 && errno != ENOENT ? -errno : 0;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                (void)close(fd);
                return r;
        }
        if (fstat(fd, &st) < 0 || st.st_dev != device || depth > DEPTH_MAX)
                r = -EXDEV;
        while (r >= 0 && (entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = remove_below(fd, entry->d_name, device, depth + 1);
        (void)closedir(dir);
        if (r >= 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                r = -errno;
        return r;
}

static int remove_tree(const char *directory, const char *name) {
        _cleanup_(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        return fstat(fd, &st) < 0 ? -errno : remove_below(fd, name, st.st_dev, 0);
}

static void unmount_all(const char *path) {
        for (int i = 0; i < STACKED_MAX && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0; i++)
                ;
}

/* Clones are numbered; there are no more than volumes in a set. */
static int take_away(const char *name, WorkerAnswer *answer) {
        char path[PATH_MAX];
        int r;

        for (size_t i = 0; i < VSS_VOLUMES_MAX; i++) {
                clones_path(name, i, path, sizeof(path));
                unmount_all(path);
        }
        clones_path(name, SIZE_MAX, path, sizeof(path));
        unmount_all(path);
        r = remove_tree(LINUXVSS_VERIFYDIR, name);
        if (r < 0)
                return explain(answer, r, name, "it cannot be removed from " LINUXVSS_VERIFYDIR);
        space_path(name, path);
        unmount_all(path);
        r = remove_tree(SPACE_DIR, name);
        return r < 0 ? explain(answer, r, name, "it cannot be removed from " SPACE_DIR) : 0;
}

int clones_remove_main(void *arg, WorkerAnswer *answer) {
        const Clones *clones = arg;

        return take_away(clones->name, answer);
}

int clones_sweep_main(void *arg, WorkerAnswer *answer) {
        static const char *const places[] = { LINUXVSS_VERIFYDIR, SPACE_DIR };
        const Manager *manager = arg;
        int r = 0;

        FOREACH_ELEMENT (place, places) {
                DIR *dir = opendir(*place);
                struct dirent *entry;

                for (int n = 0; dir && n < SWEEP_MAX && (entry = readdir(dir)); n++)
                        if (entry->d_name[0] != '.' && strlen(entry->d_name) < CLONES_NAME_SIZE &&
                            strncmp(entry->d_name, manager->instance, CLONES_INSTANCE_SIZE) != 0)
                                r = MIN(r, take_away(entry->d_name, answer));
                if (dir)
                        closedir(dir);
        }
        return r;
}
