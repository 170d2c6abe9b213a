/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File systems whose files can share extents, reached at their root
 */

#include <btrfsutil.h>
#include <fcntl.h>
#include <libmount.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "files/beneath.h"
#include "providers/reflink/filesystem.h"

DEFINE_CLEANUP(struct libmnt_table *, mnt_unref_table)
DEFINE_CLEANUP(struct libmnt_iter *, mnt_free_iter)

/* What XFS says of itself (xfs_fs.h, which only its developers have installed). */
typedef struct XfsGeometry {
        uint32_t sizes[8];
        uint64_t blocks[4];
        uint8_t uuid[16];
        uint32_t units[2];
        int32_t version;
        uint32_t flags;
        uint32_t log[4];
} XfsGeometry;
#define XFS_GEOMETRY _IOR('X', 124, XfsGeometry)
#define XFS_GEOMETRY_REFLINK (1u << 20)

Filesystem *filesystem_free(Filesystem *fs) {
        if (!fs)
                return NULL;
        closep(&fs->top);
        closep(&fs->mount_fd);
        free(fs->source);
        free(fs);
        return NULL;
}

const char *filesystem_refuses(const char *fs_type, int fd) {
        XfsGeometry geometry = { 0 };

        if (strcmp(fs_type, "btrfs") == 0)
                return NULL;
        if (strcmp(fs_type, "xfs") != 0)
                return "its files cannot share extents (only those of XFS and btrfs can)";
        if (ioctl(fd, XFS_GEOMETRY, &geometry) < 0)
                return "the file system does not say whether its files can share extents";
        return geometry.flags & XFS_GEOMETRY_REFLINK
                       ? NULL
                       : "its files cannot share extents (this XFS was made with reflink=0)";
}

typedef int MountFunction(struct libmnt_fs *mount, void *userdata);

