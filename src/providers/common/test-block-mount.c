/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of mounts of copies: images of file systems in use stand for copies without a hold, those of
 * unmounted ones for copies with one
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include "providers/common/block-mount.h"
#include "providers/common/test-disk.h"
#include "util/macro.h"
#include "util/test.h"

#define ROOT "/mnt"
#define SIZE ((size_t)320 << 20)

static const char *const mkfs_ext4[] = { "mkfs.ext4", "-q", "-F", NULL };
static const char *const mkfs_ext2[] = { "mkfs.ext2", "-q", "-F", NULL };
static const char *const mkfs_xfs[] = { "mkfs.xfs", "-q", NULL };
static const char *const no_mkfs[] = { "true", NULL };

static bool set_read_only(const TestDisk *disk, int on) {
        return ioctl(disk->loop, BLKROSET, &on) == 0;
}

/* A second disk with what the first has at this moment. */
static bool copy_disk(const TestDisk *from, TestDisk *to) {
        off_t at = 0, end = (off_t)SIZE;

        /* A loop device keeps being read-only from one user to the next. */
        if (fsync(from->loop) < 0 || !test_disk_make(to, SIZE, no_mkfs) || !set_read_only(to, 0))
                return false;
        while (at < end)
                if (sendfile(to->image, from->image, &at, (size_t)(end - at)) <= 0)
                        return false;
        return true;
}

/* A sum over the whole disk. */
static uint64_t sum_disk(const TestDisk *disk) {
        static uint64_t block[1 << 15];
        uint64_t sum = 1;
        ssize_t n;

        for (off_t at = 0; (n = pread(disk->image, block, sizeof(block), at)) > 0; at += n)
                for (size_t i = 0; i < (size_t)n / sizeof(block[0]); i++)
                        sum = sum * UINT64_C(6364136223846793005) + block[i];
        return sum;
}

static void attach(int fd, const char *at) {
        expect_true("a place", mkdir(at, 0755) == 0 || errno == EEXIST);
        expect_int("attach", move_mount(fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH), 0);
}

static void detach(const char *at) {
        expect_int("detach", umount(at), 0);
}

/* A clean copy beside its mounted original: mounted without a byte of it being written. */
static void test_clean(const char *type, const char *const mkfs[]) {
        _cleanup_(closep) int fd = -1;
        TestDisk disk, copy;
        uint64_t before;

        printf("# %s\n", type);
        if (!test_disk_make(&disk, SIZE, mkfs) || !test_disk_mount(&disk, type, NULL, ROOT "/original") ||
            !test_write(ROOT "/original/file", "one") || umount(ROOT "/original") < 0 ||
            !copy_disk(&disk, &copy) || !test_disk_mount(&disk, type, NULL, ROOT "/original")) {
                expect_true("a file system and its copy", false);
                return;
        }
        before = sum_disk(&copy);
        expect_true("the copy is read-only", set_read_only(&copy, 1));
        expect_int("mount", block_mount(copy.device, type, false, false, &fd), 0);
        attach(fd, ROOT "/copy");
        expect_true("its file", test_has(ROOT "/copy/file", "one"));
        expect_true("cannot be changed", !test_write(ROOT "/copy/file", "two"));
        closep(&fd);
        fd = -1;
        expect_int("a second mount", block_mount(copy.device, type, false, false, &fd), 0);
        detach(ROOT "/copy");
        closep(&fd);
        fd = -1;
        expect_true("not a byte of it was written", sum_disk(&copy) == before);
        expect_int("not writable without a writable superblock",
                   block_mount(copy.device, type, false, true, &fd), -EINVAL);
        expect_true("the copy is writable", set_read_only(&copy, 0));
        expect_int("mount it for writing", block_mount(copy.device, type, true, true, &fd), 0);
        attach(fd, ROOT "/copy");
        expect_true("write", test_write(ROOT "/copy/file", "two"));
        closep(&fd);
        fd = open(ROOT "/copy/file", O_WRONLY | O_CLOEXEC);
        expect_int("seal with a file open for writing", block_mount_seal(copy.device, type), -EBUSY);
        closep(&fd);
        fd = -1;
        expect_int("seal", block_mount_seal(copy.device, type), 0);
        expect_true("it cannot be written to", !test_write(ROOT "/copy/file", "three"));
        detach(ROOT "/copy");
        expect_true("the copy is read-only", set_read_only(&copy, 1));
        expect_int("mount what was sealed", block_mount(copy.device, type, false, false, &fd), 0);
        attach(fd, ROOT "/copy");
        closep(&fd);
        fd = -1;
        expect_true("it is what was written", test_has(ROOT "/copy/file", "two"));
        expect_true("and the original is as it was", test_has(ROOT "/original/file", "one"));
        detach(ROOT "/copy");
        detach(ROOT "/original");
        test_disk_done(&disk);
        test_disk_done(&copy);
}

