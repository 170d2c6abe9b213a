/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Block devices as they are on the machine, and what lies on them
 */

#include <blkid.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "providers/dm/device.h"

/* Alignment that suits every device. */
#define ALIGNMENT 4096u
#define ENTRIES_MAX 4096u

DEFINE_CLEANUP(DIR *, closedir)

static inline void probe_freep(blkid_probe *probe) {
        if (*probe)
                blkid_free_probe(*probe);
}

void device_number_text(dev_t number, char ret_text[static DEVICE_NUMBER_SIZE]) {
        (void)snprintf(ret_text, DEVICE_NUMBER_SIZE, "%u:%u", major(number), minor(number));
}

int device_parse_number(const char *text, dev_t *ret_number) {
        unsigned long high, low;
        char *end;

        if (*text < '0' || *text > '9')
                return -EINVAL;
        errno = 0;
        high = strtoul(text, &end, 10);
        if (errno != 0 || *end != ':' || end[1] < '0' || end[1] > '9' || high > 0xfff)
                return -EINVAL;
        low = strtoul(end + 1, &end, 10);
        if (errno != 0 || (*end != 0 && *end != ' ') || low > 0xfffff)
                return -EINVAL;
        *ret_number = makedev((unsigned)high, (unsigned)low);
        return 0;
}

/* A file of the device's directory in sysfs, without the newline. */
static int read_attribute(dev_t number, const char *name, char *ret_text, size_t size) {
        _cleanup_(closep) int fd = -1;
        char path[PATH_MAX];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(number), minor(number), name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, ret_text, size - 1);
        if (n < 0)
                return -errno;
        ret_text[n] = 0;
        ret_text[strcspn(ret_text, "\n")] = 0;
        return 0;
}

static int find_path(dev_t number, char ret_path[static DEVICE_PATH_SIZE]) {
        char name[128], text[512];
        const char *line;
        int r;

        /* The number's own name is of no use to people for these. */
        r = read_attribute(number, "dm/name", name, sizeof(name));
        if (r == 0) {
                (void)snprintf(ret_path, DEVICE_PATH_SIZE, "/dev/mapper/%s", name);
                return 0;
        }
        {
                char path[PATH_MAX];
                _cleanup_(closep) int fd = -1;
                ssize_t n;

                (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", major(number),
                               minor(number));
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                n = read(fd, text, sizeof(text) - 1);
                if (n < 0)
                        return -errno;
                text[n] = 0;
        }
        line = strstr(text, "DEVNAME=");
        if (!line || strcspn(line + 8, "\n") > 200)
                return -ENODEV;
        (void)snprintf(ret_path, DEVICE_PATH_SIZE, "/dev/%.*s", (int)strcspn(line + 8, "\n"), line + 8);
        return 0;
}

int device_from_number(dev_t number, Device *ret_device) {
        Device device = { .number = number };
        char text[32];
        int r;

        r = find_path(number, device.path);
        if (r == 0)
                r = read_attribute(number, "size", text, sizeof(text));
        if (r < 0)
                return r;
        device.sectors = strtoull(text, NULL, 10);
        *ret_device = device;
        return 0;
}

int device_open(const char *name, Device *ret_device) {
        _cleanup_(freep) char *path = NULL;
        struct stat st;

        if (strncmp(name, "UUID=", 5) == 0 || strncmp(name, "LABEL=", 6) == 0)
                path = blkid_evaluate_tag(name, NULL, NULL);
        else
                path = strdup(name);
        if (!path)
                return name[0] == '/' ? -ENOMEM : -ENOENT;
        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISBLK(st.st_mode))
                return -ENOTBLK;
        return device_from_number(st.st_rdev, ret_device);
}

static void copy_value(blkid_probe probe, const char *name, char *ret_text, size_t size) {
        const char *value;
        size_t n;

        ret_text[0] = 0;
        if (blkid_probe_lookup_value(probe, name, &value, &n) == 0)
                (void)snprintf(ret_text, size, "%s", value);
}

