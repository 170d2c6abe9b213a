/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shadow copy set that is being made
 */

#include <string.h>
#include "providers/common/block-mount.h"
#include "providers/common/info.h"
#include "providers/dm/area.h"
#include "providers/dm/set.h"
#include "providers/dm/token.h"

Set *set_new(const char *id) {
        Set *set = calloc(1, sizeof(*set));

        if (set)
                (void)snprintf(set->id, sizeof(set->id), "%s", id);
        return set;
}

static void copy_done(Copy *copy) {
        free(copy->path);
        area_header_done(&copy->header);
}

Set *set_free(Set *set) {
        for (size_t i = 0; set && i < set->n; i++)
                copy_done(&set->copies[i]);
        free(set);
        return NULL;
}

Copy *set_find(Set *set, const char *snapshot_id) {
        for (size_t i = 0; set && i < set->n; i++)
                if (strcmp(set->copies[i].id, snapshot_id) == 0)
                        return &set->copies[i];
        return NULL;
}

static int make_info(Copy *copy, const char *set_id, const vss_value *properties) {
        vss_value *info = vss_value_kind(properties) == VSS_KIND_DICT ? vss_value_copy(properties)
                                                                      : vss_value_new_dict();
        vss_value *own;

        copy->header.info = info;
        if (!info)
                return -ENOMEM;
        own = value_require(info, "dm", VSS_KIND_DICT);
        if (!own || vss_value_set_string(info, "id", copy->id) < 0 ||
            vss_value_set_string(info, "set", set_id) < 0 ||
            vss_value_set_string(info, "state", "preparing") < 0 ||
            vss_value_set_string(own, "origin", copy->volume.filesystem) < 0 ||
            vss_value_set_string(own, "name", copy->volume.info.name) < 0 ||
            vss_value_set_string(own, "type", copy->fs_type) < 0 ||
            vss_value_set_string(own, "store", copy->persistent ? "P" : "N") < 0 ||
            vss_value_set_integer(own, "sectors", (int64_t)copy->volume.origin.sectors) < 0)
                return -ENOMEM;
        return 0;
}

int set_add(Set *set, const char *snapshot_id, const struct vss_volume *volume, const Volume *of,
            const vss_value *properties) {
        Copy *copy;
        int r;

        for (size_t i = 0; i < set->n; i++)
                if (set->copies[i].volume.info.device == of->info.device)
                        return -EEXIST;
        if (set->n >= VSS_VOLUMES_MAX)
                return -E2BIG;
        copy = &set->copies[set->n];
        *copy = (Copy){ .volume = *of };
        copy->persistent = vss_value_get_integer(properties, "context", 0) & VSS_VOLSNAP_ATTR_PERSISTENT;
        (void)snprintf(copy->id, sizeof(copy->id), "%s", snapshot_id);
        (void)snprintf(copy->fs_type, sizeof(copy->fs_type), "%s", volume->fs_type);
        copy->path = strdup(volume->path);
        r = copy->path ? make_info(copy, set->id, properties) : -ENOMEM;
        if (r < 0)
                copy_done(copy);
        else
                set->n++;
        return r;
}

/* ---- preparing ---- */

static int record_extents(Copy *copy, const AreaMap *map) {
        vss_value *own = value_require(copy->header.info, "dm", VSS_KIND_DICT);

        if (!own || vss_value_set_integer(own, "area", (int64_t)(map->end - copy->header.root.size)) < 0)
                return -ENOMEM;
        /* What does not outlive the boot is never looked for before its volume is mounted. */
        if (!copy->persistent)
                return 0;
        copy->header.extents = calloc(map->n + 1, sizeof(AreaExtent));
        if (!copy->header.extents)
                return -ENOMEM;
        memcpy(copy->header.extents, map->extents, map->n * sizeof(AreaExtent));
        copy->header.n_extents = map->n;
        return 0;
}

