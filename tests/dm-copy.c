/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * dm-copy - a shadow copy of an attached volume, step by step, without service, hold and provider
 *
 *   dm-copy prepare VOLUME ID MEGABYTES persistent|volatile
 *                                       area, devices and tables; the cut is dmsetup's
 *   dm-copy grow VOLUME ID MEGABYTES    to that size in all, with the table loaded
 *   dm-copy remove VOLUME ID            while others stand
 *   dm-copy info VOLUME                 every area: ID STATE EXTENTS BYTES REASON
 *   dm-copy extents VOLUME              the places of all areas: OFFSET BYTES
 *   dm-copy digest DEVICE FILE          of all of a device but the places in FILE, which are in every copy
 *                                       what they are at the moment
 *
 * For tests that cut the power between steps, and need no more of the machine than device-mapper.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#include "providers/dm/boot-internal.h"
#include "providers/dm/lock.h"
#include "providers/dm/mounts.h"
#include "providers/dm/store.h"

#define CHUNK 32u

static int fail(const char *what, int r) {
        fprintf(stderr, "dm-copy: %s: %s\n", what, strerror(-r));
        return 1;
}

static int prepare(const Volume *volume, int root, const char *id, uint64_t size, bool persistent) {
        _cleanup_value_ vss_value *info = vss_value_new_dict();
        _cleanup_(closep) int directory = -1;
        AreaHeader header = { 0 };
        const char *reason = "";
        AreaMap map = { 0 };
        int r;

        (void)vss_value_set_string(info, "id", id);
        (void)vss_value_set_string(info, "set", id);
        (void)vss_value_set_string(info, "state", "created");
        (void)vss_value_set_string(value_require(info, "dm", VSS_KIND_DICT), "origin", volume->filesystem);
        (void)snprintf(header.root.id, sizeof(header.root.id), "%s", id);
        (void)snprintf(header.root.filesystem, sizeof(header.root.filesystem), "%s", volume->filesystem);
        r = area_open_directory(root, true, &directory);
        if (r >= 0)
                r = area_create(directory, &header.root, size, 1024, &map, &reason);
        if (r < 0)
                return fail(reason, r);
        if (persistent) {
                header.extents = map.extents;
                header.n_extents = map.n;
        }
        header.info = info;
        r = store_create_head(id, &volume->origin, map.extents, map.n, header.root.size);
        if (r >= 0)
                r = store_write_record(id, &header);
        if (r >= 0)
                r = store_create_cow(id, &volume->origin, map.extents, map.n, header.root.size);
        if (r >= 0)
                r = store_erase(id);
        if (r >= 0)
                r = store_create_copy(id, &volume->origin, persistent, CHUNK, DEVMAP_READ_ONLY);
        if (r >= 0)
                r = volume_load(volume, VOLUME_ORIGIN);
        return r < 0 ? fail("devices", r) : 0;
}

static int grow(const Volume *volume, int root, const char *id, uint64_t size) {
        _cleanup_(closep) int directory = -1;
        AreaHeader header = { 0 };
        const char *reason = "";
        AreaMap map = { 0 };
        int r;

        r = area_open_directory(root, false, &directory);
        if (r >= 0)
                r = store_read_header(id, &header);
        if (r >= 0)
                r = area_grow(directory, id, header.root.size + size, &map, &reason);
        if (r < 0)
                return fail(reason, r);
        header.extents = map.extents;
        header.n_extents = map.n;
        r = store_write_record(id, &header);
        if (r >= 0)
                r = store_load_cow(id, &volume->origin, map.extents, map.n, header.root.size);
        return r < 0 ? fail("devices", r) : 0;
}

static int discard(int root, const char *id) {
        _cleanup_(closep) int directory = -1;
        AreaHeader header = { 0 };
        int r;

        r = area_open_directory(root, false, &directory);
        if (r >= 0)
                r = store_read_header(id, &header);
        if (r >= 0)
                r = vss_value_set_string(header.info, "state", "deleting");
        if (r >= 0)
                r = store_write_record(id, &header);
        if (r >= 0)
                r = store_write_token(id, "");
        if (r >= 0)
                r = store_remove(id);
        if (r >= 0)
                r = area_remove(directory, id);
        return r < 0 ? fail("removal", r) : 0;
}

