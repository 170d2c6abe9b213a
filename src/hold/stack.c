/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a volume stands on, as sysfs, loop devices and mountinfo tell it
 *
 * A file system in a loop device in a file of another volume must be stopped before that one, or its flush
 * could never end. So the walk goes from a device to everything below it; a device it can't look into ends a
 * branch.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "hold/mountinfo.h"
#include "hold/stack.h"
#include "util/macro.h"

#define PARTS_MAX 256u

typedef struct Stack {
        dev_t *lower;
        size_t n, max;
} Stack;

DEFINE_CLEANUP(DIR *, closedir)

static int stack_below(Stack *stack, dev_t device, unsigned depth);

/* One device more, and what is below it. */
static int stack_add(Stack *stack, dev_t device, unsigned depth) {
        for (size_t i = 0; i < stack->n; i++)
                if (stack->lower[i] == device)
                        return 0;
        if (stack->n >= stack->max)
                return -E2BIG;
        stack->lower[stack->n++] = device;
        return stack_below(stack, device, depth + 1);
}

/* A "MAJOR:MINOR" file. */
static int device_read(int dir, const char *path, dev_t *ret_device) {
        _cleanup_(closep) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
        unsigned major_number, minor_number;
        char text[32];
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        if (sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
                return -EBADMSG;
        *ret_device = makedev(major_number, minor_number);
        return 0;
}

/* Each entry of the directory @name is a device: slaves of a stacked one, devices of a btrfs. */
static int parts_add(Stack *stack, int dir, const char *name, unsigned depth) {
        _cleanup_(closedirp) DIR *parts = NULL;
        struct dirent *entry;
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        parts = fdopendir(fd);
        if (!parts) {
                int r = -errno;

                (void)close(fd);
                return r;
        }
        for (unsigned i = 0; i < PARTS_MAX && (entry = readdir(parts)); i++) {
                char path[NAME_MAX + sizeof("/dev")];
                dev_t device;
                int r;

                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "%s/dev", entry->d_name);
                if (device_read(dirfd(parts), path, &device) < 0)
                        continue;
                r = stack_add(stack, device, depth);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The kernel's own packing of a device number. */
static dev_t device_unpack(uint64_t packed) {
        return makedev((unsigned)((packed >> 8) & 0xfff),
                       (unsigned)((packed & 0xff) | ((packed >> 12) & 0xfff00)));
}

static int loop_add(Stack *stack, int dir, dev_t device, const char *name, unsigned depth) {
        _cleanup_(closep) int fd = -1;
        struct loop_info64 info;
        char path[PATH_MAX + sizeof("/dev/")];
        struct stat st;

        if (faccessat(dir, "loop/backing_file", F_OK, 0) < 0)
                return 0;
        (void)snprintf(path, sizeof(path), "/dev/%s", name);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISBLK(st.st_mode) || st.st_rdev != device)
                return -ENXIO;
        if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
                return errno == ENXIO ? 0 : -errno;
        /* The file is a device itself, or lies in a file system. */
        return stack_add(stack, device_unpack(info.lo_rdevice > 0 ? info.lo_rdevice : info.lo_device),
                         depth);
}

typedef struct BtrfsSearch {
        dev_t device, source;
} BtrfsSearch;

/* Subvolumes have numbers of their own: either the superblock's or that of a mounted subvolume fits. */
static int each_btrfs(const MountInfo *mount, void *data) {
        BtrfsSearch *search = data;
        struct stat st;

        if (strcmp(mount->type, "btrfs") != 0)
                return 0;
        if (mount->device != search->device && (stat(mount->point, &st) < 0 || st.st_dev != search->device))
                return 0;
        if (stat(mount->source, &st) < 0 || !S_ISBLK(st.st_mode))
                return 0;
        search->source = st.st_rdev;
        return 1;
}

/* All devices of the btrfs that has @source among its own. */
static int btrfs_parts_add(Stack *stack, dev_t source, unsigned depth) {
        _cleanup_(closedirp) DIR *all = opendir("/sys/fs/btrfs");
        char device[64], name[PATH_MAX], path[NAME_MAX + PATH_MAX + 16];
        struct dirent *entry;
        ssize_t n;

        (void)snprintf(device, sizeof(device), "/sys/dev/block/%u:%u", major(source), minor(source));
        n = readlink(device, name, sizeof(name) - 1);
        name[MAX(n, 0)] = '\0';
        for (unsigned i = 0; n > 0 && all && i < PARTS_MAX && (entry = readdir(all)); i++) {
                (void)snprintf(path, sizeof(path), "%s/devices%s", entry->d_name,
                               strrchr(name, '/') ? strrchr(name, '/') : "/");
                if (entry->d_name[0] == '.' || faccessat(dirfd(all), path, F_OK, 0) < 0)
                        continue;
                (void)snprintf(path, sizeof(path), "%s/devices", entry->d_name);
                return parts_add(stack, dirfd(all), path, depth);
        }
        return stack_add(stack, source, depth);
}

static int stack_below(Stack *stack, dev_t device, unsigned depth) {
        _cleanup_(closep) int dir = -1;
        char path[64], name[PATH_MAX];
        dev_t disk;
        ssize_t n;
        int r;

        if (depth > STACK_DEPTH_MAX)
                return -ELOOP;
        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0) {
                BtrfsSearch search = { .device = device };

                r = mountinfo_each(each_btrfs, &search);
                return r <= 0 ? r : btrfs_parts_add(stack, search.source, depth);
        }
        if (faccessat(dir, "partition", F_OK, 0) >= 0 && device_read(dir, "../dev", &disk) >= 0) {
                r = stack_add(stack, disk, depth);
                if (r < 0)
                        return r;
        }
        r = parts_add(stack, dir, "slaves", depth);
        if (r < 0)
                return r;
        n = readlink(path, name, sizeof(name) - 1);
        if (n < 0)
                return -errno;
        name[n] = '\0';
        return loop_add(stack, dir, device, strrchr(name, '/') ? strrchr(name, '/') + 1 : name, depth);
}

int stack_lower_devices(dev_t device, dev_t *lower, size_t max, size_t *ret_n) {
        Stack stack = { .lower = lower, .max = max };
        int r = stack_below(&stack, device, 0);

        if (r < 0)
                return r;
        *ret_n = stack.n;
        return 0;
}