/* Its devices, on the area at @map. */
static int make_devices(Copy *copy, const Device *on, const AreaMap *map, uint32_t chunk) {
        vss_value *own = value_require(copy->header.info, "dm", VSS_KIND_DICT);
        uint32_t header_size = copy->header.root.size;
        int r;

        if (!own || vss_value_set_integer(own, "chunk", (int64_t)chunk) < 0)
                return -ENOMEM;
        r = record_extents(copy, map);
        if (r == 0)
                r = store_create_head(copy->id, on, map->extents, map->n, header_size);
        if (r == 0)
                r = store_erase_header(copy->id, header_size);
        if (r == 0)
                r = store_write_record(copy->id, &copy->header);
        if (r == 0)
                r = store_create_cow(copy->id, on, map->extents, map->n, header_size);
        if (r == 0)
                r = store_erase(copy->id);
        if (r == 0)
                r = store_create_copy(copy->id, &copy->volume.origin, copy->persistent, chunk, 0);
        return r == 0 ? volume_load(&copy->volume, VOLUME_ORIGIN) : r;
}

/* Where the area goes, and how large it is. */
static int choose_place(Copy *copy, const Policy *policy, int *ret_fd, Device *ret_on, uint64_t *ret_size,
                        uint32_t *ret_chunk) {
        _cleanup_(closep) int fd = -1;
        Storage storage;
        Volume place;
        int r;

        r = storage_read(&copy->volume, policy, &storage);
        if (r < 0)
                return r;
        copy->reason = "the volume that its differences are set to be kept on is not attached, or not "
                       "mounted. Attach it, or end that (vss storage delete)";
        /* A place that is mounted without being attached has its directory, but bears no device. */
        r = volume_by_filesystem(storage.on, &place);
        if (r == 0)
                r = storage_open(&storage, true, &fd, ret_on);
        if (r == -ENOENT)
                return -ENOTCONN;
        if (r == 0)
                r = policy_initial(policy, &storage.volume, ret_size);
        if (r < 0)
                return r;
        (void)snprintf(copy->header.root.filesystem, VSS_ID_SIZE, "%s", storage.on);
        (void)snprintf(copy->header.root.id, VSS_ID_SIZE, "%s", copy->id);
        *ret_chunk = policy_chunk(policy, storage.maximum);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Is there a directory of areas in what will be the copy? */
static int find_hidden(Copy *copy) {
        _cleanup_(closep) int fd = -1;
        Device device;
        vss_value *own;

        if (catalog_open_directory(copy->volume.filesystem, false, &fd, &device) < 0)
                return 0;
        own = value_require(copy->header.info, "dm", VSS_KIND_DICT);
        return !own || vss_value_set_boolean(own, "hides", true) < 0 ? -ENOMEM : 0;
}

static int prepare_copy(Copy *copy, const Policy *policy) {
        _cleanup_(area_map_done) AreaMap map = { 0 };
        _cleanup_(closep) int directory_fd = -1;
        _cleanup_(freep) char *text = NULL;
        AreaRoot root;
        uint64_t size;
        uint32_t chunk;
        Device on;
        int r;

        r = choose_place(copy, policy, &directory_fd, &on, &size, &chunk);
        if (r == 0)
                r = find_hidden(copy);
        if (r == 0)
                r = info_encode(copy->header.info, &text);
        if (r < 0)
                return r;
        copy->reason = NULL;
        r = area_create(directory_fd, &copy->header.root, size, strlen(text), &map, &copy->reason);
        if (r < 0)
                return r;
        copy->reason = "what the file system says of its place is not true of the device";
        r = area_verify(directory_fd, copy->id, &map, on.path, &root);
        if (r < 0)
                return r;
        return make_devices(copy, &on, &map, chunk);
}

static int append_cut(const Copy *copy, vss_value *cut) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict(), *resume = vss_value_new_dict();
        vss_value *operations = entry ? value_require(entry, "operations", VSS_KIND_LIST) : NULL;
        char number[DEVICE_NUMBER_SIZE];
        StoreState state;
        int r;

        r = store_state(copy->id, &state);
        if (r < 0)
                return r;
        if (!operations || !resume)
                return -ENOMEM;
        device_number_text(state.device, number);
        if (vss_value_set_string(resume, "do", "resume") < 0 ||
            vss_value_set_string(resume, "device", number) < 0 ||
            vss_value_append(operations, TAKE_PTR(resume)) < 0)
                return -ENOMEM;
        device_number_text(copy->volume.info.device, number);
        if (vss_value_set_string(entry, "snapshot", copy->id) < 0 ||
            vss_value_set_string(entry, "device", number) < 0)
                return -ENOMEM;
        return vss_value_append(cut, TAKE_PTR(entry)) < 0 ? -ENOMEM : 0;
}

