/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which image a mounted volume lies on, and where in it
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "providers/common/devmap.h"
#include "providers/rbd/device.h"

#define LEVELS_MAX 8u
#define SECTOR 512u
#define COMMAND_LINE_MAX 8192u

static ssize_t read_file(const char *path, char *to, size_t size) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

        if (n < 0)
                return -errno;
        to[n] = 0;
        return n;
}

/* A line of sysfs. */
static int read_line(const char *directory, const char *name, char *to, size_t size) {
        char path[PATH_MAX];
        ssize_t n;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
                return -ENAMETOOLONG;
        n = read_file(path, to, size);
        if (n < 0)
                return (int)n;
        to[strcspn(to, "\n")] = 0;
        return 0;
}

static int read_number(const char *directory, const char *name, uint64_t *ret_number) {
        char text[32], *end;

        int r = read_line(directory, name, text, sizeof(text));
        if (r < 0)
                return r;
        errno = 0;
        *ret_number = strtoull(text, &end, 10);
        return errno || end == text || *end ? -EBADMSG : 0;
}

static int read_device(const char *directory, dev_t *ret_device) {
        char text[32];
        unsigned major, minor;
        int r = read_line(directory, "dev", text, sizeof(text));

        if (r < 0)
                return r;
        if (sscanf(text, "%u:%u", &major, &minor) != 2)
                return -EBADMSG;
        *ret_device = makedev(major, minor);
        return 0;
}

/* The one device below; there is a link for each. */
static int find_slave(const char *directory, dev_t *ret_device) {
        char path[PATH_MAX + 8], below[PATH_MAX + 300];
        _cleanup_(freep) struct dirent **entries = NULL;
        int n, found = 0, r = -ENOENT;

        (void)snprintf(path, sizeof(path), "%s/slaves", directory);
        n = scandir(path, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.' && ++found == 1) {
                        (void)snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
                        r = read_device(below, ret_device);
                }
                free(entries[i]);
        }
        return found > 1 ? -E2BIG : r;
}

/* Narrowed to @offset and @length in what is below; 0 is all. */
static void move_down(Bottom *bottom, uint64_t offset, uint64_t length) {
        bottom->offset += offset;
        if (bottom->length == 0)
                bottom->length = length;
}

/* The whole device is one piece of another. */
static int read_mapping(const char *directory, dev_t below, uint64_t *ret_offset, uint64_t *ret_length) {
        _cleanup_(freep) char *table = NULL;
        char name[DEVMAP_NAME_SIZE];
        uint64_t at = 0, begin = 0;
        const char *text;
        int r = read_line(directory, "dm/name", name, sizeof(name));

        if (r == 0)
                r = devmap_table(name, &table);
        if (r < 0)
                return r;
        for (text = table; r == 0;) {
                _cleanup_devmap_line_ DevmapLine line = { 0 };
                unsigned major, minor;
                uint64_t offset;

                r = devmap_next_line(&text, &line);
                if (r <= 0)
                        break;
                r = 0;
                if (strcmp(line.type, "linear") != 0 ||
                    sscanf(line.parameters, "%u:%u %" SCNu64, &major, &minor, &offset) != 3 ||
                    makedev(major, minor) != below || line.start != at)
                        return -EMEDIUMTYPE;
                if (at == 0)
                        begin = offset;
                if (offset != begin + at)
                        return -EMEDIUMTYPE;
                at += line.length;
        }
        if (r < 0 || at == 0)
                return r < 0 ? r : -EMEDIUMTYPE;
        *ret_offset = begin * SECTOR;
        *ret_length = at * SECTOR;
        return 0;
}

static bool is_there(const char *directory, const char *name) {
        char path[PATH_MAX + 32];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        return access(path, F_OK) == 0;
}

/* One level; @bottom->device becomes what is below. Return: 1, or 0 at the bottom. */
static int go_down(const char *directory, Bottom *bottom, const char **ret_why) {
        uint64_t offset, length;
        char above[PATH_MAX];
        int r;

        if (is_there(directory, "partition")) {
                r = read_number(directory, "start", &offset);
                if (r == 0)
                        r = read_number(directory, "size", &length);
                (void)snprintf(above, sizeof(above), "%.*s", (int)(strrchr(directory, '/') - directory),
                               directory);
                if (r == 0)
                        r = read_device(above, &bottom->device);
                if (r == 0)
                        move_down(bottom, offset * SECTOR, length * SECTOR);
                return r < 0 ? r : 1;
        }
        if (!is_there(directory, "dm"))
                return 0;
        r = find_slave(directory, &bottom->device);
        *ret_why = "its device is spread over several, or lies on none";
        if (r < 0)
                return -EMEDIUMTYPE;
        *ret_why = "its device does not map one piece of another one to one";
        r = read_mapping(directory, bottom->device, &offset, &length);
        if (r < 0)
                return -EMEDIUMTYPE;
        move_down(bottom, offset, length);
        return 1;
}

