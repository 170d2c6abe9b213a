/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which LUN a volume lies on, and where on it
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "providers/common/devmap.h"
#include "providers/common/image-chain.h"
#include "providers/lun/place.h"

/* Partitions on logical volumes on partitions: deeper than that is a loop. */
#define DEPTH_MAX 8u
#define SECTOR 512u

DEFINE_CLEANUP(DIR *, closedir)

int place_name(const char *array, const char *lun, char ret_name[static PLACE_NAME_SIZE]) {
        if (!array_name_is_valid(array) || strchr(array, '.') || !array_name_is_valid(lun))
                return -EINVAL;
        (void)snprintf(ret_name, PLACE_NAME_SIZE, "%s.%s", array, lun);
        return strlen(ret_name) > IMAGE_ID_MAX ? -ENAMETOOLONG : 0;
}

int place_split(const char *name, Place *ret_place) {
        const char *dot = strchr(name, '.');
        Place place = { .array = "" };

        if (!dot || (size_t)(dot - name) > ARRAY_NAME_MAX || strlen(dot + 1) > ARRAY_NAME_MAX)
                return -EINVAL;
        memcpy(place.array, name, (size_t)(dot - name));
        memcpy(place.lun, dot + 1, strlen(dot + 1) + 1);
        if (!array_name_is_valid(place.array) || !array_name_is_valid(place.lun))
                return -EINVAL;
        *ret_place = place;
        return 0;
}

/* The text of /sys/dev/block/M:N/@file, without the line's end. */
static int read_text(dev_t device, const char *file, char *ret, size_t size) {
        _cleanup_(closep) int fd = -1;
        char path[128];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(device), minor(device), file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, ret, size - 1);
        if (n < 0)
                return -errno;
        ret[n] = 0;
        ret[strcspn(ret, "\n")] = 0;
        return 0;
}

static int read_number(dev_t device, const char *file, uint64_t *ret_number) {
        char text[32];
        int r = read_text(device, file, text, sizeof(text));

        if (r == 0)
                *ret_number = strtoull(text, NULL, 10);
        return r;
}

static int read_device(dev_t device, const char *file, dev_t *ret_device) {
        unsigned major_number, minor_number;
        char text[32];
        int r = read_text(device, file, text, sizeof(text));

        if (r < 0)
                return r;
        if (sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
                return -EBADMSG;
        *ret_device = makedev(major_number, minor_number);
        return 0;
}

/* A mapping that is one piece of one device: its offset and the device. */
static int read_mapping(dev_t device, uint64_t *ret_offset, dev_t *ret_below, const char **ret_why) {
        _cleanup_devmap_line_ DevmapLine line = { 0 };
        _cleanup_(freep) char *text = NULL;
        unsigned major_number, minor_number;
        unsigned long long start;
        DevmapInfo info;
        const char *rest;
        int r;

        r = devmap_info_device(device, &info);
        if (r == 0)
                r = devmap_table(info.name, &text);
        if (r < 0)
                return r;
        rest = text;
        r = devmap_next_line(&rest, &line);
        if (r < 0)
                return r;
        *ret_why = "it does not lie on one piece of a LUN: a logical volume of several pieces, thin, "
                   "encrypted or with "
                   "snapshots of its own cannot be copied by the array";
        if (r == 0 || line.start != 0 || *rest || strcmp(line.type, "linear") != 0 ||
            sscanf(line.parameters, "%u:%u %llu", &major_number, &minor_number, &start) != 3)
                return -EMEDIUMTYPE;
        *ret_offset = start * SECTOR;
        *ret_below = makedev(major_number, minor_number);
        return 0;
}

/* Is it one of ours? */
static int find_image(const char *live_dir, dev_t device, Place *ret_place, const char **ret_why) {
        _cleanup_(closedirp) DIR *dir = opendir(live_dir);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                _cleanup_(freep) char *path = NULL;
                struct stat st;
                Place place;
                int r;

                if (place_split(entry->d_name, &place) < 0)
                        continue;
                r = image_find(live_dir, entry->d_name, &path);
                if (!path || stat(path, &st) < 0 || st.st_rdev != device)
                        continue;
                *ret_why = "the connection to its array is broken; unmount it, and attach its LUN again";
                if (r < 0)
                        return -EMEDIUMTYPE;
                *ret_place = place;
                return 0;
        }
        *ret_why = "its device is no LUN that vss attach has attached";
        return -EMEDIUMTYPE;
}

int place_find(const char *live_dir, dev_t device, Place *ret_place, const char **ret_why) {
        uint64_t offset = 0, length = 0, start = 0;
        dev_t below;
        int r = 0;

        *ret_why = "its device is no block device of this machine";
        if (major(device) == 0)
                return -EMEDIUMTYPE;
        for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
                uint64_t size = 0;
                char uuid[8];

                if (read_number(device, "partition", &size) == 0) {
                        r = read_number(device, "start", &start);
                        start *= SECTOR;
                        if (r == 0)
                                r = read_device(device, "../dev", &below);
                } else if (read_text(device, "dm/uuid", uuid, sizeof(uuid)) == 0)
                        r = read_mapping(device, &start, &below, ret_why);
                else
                        break;
                if (r == 0 && length == 0) {
                        r = read_number(device, "size", &size);
                        length = size * SECTOR;
                }
                if (r < 0)
                        return r;
                offset += start;
                device = below;
        }
        r = find_image(live_dir, device, ret_place, ret_why);
        if (r == 0) {
                ret_place->offset = offset;
                ret_place->length = length;
        }
        return r;
}
