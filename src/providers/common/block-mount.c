/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mounts of copies that are block devices
 */

#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/mount.h>
#include "providers/common/block-mount.h"
#include "util/macro.h"

/* linux/ext4_fs.h is not for programs: the superblock's place, magic number, the flag of a journal to
 * replay, and where the journal is: in an inode, or else on another device. */
#define EXT4_SUPERBLOCK 1024
#define EXT4_MAGIC_AT 56
#define EXT4_MAGIC 0xef53u
#define EXT4_COMPAT_AT 92
#define EXT4_COMPAT_JOURNAL 4u
#define EXT4_INCOMPAT_AT 96
#define EXT4_INCOMPAT_RECOVER 4u
#define EXT4_JOURNAL_INODE_AT 224

/* Nor are the headers of XFS: blocks of the realtime device, and the first block of the log; 0: it is on
 * another device. */
#define XFS_MAGIC 0x58465342u
#define XFS_REALTIME_AT 16
#define XFS_LOG_AT 48

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

static uint32_t ext_number(const uint8_t *block, unsigned at) {
        uint32_t number;

        memcpy(&number, block + EXT4_SUPERBLOCK + at, sizeof(number));
        return le32toh(number);
}

static int read_ext(const char *device, uint8_t block[static 4096]) {
        uint16_t magic;
        int r;

        r = read_superblock(device, block);
        if (r < 0)
                return r;
        memcpy(&magic, block + EXT4_SUPERBLOCK + EXT4_MAGIC_AT, sizeof(magic));
        return le16toh(magic) == EXT4_MAGIC ? 0 : -EMEDIUMTYPE;
}

static int ext_needs_recovery(const char *device) {
        uint8_t block[4096] = { 0 };
        int r;

        r = read_ext(device, block);
        if (r < 0)
                return r;
        return (ext_number(block, EXT4_INCOMPAT_AT) & EXT4_INCOMPAT_RECOVER) ? -EUCLEAN : 0;
}

static int ext_outside(const char *device, const char **ret_why) {
        uint8_t block[4096] = { 0 };
        int r;

        *ret_why = NULL;
        r = read_ext(device, block);
        if (r == 0 && (ext_number(block, EXT4_COMPAT_AT) & EXT4_COMPAT_JOURNAL) &&
            ext_number(block, EXT4_JOURNAL_INODE_AT) == 0)
                *ret_why =
                        "its journal is on another device, which would not be in the copy. Unmount it, and "
                        "give it one of its own (tune2fs -O ^has_journal, then tune2fs -j).";
        return r;
}

static uint64_t xfs_number(const uint8_t *block, unsigned at) {
        uint64_t number;

        memcpy(&number, block + at, sizeof(number));
        return be64toh(number);
}

static int xfs_outside(const char *device, const char **ret_why) {
        uint8_t block[4096] = { 0 };
        int r;

        *ret_why = NULL;
        r = read_superblock(device, block);
        if (r == 0 && xfs_number(block, 0) >> 32 != XFS_MAGIC)
                r = -EMEDIUMTYPE;
        if (r == 0 && xfs_number(block, XFS_LOG_AT) == 0)
                *ret_why = "its log is on another device (logdev), which would not be in the copy. Its "
                           "files have "
                           "to move to an XFS that has its log inside.";
        else if (r == 0 && xfs_number(block, XFS_REALTIME_AT) != 0)
                *ret_why = "it has files on a realtime device (rtdev), which would not be in the copy. They "
                           "have "
                           "to move to an XFS without one.";
        return r;
}

int block_mount_outside(const char *device, const char *fs_type, const char **ret_why) {
        return strcmp(fs_type, "xfs") == 0 ? xfs_outside(device, ret_why) : ext_outside(device, ret_why);
}

int block_mount_outside_source(const char *source, dev_t device, const char *fs_type, const char **ret_why) {
        struct stat st;

        *ret_why = NULL;
        if (stat(source, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != device)
                return 0;
        return block_mount_outside(source, fs_type, ret_why);
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

int block_flush(const char *device) {
        _cleanup_(closep) int fd = open(device, O_RDONLY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}