/* One that was in use: never read without its journal. */
static void test_unclean(const char *type, const char *const mkfs[]) {
        _cleanup_(closep) int fd = -1;
        TestDisk disk, copy;

        printf("# unclean %s\n", type);
        if (!test_disk_make(&disk, SIZE, mkfs) || !test_disk_mount(&disk, type, NULL, ROOT "/original") ||
            !test_write(ROOT "/original/file", "one") || !copy_disk(&disk, &copy)) {
                expect_true("a file system and its copy", false);
                return;
        }
        if (strcmp(type, "xfs") != 0) {
                uint64_t before = sum_disk(&copy);

                expect_int("not mounted", block_mount(copy.device, type, false, false, &fd), -EUCLEAN);
                expect_true("nor written", sum_disk(&copy) == before);
        }
        expect_int("recover", block_mount(copy.device, type, true, false, &fd), 0);
        closep(&fd);
        fd = -1;
        expect_int("seal", block_mount_seal(copy.device, type), 0);
        expect_true("the copy is read-only", set_read_only(&copy, 1));
        expect_int("mount", block_mount(copy.device, type, false, false, &fd), 0);
        attach(fd, ROOT "/copy");
        closep(&fd);
        fd = -1;
        expect_true("its file", test_has(ROOT "/copy/file", "one"));
        detach(ROOT "/copy");
        detach(ROOT "/original");
        test_disk_done(&disk);
        test_disk_done(&copy);
}

/* Why a copy of what @mkfs makes could not be mounted; NULL: it could. */
static const char *outside_why(const char *type, const char *const mkfs[]) {
        const char *why = "it cannot be looked at", *same = NULL;
        TestDisk disk;
        struct stat st;
        int r;

        if (!test_disk_make(&disk, SIZE, mkfs))
                return "it cannot be made";
        r = block_mount_outside(disk.device, type, &why);
        if (r == 0 && stat(disk.device, &st) == 0) {
                expect_int(type, block_mount_outside_source(disk.device, st.st_rdev, type, &same), 0);
                expect_true("the same of where it is mounted from", same == why);
                expect_int(type, block_mount_outside_source(disk.device, st.st_rdev + 1, type, &same), 0);
                expect_true("and nothing of another device", same == NULL);
        }
        test_disk_done(&disk);
        return r < 0 ? strerror(-r) : why;
}

static void test_outside(void) {
        static const char *const mkfs_journal[] = { "mkfs.ext4",   "-q", "-F",   "-O",
                                                    "journal_dev", "-b", "4096", NULL };
        char journal[64], log[64], realtime[64];
        const char *const ext4[] = { "mkfs.ext4", "-q", "-F", "-b", "4096", "-J", journal, NULL };
        const char *const xfs_log[] = { "mkfs.xfs", "-q", "-l", log, NULL };
        const char *const xfs_realtime[] = { "mkfs.xfs", "-q", "-r", realtime, NULL };
        const char *why;
        TestDisk other;

        expect_true("ext4 is whole", outside_why("ext4", mkfs_ext4) == NULL);
        expect_true("ext2, which has no journal, is", outside_why("ext2", mkfs_ext2) == NULL);
        expect_true("XFS is", outside_why("xfs", mkfs_xfs) == NULL);
        if (!test_disk_make(&other, SIZE, mkfs_journal)) {
                expect_true("a journal", false);
                return;
        }
        (void)snprintf(journal, sizeof(journal), "device=%s", other.device);
        why = outside_why("ext4", ext4);
        expect_true("ext4 with an external journal is not", why && strstr(why, "tune2fs"));
        (void)snprintf(log, sizeof(log), "logdev=%s,size=64m", other.device);
        why = outside_why("xfs", xfs_log);
        expect_true("XFS with an external log is not", why && strstr(why, "logdev"));
        (void)snprintf(realtime, sizeof(realtime), "rtdev=%s", other.device);
        why = outside_why("xfs", xfs_realtime);
        expect_true("XFS with a realtime device is not", why && strstr(why, "rtdev"));
        test_disk_done(&other);
        expect_str("where there is none, none is looked at", outside_why("xfs", no_mkfs),
                   strerror(EMEDIUMTYPE));
}

static void test_not(void) {
        int fd = -1;
        TestDisk disk;

        expect_true("knows ext3", block_mount_knows("ext3"));
        expect_true("not btrfs", !block_mount_knows("btrfs"));
        if (!test_disk_make(&disk, SIZE, no_mkfs))
                return;
        expect_int("no file system", block_mount(disk.device, "ext4", false, false, &fd), -EMEDIUMTYPE);
        expect_true("nor XFS", block_mount(disk.device, "xfs", false, false, &fd) < 0);
        expect_int("a type that is not known", block_mount(disk.device, "btrfs", false, false, &fd),
                   -EINVAL);
        test_disk_done(&disk);
}

int main(void) {
        if (geteuid() != 0 || !test_disk_begin(ROOT)) {
                printf("1..0 # SKIP mounting needs root\n");
                return 0;
        }
        test_clean("ext4", mkfs_ext4);
        test_clean("ext2", mkfs_ext2);
        test_clean("xfs", mkfs_xfs);
        test_unclean("ext4", mkfs_ext4);
        test_unclean("xfs", mkfs_xfs);
        test_outside();
        test_not();
        return test_end();
}