static int append_properties(const Copy *copy, vss_value *results) {
        vss_value *all = value_require(results, "properties", VSS_KIND_DICT);
        vss_value *own = all ? value_require(all, copy->id, VSS_KIND_DICT) : NULL;

        return own ? catalog_set_device(own, copy->id, copy->header.info) : -ENOMEM;
}

int set_prepare(Set *set, const Policy *policy, vss_value *results, const Copy **ret_copy) {
        vss_value *cut = value_require(results, "cut", VSS_KIND_LIST);
        int r = cut ? 0 : -ENOMEM;

        *ret_copy = &set->copies[0];
        for (size_t i = 0; r == 0 && i < set->n; i++) {
                *ret_copy = &set->copies[i];
                r = prepare_copy(&set->copies[i], policy);
                if (r == 0)
                        r = append_cut(&set->copies[i], cut);
                if (r == 0)
                        r = append_properties(&set->copies[i], results);
        }
        if (r == 0)
                set->cut = true;
        return r;
}

/* ---- the cut, and after it ---- */

static int examine_copy(Copy *copy) {
        char name[DEVMAP_NAME_SIZE], path[DEVMAP_PATH_SIZE];
        StoreState state;
        int r;

        r = volume_refresh(&copy->volume);
        if (r == 0)
                r = store_state(copy->id, &state);
        if (r < 0)
                return r;
        if (copy->volume.table != VOLUME_ORIGIN || !state.live || state.origin != copy->volume.origin.number)
                return -ENODATA;
        copy->reason = CATALOG_LOST_FULL;
        if (state.status.invalid)
                return -EIO;
        store_name(copy->id, STORE_COPY, name);
        r = devmap_make_node(name);
        if (r < 0)
                return r;
        store_path(copy->id, STORE_COPY, path);
        return device_set_read_only(path, true);
}

int set_examine(Set *set, const Copy **ret_copy) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < set->n; i++) {
                *ret_copy = &set->copies[i];
                r = examine_copy(&set->copies[i]);
        }
        return r;
}

static int seal_copy(Copy *copy) {
        char path[DEVMAP_PATH_SIZE];
        int r;

        if (!copy->opened)
                return 0;
        store_path(copy->id, STORE_COPY, path);
        r = block_mount_seal(path, copy->fs_type);
        if (r == 0)
                r = device_set_read_only(path, true);
        if (r == 0)
                copy->opened = false;
        return r;
}

/* What the volume is while it is mounted, for the next boot to compare. */
static int record_token(Copy *copy) {
        char text[TOKEN_TEXT_SIZE];
        Token token = { .kind = TOKEN_MOUNTED };
        int r;

        if (!copy->persistent)
                return 0;
        r = token_state_read(copy->volume.origin.path, &token.state);
        /* What it tells of is on the disk first. */
        if (r >= 0)
                r = block_flush(copy->volume.origin.path);
        if (r < 0)
                return r;
        token_print(&token, text);
        return store_write_token(copy->id, text);
}

static int finish_copy(Copy *copy) {
        StoreState state;
        int r;

        r = seal_copy(copy);
        if (r == 0)
                r = store_state(copy->id, &state);
        if (r < 0)
                return r;
        copy->reason = CATALOG_LOST_FULL;
        if (!state.live || state.status.invalid)
                return -EIO;
        copy->reason = NULL;
        r = record_token(copy);
        if (r == 0 && vss_value_set_string(copy->header.info, "state", "created") < 0)
                r = -ENOMEM;
        return r == 0 ? store_write_record(copy->id, &copy->header) : r;
}

int set_finish(Set *set, const Copy **ret_copy) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < set->n; i++) {
                *ret_copy = &set->copies[i];
                r = finish_copy(&set->copies[i]);
        }
        return r;
}