static int list(const Volume *volume, int root, bool places) {
        _cleanup_remains_ RemainList remains = { 0 };
        int r = remains_list(root, &volume->origin, volume->filesystem, &remains);

        for (size_t i = 0; r >= 0 && i < remains.n; i++) {
                const Remain *remain = &remains.items[i];

                for (size_t j = 0; places && j < remain->map.n; j++)
                        printf("%llu %llu\n", (unsigned long long)remain->map.extents[j].physical,
                               (unsigned long long)remain->map.extents[j].length);
                if (places)
                        continue;
                printf("%s %s %zu %llu %s\n", remain->id,
                       remain->problem ? "problem"
                       : !remain->header.info
                               ? "incomplete"
                               : vss_value_get_string(remain->header.info, "state", "created"),
                       remain->map.n, (unsigned long long)remain->map.end,
                       remain->problem ? remain->problem
                                       : vss_value_get_string(remain->header.info, "reason", ""));
        }
        return r < 0 ? fail("areas", r) : 0;
}

#define PIECE (1u << 20)
#define PLACES_MAX 65536u

static size_t read_places(const char *path, AreaExtent *places) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        unsigned long long offset, length;
        size_t n = 0;

        while (file && n < PLACES_MAX && fscanf(file, "%llu %llu", &offset, &length) == 2)
                places[n++] = (AreaExtent){ .physical = offset, .length = length };
        return n;
}

static uint64_t mix(uint64_t digest, const uint8_t *data, size_t size) {
        for (size_t i = 0; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
                uint64_t word;

                memcpy(&word, data + i, sizeof(word));
                digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                digest ^= digest >> 29;
        }
        return digest;
}

static int digest(const char *path, const char *skip) {
        static AreaExtent places[PLACES_MAX];
        _cleanup_(freep) uint8_t *data = aligned_alloc(4096, PIECE);
        size_t n = read_places(skip, places);
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
        uint64_t sum = 0, at = 0, size;

        if (fd < 0 || !data || ioctl(fd, BLKGETSIZE64, &size) < 0)
                return fail(path, -errno);
        while (at < size) {
                size_t piece = (size_t)MIN((uint64_t)PIECE, size - at);

                if (pread(fd, data, piece, (off_t)at) != (ssize_t)piece)
                        return fail(path, errno > 0 ? -errno : -EIO);
                for (size_t i = 0; i < n; i++) {
                        uint64_t begin = MAX(places[i].physical, at);
                        uint64_t end = MIN(places[i].physical + places[i].length, at + piece);

                        if (begin < end)
                                memset(data + (begin - at), 0, end - begin);
                }
                sum = mix(sum, data, piece);
                at += piece;
        }
        printf("%016llx\n", (unsigned long long)sum);
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_(closep) int root = -1, lock = -1;
        Volume volume;
        int r;

        if (argc < 3)
                return 2;
        if (strcmp(argv[1], "digest") == 0)
                return argc == 4 ? digest(argv[2], argv[3]) : 2;
        /* A service that starts would take a copy in the making for the remains of a crash, and delete it.
         */
        lock = lock_take(LOCK_ATTACH_USEC);
        r = lock < 0 ? lock : volume_find(argv[2], &volume);
        if (r >= 0)
                r = mounts_open_root(volume.info.device, volume.path, &root);
        if (r < 0)
                return fail(argv[2], r);
        if (strcmp(argv[1], "prepare") == 0 && argc == 6)
                return prepare(&volume, root, argv[3], strtoull(argv[4], NULL, 10) << 20,
                               strcmp(argv[5], "persistent") == 0);
        if (strcmp(argv[1], "grow") == 0 && argc == 5)
                return grow(&volume, root, argv[3], strtoull(argv[4], NULL, 10) << 20);
        if (strcmp(argv[1], "remove") == 0 && argc == 4)
                return discard(root, argv[3]);
        if (strcmp(argv[1], "info") == 0 || strcmp(argv[1], "extents") == 0)
                return list(&volume, root, strcmp(argv[1], "extents") == 0);
        return 2;
}
