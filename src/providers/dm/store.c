/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The device-mapper devices of one shadow copy
 */

#include <string.h>
#include "providers/common/info.h"
#include "providers/dm/area-map.h"
#include "providers/dm/store.h"

/* What a new store must begin with for it not to be taken for an old one. */
#define ERASE_SIZE 65536u

static const char *const suffixes[] = { [STORE_HEAD] = "-head", [STORE_COW] = "-cow", [STORE_COPY] = "" };
static const char *const prefixes[] = {
        [STORE_HEAD] = STORE_HEAD_PREFIX, [STORE_COW] = "LINUXVSS-cow-", [STORE_COPY] = "LINUXVSS-copy-"
};

void store_name(const char *id, enum store_part part, char ret_name[static DEVMAP_NAME_SIZE]) {
        (void)snprintf(ret_name, DEVMAP_NAME_SIZE, "vss-%s%s", id, suffixes[part]);
}

void store_path(const char *id, enum store_part part, char ret_path[static DEVMAP_PATH_SIZE]) {
        char name[DEVMAP_NAME_SIZE];

        store_name(id, part, name);
        devmap_path(name, ret_path);
}

static void part_uuid(const char *id, enum store_part part, char ret_uuid[static DEVMAP_UUID_SIZE]) {
        (void)snprintf(ret_uuid, DEVMAP_UUID_SIZE, "%s%s", prefixes[part], id);
}

/* A linear target for each extent. */
typedef struct Table {
        DevmapTarget *targets;
        char (*parameters)[DEVICE_NUMBER_SIZE + 24];
        size_t n;
} Table;

static void table_done(Table *table) {
        free(table->targets);
        free(table->parameters);
}

static int make_table(const Device *on, const AreaExtent *extents, size_t n, uint64_t from, uint64_t to,
                      Table *table) {
        _cleanup_(freep) AreaExtent *part = NULL;
        char number[DEVICE_NUMBER_SIZE];
        uint64_t at = 0;
        int r;

        r = area_map_part(extents, n, from, to, &part, &table->n);
        if (r < 0)
                return r;
        table->targets = calloc(table->n + 1, sizeof(*table->targets));
        table->parameters = calloc(table->n + 1, sizeof(*table->parameters));
        if (!table->targets || !table->parameters)
                return -ENOMEM;
        device_number_text(on->number, number);
        for (size_t i = 0; i < table->n; i++) {
                uint64_t length = part[i].length / DEVMAP_SECTOR;

                /* Past the end the kernel would refuse it, too, but not in words. */
                if (part[i].physical / DEVMAP_SECTOR + length > on->sectors)
                        return -ERANGE;
                (void)snprintf(table->parameters[i], sizeof(table->parameters[i]), "%s %llu", number,
                               (unsigned long long)(part[i].physical / DEVMAP_SECTOR));
                table->targets[i] = (DevmapTarget){ at, length, "linear", table->parameters[i] };
                at += length;
        }
        return 0;
}

static uint64_t total_of(const AreaExtent *extents, size_t n) {
        uint64_t total = 0;

        for (size_t i = 0; i < n; i++)
                total += extents[i].length;
        return total;
}

static int create_part(const char *id, enum store_part part, const Device *on, const AreaExtent *extents,
                       size_t n, uint64_t from, uint64_t to) {
        _cleanup_(table_done) Table table = { 0 };
        char name[DEVMAP_NAME_SIZE], uuid[DEVMAP_UUID_SIZE];
        int r;

        store_name(id, part, name);
        part_uuid(id, part, uuid);
        r = make_table(on, extents, n, from, to, &table);
        return r == 0 ? devmap_create(name, uuid, DEVMAP_HIDDEN, table.targets, table.n) : r;
}

int store_create_head(const char *id, const Device *on, const AreaExtent *extents, size_t n,
                      uint32_t header_size) {
        return create_part(id, STORE_HEAD, on, extents, n, 0, header_size);
}

