/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Block devices over what a chain serves
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "providers/common/image-device.h"
#include "util/clock.h"
#include "util/macro.h"

DEFINE_CLEANUP(DIR *, closedir)

/* Others take loop devices, too: between the number and the device there is a race to be lost a few times.
 */
#define LOOP_TRIES 64
#define LOOP_GONE_USEC (2 * USEC_PER_SEC)
#define SECTOR 512u
/* What NBD and its readers take as a matter of course. */
#define BLOCK_SIZE_MAX 4096u
/* Two requests as large as they get. Kernels before 6.10 read 128 KiB ahead, which is one small request:
 * each has to wait for the whole chain then. */
#define READ_AHEAD_SECTORS 4096ul

static const struct timespec pause_short = { .tv_nsec = 5000000 };

int image_backing(const char *path, ImageBacking *ret_backing) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        *ret_backing = (ImageBacking){ st.st_dev, st.st_ino };
        return 0;
}

static int open_loop(int number, int flags) {
        char path[IMAGE_DEVICE_SIZE];
        int fd;

        (void)snprintf(path, sizeof(path), "/dev/loop%d", number);
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int configure(int control, const struct loop_config *config, char *ret_device) {
        for (int i = 0; i < LOOP_TRIES; i++) {
                _cleanup_(closep) int fd = -1;
                int number = ioctl(control, LOOP_CTL_GET_FREE), writable = 0;

                if (number < 0)
                        return -errno;
                fd = open_loop(number, O_RDWR);
                if (fd == -ENOENT || fd == -ENXIO)
                        continue;
                if (fd < 0)
                        return fd;
                if (ioctl(fd, LOOP_CONFIGURE, config) == 0) {
                        /* Whoever had the number before may have made it read-only, which outlasts his file.
                         */
                        if (!(config->info.lo_flags & LO_FLAGS_READ_ONLY))
                                (void)ioctl(fd, BLKROSET, &writable);
                        (void)snprintf(ret_device, IMAGE_DEVICE_SIZE, "/dev/loop%d", number);
                        return 0;
                }
                if (errno != EBUSY)
                        return -errno;
        }
        return -EBUSY;
}

static int attach_loop(const char *path, uint64_t offset, uint64_t length, uint32_t flags,
                       char ret_device[static IMAGE_DEVICE_SIZE]) {
        _cleanup_(closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), file = -1;
        struct loop_config config = { 0 };
        int r;

        if (control < 0)
                return -errno;
        file = open(path, (flags & LO_FLAGS_READ_ONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        if (file < 0)
                return -errno;
        config.fd = (uint32_t)file;
        config.info.lo_offset = offset;
        config.info.lo_sizelimit = length;
        config.info.lo_flags = LO_FLAGS_DIRECT_IO | flags;
        /* A copy may bear a file system with sectors of 512 bytes, whatever the daemon likes best. */
        config.block_size = SECTOR;
        r = configure(control, &config, ret_device);
        if (r != -EINVAL)
                return r;
        /* Where direct I/O needs larger sectors. */
        config.block_size = offset % BLOCK_SIZE_MAX == 0 ? BLOCK_SIZE_MAX : 0;
        r = config.block_size ? configure(control, &config, ret_device) : r;
        return r;
}

int image_loop_attach(const char *path, uint64_t offset, uint64_t length, bool read_only,
                      char ret_device[static IMAGE_DEVICE_SIZE]) {
        return attach_loop(path, offset, length, read_only ? LO_FLAGS_READ_ONLY : 0, ret_device);
}

int image_loop_attach_disk(const char *path, bool read_only, char ret_device[static IMAGE_DEVICE_SIZE]) {
        return attach_loop(path, 0, 0, LO_FLAGS_PARTSCAN | (read_only ? LO_FLAGS_READ_ONLY : 0), ret_device);
}

int image_loop_find(const ImageBacking *backing, char ret_device[static IMAGE_DEVICE_SIZE]) {
        _cleanup_(closedirp) DIR *dir = opendir("/sys/block");
        struct dirent *entry;

        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                _cleanup_(closep) int fd = -1;
                struct loop_info64 info;
                char path[300];
                int number, n = 0;

                if (sscanf(entry->d_name, "loop%d%n", &number, &n) != 1 || entry->d_name[n])
                        continue;
                (void)snprintf(path, sizeof(path), "/sys/block/%s/loop", entry->d_name);
                if (access(path, F_OK) < 0)
                        continue; /* it stands on nothing */
                fd = open_loop(number, O_RDONLY);
                if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
                        continue;
                if (info.lo_inode != backing->inode || info.lo_device != backing->device)
                        continue;
                (void)snprintf(ret_device, IMAGE_DEVICE_SIZE, "/dev/loop%d", number);
                return 0;
        }
        return -ENOENT;
}

int image_device_is_free(const char *device) {
        _cleanup_(closep) int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);

        return fd < 0 ? -errno : 0;
}

int image_loop_detach(const char *device) {
        uint64_t deadline = now_usec() + LOOP_GONE_USEC;
        struct loop_info64 info;
        _cleanup_(closep) int fd = -1;
        int writable = 0, r;

        r = image_device_is_free(device);
        if (r < 0)
                return r;
        fd = open(device, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* It stays with the number, for whoever gets it next. */
        (void)ioctl(fd, BLKROSET, &writable);
        /* While others look at it, a moment as udev does, it goes with the last of them. */
        if (ioctl(fd, LOOP_CLR_FD) < 0 && errno != ENXIO)
                return -errno;
        closep(&fd);
        fd = -1;
        while (now_usec() < deadline) {
                fd = open(device, O_RDONLY | O_CLOEXEC);
                r = fd < 0 ? 0 : ioctl(fd, LOOP_GET_STATUS64, &info);
                closep(&fd);
                fd = -1;
                if (r != 0)
                        return 0;
                (void)nanosleep(&pause_short, NULL);
        }
        return -EBUSY;
}

/* The text of a file below /sys/block/NAME, as a number; -1 if there is none. */
static long read_number(const char *name, const char *file) {
        _cleanup_(closep) int fd = -1;
        char path[300], text[32];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/sys/block/%s/%s", name, file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return -1;
        text[n] = 0;
        return strtol(text, NULL, 10);
}

/* Who serves it is told by the number that he has for the kernel, which may not be his number here. */
static bool is_served(const char *name) {
        return read_number(name, "pid") >= 0 && read_number(name, "size") > 0;
}

bool image_nbd_is_served(const char *device) {
        const char *slash = strrchr(device, '/');

        return slash && is_served(slash + 1);
}

int image_nbd_free(char ret_device[static IMAGE_DEVICE_SIZE]) {
        _cleanup_(closedirp) DIR *dir = opendir("/sys/block");
        struct dirent *entry;

        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                if (strncmp(entry->d_name, "nbd", 3) != 0 || strlen(entry->d_name) > 8 ||
                    read_number(entry->d_name, "pid") >= 0 || read_number(entry->d_name, "size") > 0)
                        continue;
                (void)snprintf(ret_device, IMAGE_DEVICE_SIZE, "/dev/%.16s", entry->d_name);
                if (access(ret_device, F_OK) == 0)
                        return 0;
        }
        return -ENOENT;
}

int image_device_set_read_only(const char *device, bool read_only) {
        _cleanup_(closep) int fd = open(device, O_RDONLY | O_CLOEXEC);
        int value = read_only;

        if (fd < 0)
                return -errno;
        return ioctl(fd, BLKROSET, &value) < 0 ? -errno : 0;
}

int image_device_read_ahead(const char *device) {
        _cleanup_(closep) int fd = open(device, O_RDONLY | O_CLOEXEC);
        unsigned long sectors = 0;

        if (fd < 0 || ioctl(fd, BLKRAGET, &sectors) < 0)
                return -errno;
        if (sectors >= READ_AHEAD_SECTORS)
                return 0;
        return ioctl(fd, BLKRASET, READ_AHEAD_SECTORS) < 0 ? -errno : 0;
}
