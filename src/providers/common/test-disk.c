/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Disks for tests that run as root: loop devices in memory, mounted where nobody else sees them
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "providers/common/test-disk.h"
#include "util/macro.h"

#define WORDS_MAX 16u

static bool complain(const char *what) {
        printf("# %s: %m\n", what);
        return false;
}

bool test_disk_begin(const char *directory) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return complain("a mount namespace");
        if (mount("none", directory, "tmpfs", 0, "mode=0755") < 0)
                return complain(directory);
        return true;
}

static bool run(const char *const words[]) {
        posix_spawn_file_actions_t actions;
        int status;
        pid_t pid;

        /* What it prints is no test result. */
        errno = posix_spawn_file_actions_init(&actions);
        if (errno != 0)
                return complain(words[0]);
        errno = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
        if (errno != 0)
                return complain(words[0]);
        /* POSIX promises that the words are left as they are. */
        errno = posix_spawnp(&pid, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        if (errno != 0)
                return complain(words[0]);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return complain("waitpid");
        return status == 0;
}

static bool attach(TestDisk *disk) {
        struct loop_config config = { .fd = (unsigned)disk->image, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
        _cleanup_(closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

        if (control < 0)
                return complain("/dev/loop-control");
        /* Others take loop devices, too: a number that is free may be taken when it is used. */
        for (unsigned i = 0; i < 64; i++) {
                int n = ioctl(control, LOOP_CTL_GET_FREE);

                if (n < 0)
                        return complain("a free loop device");
                (void)snprintf(disk->device, sizeof(disk->device), "/dev/loop%d", n);
                disk->loop = open(disk->device, O_RDWR | O_CLOEXEC);
                if (disk->loop >= 0 && ioctl(disk->loop, LOOP_CONFIGURE, &config) == 0)
                        return true;
                closep(&disk->loop);
                disk->loop = -1;
        }
        return complain("a loop device");
}

bool test_disk_make(TestDisk *disk, size_t size, const char *const mkfs[]) {
        static unsigned count;
        const char *words[WORDS_MAX];
        char name[32];
        size_t n;

        /* mkfs takes two loop devices with one name of their backing file for one. */
        (void)snprintf(name, sizeof(name), "test-disk-%u", count++);
        *disk = (TestDisk){ .image = memfd_create(name, MFD_CLOEXEC), .loop = -1 };
        if (disk->image < 0 || ftruncate(disk->image, (off_t)size) < 0)
                return complain("an image");
        if (!attach(disk))
                return false;
        for (n = 0; mkfs[n] && n < WORDS_MAX - 2; n++)
                words[n] = mkfs[n];
        words[n++] = disk->device;
        words[n] = NULL;
        return run(words);
}

void test_disk_done(TestDisk *disk) {
        int off = 0;

        /* A loop device would stay read-only for whoever gets it next. */
        if (disk->loop >= 0)
                (void)ioctl(disk->loop, BLKROSET, &off);
        closep(&disk->loop);
        closep(&disk->image);
        disk->loop = disk->image = -1;
}

bool test_disk_mount(const TestDisk *disk, const char *type, const char *options, const char *directory) {
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return complain(directory);
        if (mount(disk->device, directory, type, 0, options) < 0)
                return complain(directory);
        return true;
}

bool test_write(const char *path, const char *text) {
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

        return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
}

bool test_has(const char *path, const char *text) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        char found[256];
        ssize_t n;

        if (fd < 0)
                return false;
        n = read(fd, found, sizeof(found));
        return n == (ssize_t)strlen(text) && memcmp(found, text, (size_t)n) == 0;
}