int device_content(const char *path, DeviceContent *ret_content) {
        _cleanup_(probe_freep) blkid_probe probe = NULL;
        DeviceContent content = { 0 };
        int r;

        errno = 0;
        probe = blkid_new_probe_from_filename(path);
        if (!probe)
                return errno > 0 ? -errno : -EIO;
        (void)blkid_probe_enable_superblocks(probe, 1);
        (void)blkid_probe_set_superblocks_flags(probe,
                                                BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL);
        (void)blkid_probe_enable_partitions(probe, 1);
        r = blkid_do_safeprobe(probe);
        /* Two file systems at once: nobody can say what it is. */
        if (r == -2)
                return -EMEDIUMTYPE;
        if (r < 0)
                return errno > 0 ? -errno : -EIO;
        copy_value(probe, "TYPE", content.type, sizeof(content.type));
        copy_value(probe, "UUID", content.uuid, sizeof(content.uuid));
        copy_value(probe, "LABEL", content.label, sizeof(content.label));
        content.partition_table = blkid_probe_has_value(probe, "PTTYPE") == 1;
        *ret_content = content;
        return 0;
}

static int open_sysfs(dev_t number, const char *below, DIR **ret_dir) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(number), minor(number), below);
        *ret_dir = opendir(path);
        return *ret_dir ? 0 : -errno;
}

bool device_has_partitions(dev_t number) {
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;

        if (open_sysfs(number, "", &dir) < 0)
                return false;
        for (unsigned n = 0; n < ENTRIES_MAX && (entry = readdir(dir)); n++) {
                char path[NAME_MAX + 16];

                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "%s/partition", entry->d_name);
                if (faccessat(dirfd(dir), path, F_OK, 0) == 0)
                        return true;
        }
        return false;
}

int device_holder(dev_t number, char *ret_name, size_t size) {
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        int r;

        r = open_sysfs(number, "holders", &dir);
        if (r < 0)
                return r;
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(ret_name, size, "%s", entry->d_name);
                return 0;
        }
        return -ENOENT;
}

bool device_is_swap(dev_t number) {
        _cleanup_(fclosep) FILE *file = fopen("/proc/swaps", "re");
        char line[PATH_MAX + 128];

        for (unsigned n = 0; file && n < ENTRIES_MAX && fgets(line, sizeof(line), file); n++) {
                struct stat st;

                line[strcspn(line, " \t\n")] = 0;
                if (line[0] == '/' && stat(line, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == number)
                        return true;
        }
        return false;
}

/* In pieces of one aligned buffer. */
static int transfer(const char *path, bool write, uint64_t offset, uint8_t *data, size_t size) {
        _cleanup_(closep) int fd = open(path, (write ? O_WRONLY | O_SYNC : O_RDONLY) | O_DIRECT | O_CLOEXEC);
        _cleanup_(freep) void *buffer = NULL;
        size_t piece = MIN(size, (size_t)1 << 20);

        if (fd < 0)
                return -errno;
        if (posix_memalign(&buffer, ALIGNMENT, piece) != 0)
                return -ENOMEM;
        while (size > 0) {
                size_t n = MIN(size, piece);
                ssize_t k;

                if (write)
                        memcpy(buffer, data, n);
                k = write ? pwrite(fd, buffer, n, (off_t)offset) : pread(fd, buffer, n, (off_t)offset);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0 || k % 512 != 0)
                        return -EIO;
                if (!write)
                        memcpy(data, buffer, (size_t)k);
                data += k;
                offset += (uint64_t)k;
                size -= (size_t)k;
        }
        return 0;
}

int device_read(const char *path, uint64_t offset, void *buffer, size_t size) {
        return transfer(path, false, offset, buffer, size);
}

int device_write(const char *path, uint64_t offset, const void *buffer, size_t size) {
        /* It is only read from. */
        return transfer(path, true, offset, (uint8_t *)(uintptr_t)buffer, size);
}

int device_set_read_only(const char *path, bool read_only) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        int on = read_only;

        if (fd < 0)
                return -errno;
        return ioctl(fd, BLKROSET, &on) < 0 ? -errno : 0;
}
