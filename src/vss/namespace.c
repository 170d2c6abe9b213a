/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The view of `vss exec` made real
 *
 * Everything works on descriptors. Targets are looked up below the new root without following symbolic
 * links, since the tree underneath belongs to whoever may write to the volume. Shadow copies are attached in
 * a staging area first: parts of a mount can only be cloned where it is attached (before Linux 6.15), and
 * several places may need parts of one shadow copy. Live trees are cloned before anything covers them.
 *
 * The namespace receives what is mounted and unmounted outside from then on (it is a slave), so that it
 * keeps nothing busy that the administrator unmounts; what happens inside never leaves it.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "config.h"
#include "util/macro.h"
#include "vss/namespace.h"

typedef struct Builder {
        const View *view;
        NamespaceError *error;
        int staging; /* root of the staging area */
        int root;    /* what will be "/" for the command */
        int *fds;    /* per step: the detached clone of a live tree, or the mask to be closed for writing */
} Builder;

static int _printf_(3, 4) fail(NamespaceError *error, int number, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->what, sizeof(error->what), format, args);
        va_end(args);
        error->error = number;
        return -number;
}

/* Below @directory_fd, never out of it, never through a symbolic link. "" is the directory itself. */
static int open_inside(int directory_fd, const char *path) {
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        long fd;

        while (*path == '/')
                path++;
        fd = syscall(SYS_openat2, directory_fd, *path ? path : ".", &how, sizeof(how));
        return fd < 0 ? -errno : (int)fd;
}

static int attach(int mount_fd, int target_fd) {
        return move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
                       ? -errno
                       : 0;
}

static int make_tmpfs(void) {
        _cleanup_(closep) int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
        int fd;

        if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        return fd < 0 ? -errno : fd;
}

static int make_read_only(int mount_fd) {
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };

        return mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

/* The live trees, while they still can be seen. What nobody asked for by name may be missing. */
static int clone_live(Builder *b) {
        for (size_t i = 0; i < b->view->n; i++) {
                const ViewStep *step = &b->view->steps[i];

                if (step->kind != VIEW_LIVE)
                        continue;
                b->fds[i] = open_tree(AT_FDCWD, step->target,
                                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_NO_AUTOMOUNT);
                if (b->fds[i] < 0 && !step->optional)
                        return fail(b->error, errno, "%s cannot be kept live", step->target);
        }
        return 0;
}

