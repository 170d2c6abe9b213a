/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A number for a volume
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "util/macro.h"
#include "vss/volume-number.h"

#define UUIDS "/dev/disk/by-uuid"
#define UUIDS_MAX 65536u

/* FNV-1a; without its highest bit, so that it stays a number everywhere. */
static uint64_t hash(uint64_t start, const void *data, size_t size) {
        const uint8_t *byte = data;
        uint64_t value = start ?: UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++)
                value = (value ^ byte[i]) * UINT64_C(0x100000001b3);
        return value & INT64_MAX;
}

/* The file system and, in it, the subvolume. */
static uint64_t number_of_subvolume(int fd) {
        struct btrfs_ioctl_fs_info_args info = {};
        struct btrfs_ioctl_ino_lookup_args lookup = { .objectid = BTRFS_FIRST_FREE_OBJECTID };

        if (ioctl(fd, BTRFS_IOC_FS_INFO, &info) < 0 || ioctl(fd, BTRFS_IOC_INO_LOOKUP, &lookup) < 0)
                return 0;
        return hash(hash(0, info.fsid, sizeof(info.fsid)), &lookup.treeid, sizeof(lookup.treeid));
}

static void closedirp(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

/* As udev names it. */
static uint64_t number_by_uuid(dev_t device) {
        _cleanup_(closedirp) DIR *dir = opendir(UUIDS);
        struct dirent *entry;

        for (unsigned i = 0; dir && i < UUIDS_MAX && (entry = readdir(dir)); i++) {
                struct stat st;

                if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISBLK(st.st_mode) &&
                    st.st_rdev == device)
                        return hash(0, entry->d_name, strlen(entry->d_name));
        }
        return 0;
}

/* Devices and their like are not opened: their directory will do. */
static int open_on_volume(const char *path) {
        _cleanup_(freep) char *copy = strdup(path);
        char *slash = copy ? strrchr(copy, '/') : NULL;
        struct stat st;

        if (!slash || lstat(path, &st) < 0)
                return -1;
        if (!S_ISDIR(st.st_mode))
                slash[slash == copy] = '\0';
        return open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

uint64_t volume_number(const char *path) {
        _cleanup_(closep) int fd = open_on_volume(path);
        struct statfs fs;
        struct stat st;
        uint64_t number = 0;

        if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return 0;
        if (fs.f_type == BTRFS_SUPER_MAGIC)
                number = number_of_subvolume(fd);
        if (number == 0)
                number = number_by_uuid(st.st_dev);
        if (number == 0 && (fs.f_fsid.__val[0] != 0 || fs.f_fsid.__val[1] != 0))
                number = hash(0, &fs.f_fsid, sizeof(fs.f_fsid));
        return number;
}