int store_create_cow(const char *id, const Device *on, const AreaExtent *extents, size_t n,
                     uint32_t header_size) {
        return create_part(id, STORE_COW, on, extents, n, header_size, total_of(extents, n));
}

int store_load_cow(const char *id, const Device *on, const AreaExtent *extents, size_t n,
                   uint32_t header_size) {
        _cleanup_(table_done) Table table = { 0 };
        char name[DEVMAP_NAME_SIZE];
        int r;

        store_name(id, STORE_COW, name);
        r = make_table(on, extents, n, header_size, total_of(extents, n), &table);
        return r == 0 ? devmap_load(name, 0, table.targets, table.n) : r;
}

int store_erase(const char *id) {
        static const uint8_t zeros[ERASE_SIZE];
        char path[DEVMAP_PATH_SIZE];

        store_path(id, STORE_COW, path);
        return device_write(path, 0, zeros, sizeof(zeros));
}

int store_create_copy(const char *id, const Device *origin, bool persistent, uint32_t chunk,
                      unsigned flags) {
        char name[DEVMAP_NAME_SIZE], uuid[DEVMAP_UUID_SIZE], cow[DEVMAP_NAME_SIZE], parameters[128];
        char number[DEVICE_NUMBER_SIZE], store[DEVICE_NUMBER_SIZE];
        DevmapTarget target = { .length = origin->sectors, .type = "snapshot", .parameters = parameters };
        DevmapInfo info;
        int r;

        store_name(id, STORE_COPY, name);
        store_name(id, STORE_COW, cow);
        part_uuid(id, STORE_COPY, uuid);
        r = devmap_info(cow, &info);
        if (r < 0)
                return r;
        device_number_text(origin->number, number);
        device_number_text(info.device, store);
        (void)snprintf(parameters, sizeof(parameters), "%s %s %s %u", number, store, persistent ? "P" : "N",
                       chunk);
        r = devmap_create(name, uuid, DEVMAP_HIDDEN, NULL, 0);
        if (r < 0)
                return r;
        r = devmap_load(name, flags, &target, 1);
        if (r < 0)
                (void)devmap_remove(name);
        return r;
}

int store_read_header(const char *id, AreaHeader *ret_header) {
        _cleanup_(freep) uint8_t *data = NULL;
        char path[DEVMAP_PATH_SIZE];
        Device device;
        size_t size;
        int r;

        store_path(id, STORE_HEAD, path);
        r = device_open(path, &device);
        if (r < 0)
                return r == -ENOENT ? -ENXIO : r;
        size = device.sectors * DEVMAP_SECTOR;
        /* Just being made, or left so by a kill: it has no table yet. */
        if (device.sectors == 0)
                return -ENXIO;
        if (device.sectors > AREA_HEADER_MAX / DEVMAP_SECTOR || size < AREA_HEADER_MIN)
                return -EBADMSG;
        data = malloc(size);
        if (!data)
                return -ENOMEM;
        r = device_read(path, 0, data, size);
        if (r == 0)
                r = area_header_decode(data, size, ret_header);
        return r;
}

int store_erase_header(const char *id, uint32_t header_size) {
        _cleanup_(freep) uint8_t *zeros = calloc(1, header_size);
        char path[DEVMAP_PATH_SIZE];

        if (!zeros)
                return -ENOMEM;
        store_path(id, STORE_HEAD, path);
        return device_write(path, AREA_TOKEN_AT, zeros, header_size - AREA_TOKEN_AT);
}

int store_write_record(const char *id, AreaHeader *header) {
        _cleanup_(freep) uint8_t *record = NULL;
        char path[DEVMAP_PATH_SIZE];
        uint32_t at, size;
        int r;

        store_path(id, STORE_HEAD, path);
        header->sequence++;
        area_header_record_place(header->root.size, header->sequence, &at, &size);
        record = malloc(size);
        if (!record)
                return -ENOMEM;
        r = area_header_encode_record(header, record, size);
        return r == 0 ? device_write(path, at, record, size) : r;
}

