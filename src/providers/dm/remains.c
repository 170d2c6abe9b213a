/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Areas as they are found on a file system
 */

#include <string.h>

#include "providers/dm/remains.h"
#include "util/macro.h"

uint64_t extents_size(const AreaExtent *extents, size_t n) {
        uint64_t size = 0;

        for (size_t i = 0; i < n; i++)
                size += extents[i].length;
        return size;
}

uint64_t extents_common(const AreaExtent *a, size_t n_a, const AreaExtent *b, size_t n_b) {
        uint64_t common = 0, in_a = 0, in_b = 0;
        size_t i = 0, j = 0;

        while (i < n_a && j < n_b && a[i].physical + in_a == b[j].physical + in_b) {
                uint64_t step = MIN(a[i].length - in_a, b[j].length - in_b);

                if (step == 0)
                        break;
                common += step;
                in_a += step;
                in_b += step;
                if (in_a == a[i].length) {
                        i++;
                        in_a = 0;
                }
                if (in_b == b[j].length) {
                        j++;
                        in_b = 0;
                }
        }
        return common;
}

static int area_transfer(const Remain *remain, bool write, uint64_t offset, void *buffer, size_t size) {
        _cleanup_(freep) AreaExtent *part = NULL;
        uint8_t *data = buffer;
        size_t n;
        int r;

        r = area_map_part(remain->map.extents, remain->map.n, offset, offset + size, &part, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = write ? device_write(remain->device.path, part[i].physical, data, part[i].length)
                          : device_read(remain->device.path, part[i].physical, data, part[i].length);
                data += part[i].length;
        }
        return MIN(r, 0);
}

int remain_read(const Remain *remain, uint64_t offset, void *buffer, size_t size) {
        return area_transfer(remain, false, offset, buffer, size);
}

int remain_write_token(const Remain *remain, const char *text) {
        uint8_t block[AREA_BLOCK] = { 0 };
        int r = area_header_encode_token(text, block);

        return r < 0 ? r : area_transfer(remain, true, AREA_TOKEN_AT, block, sizeof(block));
}

int remain_write_info(Remain *remain) {
        _cleanup_(freep) uint8_t *record = NULL;
        uint32_t at, size;
        int r;

        remain->header.sequence++;
        area_header_record_place(remain->header.root.size, remain->header.sequence, &at, &size);
        record = malloc(size);
        if (!record)
                return -ENOMEM;
        r = area_header_encode_record(&remain->header, record, size);
        return r < 0 ? r : area_transfer(remain, true, at, record, size);
}

/* Return: what is wrong, or NULL. */
static const char *header_read(Remain *remain, int directory, const char *filesystem) {
        _cleanup_(freep) uint8_t *data = NULL;
        AreaRoot root;

        if (area_verify(directory, remain->id, &remain->map, remain->device.path, &root) < 0)
                return "it has no header that is known here, or its extents are none of this device";
        data = malloc(root.size);
        if (!data || remain_read(remain, 0, data, root.size) < 0)
                return "its header cannot be read";
        if (area_header_decode(data, root.size, &remain->header) < 0)
                return "it has no header that is known here";
        if (strcmp(root.id, remain->id) != 0)
                return "its header is that of another";
        if (strcmp(root.filesystem, filesystem) != 0)
                return "it comes from another file system";
        return NULL;
}

static int remain_look(int directory, const char *filesystem, Remain *remain) {
        const char *reason = NULL;
        int r = area_map(directory, remain->id, &remain->map, &reason);

        if (r == -EMEDIUMTYPE || r == -EPERM) {
                remain->problem = "it is no file of root's whose extents are plain blocks of the device";
                return 0;
        }
        if (r < 0)
                return r;
        remain->problem = header_read(remain, directory, filesystem);
        if (remain->problem)
                area_header_done(&remain->header);
        return 0;
}

void remains_done(RemainList *list) {
        for (size_t i = 0; i < list->n; i++) {
                area_header_done(&list->items[i].header);
                area_map_done(&list->items[i].map);
        }
        free(list->items);
        *list = (RemainList){ 0 };
}

int remains_list(int root_fd, const Device *device, const char *filesystem, RemainList *ret_list) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        _cleanup_remains_ RemainList list = { 0 };
        _cleanup_(closep) int directory = -1;
        int r;

        if (!ids)
                return -ENOMEM;
        r = area_open_directory(root_fd, false, &directory);
        if (r == -ENOENT) {
                *ret_list = list;
                return 0;
        }
        if (r >= 0)
                r = area_list(directory, ids);
        if (r < 0)
                return r;
        list.items = calloc(vss_value_count(ids) + 1, sizeof(list.items[0]));
        if (!list.items)
                return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(ids); i++) {
                Remain *remain = &list.items[list.n++];

                (void)snprintf(remain->id, sizeof(remain->id), "%s",
                               vss_value_string(vss_value_at(ids, i), ""));
                remain->device = *device;
                r = remain_look(directory, filesystem, remain);
                if (r < 0)
                        return r;
        }
        *ret_list = list;
        list = (RemainList){ 0 };
        return 0;
}