/* A private tmpfs on any directory there is; it is taken away again before the command runs. */
static int make_staging(Builder *b) {
        static const char *const places[] = { LINUXVSS_RUNDIR, "/run", "/tmp", "/mnt" };
        _cleanup_(closep) int tmpfs = make_tmpfs(), place = -1;
        int r;

        if (tmpfs < 0)
                return fail(b->error, -tmpfs, "no tmpfs can be made for the view");
        for (size_t i = 0; place < 0 && i < ELEMENTS(places); i++)
                place = open(places[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (place < 0)
                return fail(b->error, errno,
                            "there is no directory to build the view on (/run, /tmp, /mnt)");
        r = attach(tmpfs, place);
        if (r < 0)
                return fail(b->error, -r, "the view's staging area cannot be attached");
        b->staging = TAKE_FD(tmpfs);
        return 0;
}

static int stage_shadows(Builder *b, const int *mount_fds, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_(closep) int place = -1;
                char name[32];
                int r;

                (void)snprintf(name, sizeof(name), "%zu", i);
                if (mkdirat(b->staging, name, 0700) < 0)
                        return fail(b->error, errno,
                                    "a directory in the view's staging area cannot be made");
                place = open_inside(b->staging, name);
                r = place < 0 ? place : attach(mount_fds[i], place);
                if (r < 0)
                        return fail(b->error, -r, "shadow copy %zu cannot be attached", i + 1);
        }
        return 0;
}

static int clone_shadow(Builder *b, const ViewStep *step, int *ret_fd) {
        _cleanup_(closep) int part = -1;
        char path[PATH_MAX];
        int fd;

        if ((size_t)snprintf(path, sizeof(path), "%zu/%s", step->shadow, step->below) >= sizeof(path))
                return -ENAMETOOLONG;
        part = open_inside(b->staging, path);
        if (part < 0)
                return part;
        /* With what hides the directories of its provider's own; nothing else is mounted in it. */
        fd = open_tree(part, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

/* Inside a mask there is nothing to attach to yet. */
static int make_directories(int root, const char *target) {
        char path[PATH_MAX];
        size_t n = strlen(target);

        if (n >= sizeof(path))
                return -ENAMETOOLONG;
        for (size_t i = 1; i <= n; i++) {
                _cleanup_(closep) int parent = -1;
                char *name;

                if (target[i] != '/' && target[i] != '\0')
                        continue;
                memcpy(path, target, i);
                path[i] = '\0';
                name = strrchr(path, '/');
                *name++ = '\0';
                parent = open_inside(root, path);
                if (parent < 0)
                        return parent;
                if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST && errno != EROFS)
                        return -errno;
        }
        return 0;
}

/* The empty thing for a target that is a file. */
static int make_empty_file(Builder *b) {
        _cleanup_(closep) int file = openat(b->staging, "empty", O_CREAT | O_RDONLY | O_CLOEXEC | O_NOFOLLOW,
                                            0444);
        int fd;

        if (file < 0)
                return -errno;
        fd = open_tree(file, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int attach_mask(Builder *b, size_t index, int target) {
        struct stat st;
        int r;

        if (fstat(target, &st) < 0)
                return -errno;
        b->fds[index] = S_ISDIR(st.st_mode) ? make_tmpfs() : make_empty_file(b);
        if (b->fds[index] < 0)
                return b->fds[index];
        r = attach(b->fds[index], target);
        return r;
}

/* The shadow copy of "/" becomes the root that all other steps build on. */
static int start_new_root(Builder *b) {
        _cleanup_(closep) int tree = -1, place = -1;
        int r = 0;

        if (mkdirat(b->staging, "root", 0700) < 0)
                r = -errno;
        if (r >= 0)
                r = clone_shadow(b, &b->view->steps[0], &tree);
        if (r >= 0)
                r = place = open_inside(b->staging, "root");
        if (r >= 0)
                r = attach(tree, place);
        if (r >= 0)
                r = b->root = open_inside(b->staging, "root");
        return r < 0 ? fail(b->error, -r, "the shadow copy of / cannot be attached") : 0;
}

static int do_step(Builder *b, size_t index) {
        const ViewStep *step = &b->view->steps[index];
        _cleanup_(closep) int target = -1, tree = -1;
        int r;

        if (step->kind == VIEW_LIVE && b->fds[index] < 0)
                return 0;
        if (step->make_target) {
                r = make_directories(b->root, step->target);
                if (r < 0)
                        return fail(b->error, -r, "%s: the directory cannot be made in the view",
                                    step->target);
        }

        target = open_inside(b->root, step->target);
        if (target < 0) {
                /* Not in the shadow copy: then there is nothing to hide, and nothing that must be shown. */
                if (step->kind == VIEW_MASK && target == -ENOENT)
                        return 0;
                if (step->optional)
                        return 0;
                return fail(b->error, -target, "%s cannot be found in the view", step->target);
        }

        if (step->kind == VIEW_SHADOW) {
                r = clone_shadow(b, step, &tree);
                if (r >= 0)
                        r = attach(tree, target);
        } else if (step->kind == VIEW_MASK)
                r = attach_mask(b, index, target);
        else
                r = attach(b->fds[index], target);
        if (r < 0 && step->optional)
                return 0;
        return r < 0 ? fail(b->error, -r, "%s cannot be attached in the view", step->target) : 0;
}

static int close_masks(Builder *b) {
        for (size_t i = 0; i < b->view->n; i++) {
                int r;

                if (b->view->steps[i].kind != VIEW_MASK || b->fds[i] < 0)
                        continue;
                r = make_read_only(b->fds[i]);
                if (r < 0)
                        return fail(b->error, -r, "%s cannot be made read-only", b->view->steps[i].target);
        }
        return 0;
}

/* On an initial RAM file system there is nothing to pivot from: then the new root is moved over the old one.
 */
static int change_root(Builder *b) {
        if (fchdir(b->root) < 0)
                return fail(b->error, errno, "the new root cannot be entered");
        if (syscall(SYS_pivot_root, ".", ".") >= 0) {
                if (umount2(".", MNT_DETACH) < 0)
                        return fail(b->error, errno, "the old root cannot be taken away");
        } else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
                return fail(b->error, errno, "the root cannot be changed to its shadow copy");
        return 0;
}

static int leave_staging(Builder *b) {
        if (fchdir(b->staging) < 0 || umount2(".", MNT_DETACH) < 0)
                return fail(b->error, errno, "the view's staging area cannot be taken away");
        return 0;
}

static int build(Builder *b, const int *mount_fds, size_t n_mount_fds) {
        int r;

        r = clone_live(b);
        if (r >= 0)
                r = make_staging(b);
        if (r >= 0)
                r = stage_shadows(b, mount_fds, n_mount_fds);
        if (r < 0)
                return r;

        if (b->view->new_root)
                r = start_new_root(b);
        else {
                b->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (b->root < 0)
                        r = fail(b->error, errno, "/ cannot be opened");
        }
        for (size_t i = b->view->new_root ? 1 : 0; r >= 0 && i < b->view->n; i++)
                r = do_step(b, i);
        if (r >= 0)
                r = close_masks(b);
        if (r < 0)
                return r;
        return b->view->new_root ? change_root(b) : leave_staging(b);
}

int namespace_enter(const View *view, const int *mount_fds, size_t n_mount_fds, const char *directory,
                    NamespaceError *error) {
        Builder b = { .view = view, .error = error, .staging = -1, .root = -1 };
        _cleanup_(freep) int *fds = NULL;
        int r;

        fds = calloc(view->n + 1, sizeof(*fds));
        if (!fds)
                return fail(error, ENOMEM, "out of memory");
        for (size_t i = 0; i < view->n; i++)
                fds[i] = -1;
        b.fds = fds;

        if (unshare(CLONE_NEWNS) < 0)
                return fail(error, errno, "no mount namespace can be made");
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return fail(error, errno, "the mount namespace cannot be detached from the machine's");

        r = build(&b, mount_fds, n_mount_fds);
        for (size_t i = 0; i < view->n; i++)
                closep(&fds[i]);
        closep(&b.staging);
        closep(&b.root);
        if (r < 0)
                return r;
        if (chdir(directory) < 0)
                return fail(error, errno, "the working directory %s is not there in the view", directory);
        return 0;
}
