/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: is there room for them?
 *
 * Counted for each file system that is written to, from what the files hold without their zeros. File
 * systems that compress need less; what is replaced stands beside its successor for a moment only, and is
 * not counted.
 */

#include <string.h>
#include <sys/statvfs.h>
#include "repository/extract-internal.h"

/* Of 512 KiB of zeros: how restic's cuts have them. */
static const BlobId zeros = { { 0x07, 0x85, 0x4d, 0x2f, 0xef, 0x29, 0x7a, 0x06, 0xba, 0x81, 0x68,
                                0x5e, 0x66, 0x0c, 0x33, 0x2d, 0xe3, 0x6d, 0x5d, 0x18, 0xd5, 0x46,
                                0x92, 0x7d, 0x30, 0xda, 0xad, 0x6d, 0x7f, 0xda, 0x15, 0x41 } };

uint64_t extract_stored_size(const Extract *extract, const Node *node) {
        uint64_t size = node->size;

        for (size_t i = 0; i < node->n_content; i++)
                if (blob_id_equals(&node->content[i], &zeros))
                        size -= MIN(size, UINT64_C(512) << 10);
        return size;
}

/* Of a missing directory, that of the nearest one that is there. */
static int nearest_fd(const Place *place) {
        while (place && place->fd < 0)
                place = place->parent;
        return place ? place->fd : -1;
}

static Room *find_room(Extract *extract, int fd) {
        struct statvfs vfs;
        struct stat st;
        Room *room;

        if (fd < 0 || fstat(fd, &st) < 0)
                return NULL;
        for (size_t i = 0; i < extract->n_rooms; i++)
                if (extract->rooms[i].device == st.st_dev)
                        return &extract->rooms[i];
        if (extract->n_rooms == ROOMS_MAX || fstatvfs(fd, &vfs) < 0)
                return NULL;
        room = &extract->rooms[extract->n_rooms++];
        *room = (Room){ .device = st.st_dev,
                        .free = (uint64_t)(extract->owner ? vfs.f_bfree : vfs.f_bavail) * vfs.f_frsize };
        return room;
}

void extract_need_room(Place *place, uint64_t bytes) {
        Room *room;

        (void)pthread_mutex_lock(&place->extract->mutex);
        room = find_room(place->extract, nearest_fd(place));
        if (room)
                room->needed += bytes;
        (void)pthread_mutex_unlock(&place->extract->mutex);
}

void extract_judge_room(Extract *extract) {
        const ExtractOptions *options = extract->options;

        for (size_t i = 0; i < extract->n_rooms; i++)
                if (extract->rooms[i].needed > extract->rooms[i].free && options->short_of_room)
                        options->short_of_room(options->userdata, extract->rooms[i].needed,
                                               extract->rooms[i].free);
}

int extract_expect_room(const ExtractOptions *options, bool *ret_enough) {
        struct statvfs vfs;

        if (fstatvfs(options->target_fd, &vfs) < 0)
                return -errno;
        *ret_enough = options->expected > 0 &&
                      options->expected <= (uint64_t)vfs.f_bavail * vfs.f_frsize / 16 * 15;
        return 0;
}
