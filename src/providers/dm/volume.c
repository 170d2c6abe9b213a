/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attached volumes
 */

#include <string.h>
#include <sys/sysmacros.h>
#include "providers/common/info.h"
#include "providers/dm/attached.h"
#include "providers/dm/volume.h"

/* "P 0" and "P" are all that tables of ours say. */
static void judge_table(Volume *volume, const char *text) {
        _cleanup_devmap_line_ DevmapLine line = { 0 };
        const char *rest = text;
        size_t n;

        volume->table = VOLUME_FOREIGN;
        if (devmap_next_line(&rest, &line) != 1 || *rest != 0 || line.start != 0)
                return;
        n = strcspn(line.parameters, " ");
        if (device_parse_number(line.parameters, &volume->origin.number) < 0 ||
            device_from_number(volume->origin.number, &volume->origin) < 0)
                return;
        if (strcmp(line.type, "linear") == 0 && strcmp(line.parameters + n, " 0") == 0)
                volume->table = VOLUME_LINEAR;
        else if (strcmp(line.type, "snapshot-origin") == 0 && line.parameters[n] == 0)
                volume->table = VOLUME_ORIGIN;
        /* One to one, or not at all. */
        if (line.length != volume->origin.sectors)
                volume->table = VOLUME_FOREIGN;
        if (volume->table == VOLUME_FOREIGN)
                volume->origin = (Device){ 0 };
}

static int from_info(const DevmapInfo *info, Volume *ret_volume) {
        _cleanup_(freep) char *text = NULL;
        Volume volume = { .info = *info };
        int r;

        if (strncmp(info->uuid, VOLUME_UUID_PREFIX, strlen(VOLUME_UUID_PREFIX)) != 0)
                return -ENOENT;
        if (!info_id_is_valid(info->uuid + strlen(VOLUME_UUID_PREFIX)))
                return -ENOENT;
        (void)snprintf(volume.filesystem, sizeof(volume.filesystem), "%s",
                       info->uuid + strlen(VOLUME_UUID_PREFIX));
        devmap_path(info->name, volume.path);
        r = devmap_table(info->name, &text);
        if (r < 0)
                return r == -ENXIO ? -ENOENT : r;
        judge_table(&volume, text);
        *ret_volume = volume;
        return 0;
}

void volume_list_done(VolumeList *list) {
        free(list->items);
        *list = (VolumeList){ 0 };
}

int volume_list(VolumeList *ret_list) {
        _cleanup_devmap_list_ DevmapList devices = { 0 };
        _cleanup_volumes_ VolumeList list = { 0 };
        int r;

        r = devmap_list(VOLUME_UUID_PREFIX, &devices);
        if (r < 0)
                return r;
        list.items = calloc(devices.n + 1, sizeof(*list.items));
        if (!list.items)
                return -ENOMEM;
        for (size_t i = 0; i < devices.n; i++) {
                r = from_info(&devices.items[i], &list.items[list.n]);
                if (r < 0 && r != -ENOENT)
                        return r;
                list.n += r == 0;
        }
        *ret_list = list;
        list = (VolumeList){ 0 };
        return 0;
}

int volume_by_device(dev_t device, Volume *ret_volume) {
        DevmapInfo info;
        int r;

        r = devmap_info_device(device, &info);
        return r == 0 ? from_info(&info, ret_volume) : r == -ENXIO ? -ENOENT : r;
}

int volume_by_filesystem(const char *uuid, Volume *ret_volume) {
        char text[DEVMAP_UUID_SIZE];
        DevmapInfo info;
        int r;

        (void)snprintf(text, sizeof(text), VOLUME_UUID_PREFIX "%s", uuid);
        r = devmap_info_uuid(text, &info);
        return r == 0 ? from_info(&info, ret_volume) : r == -ENXIO ? -ENOENT : r;
}

int volume_find(const char *name, Volume *ret_volume) {
        _cleanup_volumes_ VolumeList list = { 0 };
        Device device = { 0 };
        bool known;
        int r;

        r = volume_list(&list);
        if (r < 0)
                return r;
        known = device_open(name, &device) == 0;
        for (size_t i = 0; i < list.n; i++) {
                const Volume *v = &list.items[i];

                if (strcmp(v->info.name, name) == 0 || strcmp(v->path, name) == 0 ||
                    (known && (device.number == v->info.device || device.number == v->origin.number)) ||
                    (strncmp(name, "UUID=", 5) == 0 && strcmp(name + 5, v->filesystem) == 0)) {
                        *ret_volume = *v;
                        return 0;
                }
        }
        return -ENOENT;
}

static void format_table(const Device *origin, enum volume_table table, DevmapTarget *ret_target,
                         char ret_parameters[static DEVICE_NUMBER_SIZE + 2]) {
        char number[DEVICE_NUMBER_SIZE];

        device_number_text(origin->number, number);
        (void)snprintf(ret_parameters, DEVICE_NUMBER_SIZE + 2, "%s%s", number,
                       table == VOLUME_LINEAR ? " 0" : "");
        *ret_target = (DevmapTarget){ .length = origin->sectors,
                                      .type = table == VOLUME_LINEAR ? "linear" : "snapshot-origin",
                                      .parameters = ret_parameters };
}

int volume_create(const char *name, const char *filesystem, const Device *origin) {
        char parameters[DEVICE_NUMBER_SIZE + 2], uuid[DEVMAP_UUID_SIZE];
        DevmapTarget target;

        (void)snprintf(uuid, sizeof(uuid), VOLUME_UUID_PREFIX "%s", filesystem);
        format_table(origin, VOLUME_LINEAR, &target, parameters);
        return devmap_create(name, uuid, 0, &target, 1);
}

int volume_load(const Volume *volume, enum volume_table table) {
        char parameters[DEVICE_NUMBER_SIZE + 2];
        DevmapTarget target;

        if (volume->table == VOLUME_FOREIGN)
                return -ESTALE;
        format_table(&volume->origin, table, &target, parameters);
        return devmap_load(volume->info.name, 0, &target, 1);
}

int volume_refresh(Volume *volume) {
        Volume now;
        int r;

        r = volume_by_device(volume->info.device, &now);
        if (r < 0)
                return r;
        if (now.table == VOLUME_FOREIGN || now.origin.number != volume->origin.number ||
            strcmp(now.filesystem, volume->filesystem) != 0)
                return -ESTALE;
        *volume = now;
        return 0;
}

void volume_default_name(const DeviceContent *content, char ret_name[static DEVMAP_NAME_SIZE]) {
        (void)snprintf(ret_name, DEVMAP_NAME_SIZE, "vss-%s", content->label);
        /* A label may be anything; one that would have to be changed is none. */
        if (content->label[0] == 0 || !attached_name_is_valid(ret_name))
                (void)snprintf(ret_name, DEVMAP_NAME_SIZE, "vss-%.8s", content->uuid);
}
