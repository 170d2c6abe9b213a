/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mounts of copies that are block devices
 */

#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include "providers/common/block-mount.h"
#include "util/macro.h"

/* linux/ext4_fs.h is not for programs: the superblock's place, magic number, and the flag of a journal to
 * replay. */
#define EXT4_SUPERBLOCK 1024
#define EXT4_MAGIC_AT 56
#define EXT4_MAGIC 0xef53u
#define EXT4_INCOMPAT_AT 96
#define EXT4_INCOMPAT_RECOVER 4u

static bool is_ext(const char *fs_type) {
        return strcmp(fs_type, "ext4") == 0 || strcmp(fs_type, "ext3") == 0 || strcmp(fs_type, "ext2") == 0;
}

bool block_mount_knows(const char *fs_type) {
        return is_ext(fs_type) || strcmp(fs_type, "xfs") == 0;
}

/* Read anew from the disk: what the page cache has may be older than the copy. */
static int read_superblock(const char *device, uint8_t block[static 4096]) {
        _cleanup_(closep) int fd = open(device, O_RDONLY | O_CLOEXEC | O_DIRECT);
        _cleanup_(freep) void *aligned = NULL;
        ssize_t n;

        if (fd < 0)
                return -errno;
        if (posix_memalign(&aligned, 4096, 4096) != 0)
                return -ENOMEM;
        n = pread(fd, aligned, 4096, 0);
        if (n < 0)
                return -errno;
        if (n != 4096)
                return -EIO;
        memcpy(block, aligned, 4096);
        return 0;
}

static int ext_needs_recovery(const char *device) {
        uint8_t block[4096] = { 0 };
        uint16_t magic;
        uint32_t incompat;
        int r;

        r = read_superblock(device, block);
        if (r < 0)
                return r;
        memcpy(&magic, block + EXT4_SUPERBLOCK + EXT4_MAGIC_AT, sizeof(magic));
        memcpy(&incompat, block + EXT4_SUPERBLOCK + EXT4_INCOMPAT_AT, sizeof(incompat));
        if (le16toh(magic) != EXT4_MAGIC)
                return -EMEDIUMTYPE;
        return (le32toh(incompat) & EXT4_INCOMPAT_RECOVER) ? -EUCLEAN : 0;
}

static int set_flag(int fs, const char *flag) {
        return fsconfig(fs, FSCONFIG_SET_FLAG, flag, NULL, 0) < 0 ? -errno : 0;
}

int block_mount(const char *device, const char *fs_type, bool superblock_writable, bool mount_writable,
                int *ret_fd) {
        unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                              (mount_writable ? 0 : MOUNT_ATTR_RDONLY);
        _cleanup_(closep) int fs = -1;
        int fd, r = 0;

        if (!block_mount_knows(fs_type) || (mount_writable && !superblock_writable))
                return -EINVAL;
        if (is_ext(fs_type) && !superblock_writable)
                r = ext_needs_recovery(device);
        if (r < 0)
                return r;
        fs = fsopen(fs_type, FSOPEN_CLOEXEC);
        if (fs < 0)
                return -errno;
        if (fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0)
                return -errno;
        if (!superblock_writable)
                r = set_flag(fs, "ro");
        if (r == 0 && strcmp(fs_type, "xfs") == 0) {
                r = set_flag(fs, "nouuid");
                if (r == 0 && !superblock_writable)
                        r = set_flag(fs, "norecovery");
        }
        if (r < 0)
                return r;
        if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

int block_mount_seal(const char *device, const char *fs_type) {
        _cleanup_(closep) int fs = -1, fd = -1;
        int r;

        r = block_mount(device, fs_type, true, false, &fd);
        if (r < 0)
                return r;
        fs = fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
        if (fs < 0)
                return -errno;
        r = set_flag(fs, "ro");
        if (r < 0)
                return r;
        if (fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
                return -errno;
        return 0;
}