int device_find_bottom(const char *sys, dev_t device, Bottom *ret_bottom, const char **ret_why) {
        Bottom bottom = { .device = device };

        *ret_why = "it lies on no block device";
        if (major(device) == 0)
                return -EMEDIUMTYPE;
        for (unsigned level = 0; level < LEVELS_MAX; level++) {
                _cleanup_(freep) char *directory = NULL;
                char path[PATH_MAX];
                int r;

                (void)snprintf(path, sizeof(path), "%s/dev/block/%u:%u", sys, major(bottom.device),
                               minor(bottom.device));
                directory = realpath(path, NULL);
                if (!directory)
                        return -EMEDIUMTYPE;
                (void)snprintf(bottom.name, sizeof(bottom.name), "%s", strrchr(directory, '/') + 1);
                r = go_down(directory, &bottom, ret_why);
                if (r < 0)
                        return r;
                if (r == 0) {
                        *ret_bottom = bottom;
                        return 0;
                }
        }
        *ret_why = "too many devices lie over each other";
        return -EMEDIUMTYPE;
}

/* krbd */

int device_read_krbd(const char *sys, const char *name, Place *ret_place, const char **ret_why) {
        char directory[PATH_MAX], pool[POOL_NAME_SIZE], space[POOL_NAME_SIZE] = "", snapshot[128];
        char both[2 * POOL_NAME_SIZE];
        Place place = { 0 };
        int r;

        if (strncmp(name, "rbd", 3) != 0 || !name[3] || strspn(name + 3, "0123456789") != strlen(name + 3))
                return -ENOENT;
        (void)snprintf(directory, sizeof(directory), "%s/bus/rbd/devices/%s", sys, name + 3);
        r = read_line(directory, "pool", pool, sizeof(pool));
        if (r < 0)
                return -ENOENT;
        (void)read_line(directory, "pool_ns", space, sizeof(space));
        (void)snprintf(both, sizeof(both), "%s%s%s", pool, *space ? "/" : "", space);
        *ret_why = "its image cannot be identified below /sys/bus/rbd";
        if (pool_name_parse(both, &place.pool) < 0 ||
            read_line(directory, "name", place.image, sizeof(place.image)) < 0 ||
            read_line(directory, "image_id", place.image_id, sizeof(place.image_id)) < 0 ||
            read_line(directory, "cluster_fsid", place.fsid, sizeof(place.fsid)) < 0 ||
            read_line(directory, "current_snap", snapshot, sizeof(snapshot)) < 0)
                return -EMEDIUMTYPE;
        *ret_why = "it lies on a snapshot of an image";
        if (strcmp(snapshot, "-") != 0)
                return -EMEDIUMTYPE;
        *ret_place = place;
        return 0;
}

/* rbd-nbd */

/* Options whose value is the next word. */
static bool takes_value(const char *word) {
        static const char *const options[] = {
                "--device", "--nbds_max", "--max_part", "--io-timeout", "--timeout", "--reattach-timeout",
                "-c",       "--conf",     "-n",         "--name",       "--id",      "-i",
                "-m",       "-k",         "--keyring",  "--cluster",    "--cookie",  "--quiesce-hook",
                "--snap-id"
        };

        FOREACH_ELEMENT (o, options)
                if (strcmp(word, *o) == 0)
                        return true;
        return false;
}

int device_parse_rbd_nbd(const char *line, size_t size, Place *ret_place) {
        const char *end = line + size, *word = line, *base, *slash;
        char pool[2 * POOL_NAME_SIZE] = "rbd", cluster[64], full[3 * POOL_NAME_SIZE];
        const char *named = NULL;
        bool maps = false;

        base = strrchr(word, '/');
        if (size == 0 || line[size - 1] != 0 || strcmp(base ? base + 1 : word, "rbd-nbd") != 0)
                return -ENOENT;
        for (word += strlen(word) + 1; word < end; word += strlen(word) + 1) {
                if (strcmp(word, "map") == 0 || strcmp(word, "attach") == 0)
                        maps = true;
                else if (takes_value(word))
                        word += word + strlen(word) + 1 < end ? strlen(word) + 1 : 0;
                else if (*word && word[0] != '-' && maps && !named)
                        named = word;
        }
        if (!named || strchr(named, '@') || strchr(named, ':'))
                return -ENOENT;
        slash = strrchr(named, '/');
        if ((size_t)snprintf(full, sizeof(full), "%s%s%s", slash ? "" : pool, slash ? "" : "/", named) >=
                    sizeof(full) ||
            image_name_parse(full, cluster, &ret_place->pool, ret_place->image) < 0)
                return -ENOENT;
        return 0;
}

int device_read_rbd_nbd(const char *sys, const char *name, Place *ret_place) {
        char directory[PATH_MAX], path[64], line[COMMAND_LINE_MAX];
        Place place = { 0 };
        uint64_t pid;
        ssize_t n;

        if (strncmp(name, "nbd", 3) != 0)
                return -ENOENT;
        (void)snprintf(directory, sizeof(directory), "%s/block/%s", sys, name);
        if (read_number(directory, "pid", &pid) < 0)
                return -ENOENT;
        (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/cmdline", pid);
        n = read_file(path, line, sizeof(line));
        if (n <= 0 || device_parse_rbd_nbd(line, (size_t)n, &place) < 0)
                return -ENOENT;
        *ret_place = place;
        return 0;
}