/* Calls @function for each mount that may be meant in the order of the table, until one returns other than 0. */
static int for_each_mount(MountFunction *function, void *userdata) {
        _cleanup_(mnt_unref_tablep) struct libmnt_table *table = NULL;
        _cleanup_(mnt_free_iterp) struct libmnt_iter *iter = NULL;
        struct libmnt_fs *mount;
        int r;

        table = mnt_new_table();
        iter = mnt_new_iter(MNT_ITER_FORWARD);
        if (!table || !iter)
                return -ENOMEM;
        r = mnt_table_parse_file(table, "/proc/self/mountinfo");
        if (r != 0)
                return r < 0 ? r : -EIO;
        while (mnt_table_next_fs(table, iter, &mount) == 0) {
                const char *type = mnt_fs_get_fstype(mount);

                if (!type || (strcmp(type, "btrfs") != 0 && strcmp(type, "xfs") != 0))
                        continue;
                r = function(mount, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Of the super block; the mount itself may be read-only besides. */
static bool is_read_only(struct libmnt_fs *mount) {
        const char *options = mnt_fs_get_fs_options(mount);

        return options && mnt_optstr_get_option(options, "ro", NULL, NULL) == 0;
}

static int mount_root(const Filesystem *fs, const char *source, int *ret_fd) {
        _cleanup_(closep) int context = fsopen(fs->is_btrfs ? "btrfs" : "xfs", FSOPEN_CLOEXEC);
        int fd;

        if (context < 0)
                return -errno;
        if (fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0) < 0 ||
            (fs->is_btrfs && fsconfig(context, FSCONFIG_SET_STRING, "subvolid", "5", 0) < 0))
                return -errno;
        /* The super block is there already; asking for another state than it has could change it for all. */
        if ((fs->read_only && fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0) ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(context, FSMOUNT_CLOEXEC,
                     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

/* Nothing is mounted that is not mounted already: the device must be the one of the mount table. */
static int open_source(Filesystem *fs, const char *source) {
        struct stat st;
        int r;

        if (stat(source, &st) < 0)
                return -errno;
        if (!S_ISBLK(st.st_mode) || (!fs->is_btrfs && st.st_rdev != fs->device))
                return -ENODEV;
        r = mount_root(fs, source, &fs->mount_fd);
        if (r < 0)
                return r;
        /* The mount descriptor is as one of O_PATH; ioctls want the directory itself. */
        fs->top = openat(fs->mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fs->top < 0 || fstat(fs->top, &st) < 0)
                return -errno;
        return fs->is_btrfs || st.st_dev == fs->device ? 0 : -EXDEV;
}

/* The device by its number, when the table has no path that leads to it ("/dev/root"). */
static int find_device(dev_t device, char path[static PATH_MAX]) {
        char link[64], target[PATH_MAX];
        ssize_t n;
        const char *name;

        (void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(device), minor(device));
        n = readlink(link, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        name = strrchr(target, '/');
        return snprintf(path, PATH_MAX, "/dev/%s", name ? name + 1 : target) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int open_mount(struct libmnt_fs *mount, Filesystem **ret_fs) {
        _cleanup_filesystem_ Filesystem *fs = calloc(1, sizeof(*fs));
        char path[PATH_MAX];
        int r;

        if (!fs)
                return -ENOMEM;
        *fs = (Filesystem){ .mount_fd = -1,
                            .top = -1,
                            .device = mnt_fs_get_devno(mount),
                            .is_btrfs = strcmp(mnt_fs_get_fstype(mount), "btrfs") == 0,
                            .read_only = is_read_only(mount),
                            .source = strdup(mnt_fs_get_source(mount) ?: "") };
        if (!fs->source)
                return -ENOMEM;
        r = open_source(fs, fs->source);
        if (r < 0 && r != -ENOSYS && !fs->is_btrfs && find_device(fs->device, path) == 0)
                r = open_source(fs, path);
        if (r == 0)
                *ret_fs = TAKE_PTR(fs);
        return r;
}

typedef struct Question {
        const char *mount_point;
        bool found, read_only;
        Filesystem **ret_fs; /* or NULL */
        int error;
} Question;

/* The last one is on top. */
static int ask(struct libmnt_fs *mount, void *userdata) {
        Question *q = userdata;
        const char *target = mnt_fs_get_target(mount);

        if (!target || strcmp(target, q->mount_point) != 0)
                return 0;
        q->found = true;
        q->read_only = is_read_only(mount);
        if (q->ret_fs) {
                (void)filesystem_free(*q->ret_fs);
                *q->ret_fs = NULL;
                q->error = open_mount(mount, q->ret_fs);
        }
        return 0;
}

int filesystem_is_read_only(const char *mount_point, bool *ret_read_only) {
        Question q = { .mount_point = mount_point };
        int r = for_each_mount(ask, &q);

        if (r < 0 || !q.found)
                return r < 0 ? r : -ENOENT;
        *ret_read_only = q.read_only;
        return 0;
}

int filesystem_open(const char *mount_point, Filesystem **ret_fs) {
        _cleanup_filesystem_ Filesystem *fs = NULL;
        Question q = { .mount_point = mount_point, .ret_fs = &fs };
        int r = for_each_mount(ask, &q);

        if (r < 0 || !q.found || q.error < 0)
                return r < 0 ? r : q.found ? q.error : -ENOENT;
        *ret_fs = TAKE_PTR(fs);
        return 0;
}

/* What of @path is below @above; NULL if it is not. Both absolute, and normal. */
static const char *path_below(const char *path, const char *above) {
        size_t n = strlen(above);

        if (n == 1)
                return path + 1;
        if (strncmp(path, above, n) != 0 || (path[n] != '\0' && path[n] != '/'))
                return NULL;
        return path + n + (path[n] == '/');
}

static int locate_subvolume(const struct vss_volume *volume, char **ret_root) {
        _cleanup_(freep) char *path = NULL;
        uint64_t id;

        if (btrfs_util_subvolume_id_fd(volume->fd, &id) != BTRFS_UTIL_OK ||
            btrfs_util_subvolume_path_fd(volume->fd, id, &path) != BTRFS_UTIL_OK)
                return errno > 0 ? -errno : -EIO;
        return asprintf(ret_root, "/%s", path) < 0 ? -ENOMEM : 0;
}

int filesystem_locate(const struct vss_volume *volume, char **ret_root, char **ret_inside) {
        _cleanup_(freep) char *path = NULL, *root = NULL, *inside = NULL;
        const char *below = path_below(volume->path, volume->mount_point), *rest;
        int r = 0;

        if (!below)
                return -EINVAL;
        if (asprintf(&path, "%s%s%s", volume->mount_root, *below && volume->mount_root[1] ? "/" : "", below) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (strcmp(volume->fs_type, "btrfs") == 0)
                r = locate_subvolume(volume, &root);
        else
                root = strdup("/");
        if (r < 0 || !root)
                return r < 0 ? r : -ENOMEM;
        rest = path_below(path, root);
        inside = strdup(rest ?: "");
        if (!inside)
                return -ENOMEM;
        /* A mount that was made before its subvolume was moved tells the old place. */
        if (!rest)
                return -ESTALE;
        *ret_root = TAKE_PTR(root);
        *ret_inside = TAKE_PTR(inside);
        return 0;
}

int filesystem_open_volume(const Filesystem *fs, const struct vss_volume *volume, const char *root, const char *inside,
                           int *ret_fd) {
        _cleanup_(closep) int fd = -1, inside_fd = -1;
        struct stat st, opened;

        fd = beneath_open(fs->top, root + 1, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        if (fd < 0)
                return fd;
        inside_fd = beneath_open(fd, inside, O_RDONLY | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        if (inside_fd < 0)
                return inside_fd;
        if (fstat(volume->fd, &st) < 0 || fstat(inside_fd, &opened) < 0)
                return -errno;
        if (st.st_dev != opened.st_dev || st.st_ino != opened.st_ino)
                return -ESTALE;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

typedef struct Cloning {
        const Filesystem *fs;
        int directory_fd, fd, error;
        unsigned attributes;
} Cloning;

/* Older kernels clone only what is attached in the name space of the caller: this thread has one of its own, which
 * ends with it. */
static void *clone_main(void *userdata) {
        Cloning *c = userdata;
        struct mount_attr attr = { .attr_set = c->attributes, .attr_clr = MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME };

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            move_mount(c->fs->mount_fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                c->error = -errno;
        else
                c->fd = open_tree(c->directory_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (c->error == 0 && (c->fd < 0 || mount_setattr(c->fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0))
                c->error = -errno;
        return NULL;
}

int filesystem_clone(const Filesystem *fs, int directory_fd, unsigned attributes, int *ret_fd) {
        Cloning c = { .fs = fs, .directory_fd = directory_fd, .fd = -1, .attributes = attributes };
        _cleanup_(closep) int fd = -1;
        pthread_t thread;
        int r = pthread_create(&thread, NULL, clone_main, &c);

        if (r != 0)
                return -r;
        (void)pthread_join(thread, NULL);
        fd = c.fd;
        if (c.error < 0)
                return c.error;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int list_one(struct libmnt_fs *mount, void *userdata) {
        FilesystemList *list = userdata;
        Filesystem *fs;
        int r;

        for (size_t i = 0; i < list->n; i++)
                if (list->items[i]->device == mnt_fs_get_devno(mount))
                        return 0;
        if (list->n >= FILESYSTEMS_MAX) {
                fprintf(stderr, "more than %u file systems are mounted; the others are left out\n", FILESYSTEMS_MAX);
                return 1;
        }
        r = open_mount(mount, &fs);
        if (r == -ENOSYS)
                return r;
        if (r < 0)
                fprintf(stderr, "%s: cannot be searched for shadow copies: %s\n", mnt_fs_get_target(mount) ?: "?",
                        strerror(-r));
        else
                list->items[list->n++] = fs;
        return 0;
}

int filesystem_list(FilesystemList *ret_list) {
        int r;

        ret_list->n = 0;
        r = for_each_mount(list_one, ret_list);
        if (r < 0) {
                filesystem_list_done(ret_list);
                return r;
        }
        return 0;
}

void filesystem_list_done(FilesystemList *list) {
        while (list->n > 0)
                (void)filesystem_free(list->items[--list->n]);
}