int store_write_token(const char *id, const char *text) {
        uint8_t block[AREA_BLOCK] = { 0 };
        char path[DEVMAP_PATH_SIZE];
        int r;

        store_path(id, STORE_HEAD, path);
        r = area_header_encode_token(text, block);
        /* Whole blocks, for disks that have no smaller ones; the token is in one sector of it. */
        return r == 0 ? device_write(path, AREA_TOKEN_AT, block, sizeof(block)) : r;
}

static int read_copy_state(const char *name, StoreState *state) {
        _cleanup_(freep) char *table = NULL, *status = NULL;
        _cleanup_devmap_line_ DevmapLine line = { 0 }, now = { 0 };
        const char *text;
        int r;

        r = devmap_table(name, &table);
        if (r < 0)
                return r;
        text = table;
        if (devmap_next_line(&text, &line) != 1 || *text != 0 || strcmp(line.type, "snapshot") != 0 ||
            device_parse_number(line.parameters, &state->origin) < 0)
                return 0;
        state->live = true;
        state->persistent = strstr(line.parameters, " P") != NULL;
        r = devmap_status(name, &status);
        if (r < 0)
                return r;
        text = status;
        if (devmap_next_line(&text, &now) != 1 || devmap_parse_snapshot(now.parameters, &state->status) < 0)
                state->status.invalid = true;
        return 0;
}

int store_state(const char *id, StoreState *ret_state) {
        char name[DEVMAP_NAME_SIZE];
        StoreState state = { 0 };
        DevmapInfo info;
        int r;

        /* Only what is known not to be there is not there: areas are freed by it. */
        store_name(id, STORE_HEAD, name);
        r = devmap_info(name, &info);
        if (r < 0 && r != -ENXIO)
                return r;
        state.head = r == 0;
        store_name(id, STORE_COW, name);
        r = devmap_info(name, &info);
        if (r < 0 && r != -ENXIO)
                return r;
        state.cow = r == 0;
        if (state.cow)
                state.cow_device = info.device;
        store_name(id, STORE_COPY, name);
        r = devmap_info(name, &info);
        if (r == 0) {
                state.copy = true;
                state.device = info.device;
                state.open_count = info.open_count;
                r = info.live ? read_copy_state(name, &state) : 0;
        }
        if (r < 0 && r != -ENXIO)
                return r;
        *ret_state = state;
        return 0;
}

int store_has_live(dev_t origin, const char *except, bool *ret_live) {
        _cleanup_devmap_list_ DevmapList list = { 0 };
        bool live = false;
        int r;

        r = devmap_list(prefixes[STORE_COPY], &list);
        for (size_t i = 0; r == 0 && i < list.n && !live; i++) {
                const char *id = list.items[i].uuid + strlen(prefixes[STORE_COPY]);
                StoreState state;

                if (except && strcmp(id, except) == 0)
                        continue;
                r = store_state(id, &state);
                live = r == 0 && state.live && state.origin == origin;
        }
        if (r == 0)
                *ret_live = live;
        return r;
}

int store_remove(const char *id) {
        static const enum store_part parts[] = { STORE_COPY, STORE_COW, STORE_HEAD };

        FOREACH_ELEMENT (part, parts) {
                char name[DEVMAP_NAME_SIZE];
                int r;

                store_name(id, *part, name);
                r = devmap_remove(name);
                if (r < 0 && r != -ENXIO)
                        return r;
        }
        return 0;
}

int store_list(vss_value *ids) {
        _cleanup_devmap_list_ DevmapList list = { 0 };
        int r;

        r = devmap_list(STORE_HEAD_PREFIX, &list);
        for (size_t i = 0; r == 0 && i < list.n; i++) {
                const char *id = list.items[i].uuid + strlen(STORE_HEAD_PREFIX);

                if (info_id_is_valid(id) && value_append_string(ids, id) < 0)
                        r = -ENOMEM;
        }
        return r;
}
