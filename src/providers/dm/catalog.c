/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which shadow copies there are
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "providers/common/copies.h"
#include "providers/common/info.h"
#include "providers/dm/area.h"
#include "providers/dm/catalog.h"
#include "providers/dm/lock.h"

/* A block device with a mounted file system, through its volume where it is attached. */
typedef struct Place {
        dev_t number;  /* as mounted */
        Device device; /* the partition under it: areas' places are places on it */
        char filesystem[VSS_ID_SIZE];
} Place;

typedef int (*PlaceVisit)(void *userdata, const Place *place, int directory_fd);

static int describe_place(dev_t number, Place *ret_place) {
        DeviceContent content;
        Volume volume;
        int r;

        *ret_place = (Place){ .number = number };
        r = volume_by_device(number, &volume);
        if (r == 0) {
                if (volume.table == VOLUME_FOREIGN)
                        return -ESTALE;
                ret_place->device = volume.origin;
                (void)snprintf(ret_place->filesystem, VSS_ID_SIZE, "%s", volume.filesystem);
                return 0;
        }
        r = device_from_number(number, &ret_place->device);
        if (r == 0)
                r = device_content(ret_place->device.path, &content);
        if (r == 0)
                (void)snprintf(ret_place->filesystem, VSS_ID_SIZE, "%s", content.uuid);
        return r;
}

/* A copy of ours that is mounted has the areas of its time in it. */
static bool is_copy(dev_t number) {
        DevmapInfo info;

        return devmap_info_device(number, &info) == 0 && strncmp(info.uuid, "LINUXVSS-", 9) == 0 &&
               strncmp(info.uuid, VOLUME_UUID_PREFIX, strlen(VOLUME_UUID_PREFIX)) != 0;
}

static int visit_place(dev_t number, PlaceVisit visit, void *userdata) {
        _cleanup_(closep) int root_fd = -1, directory_fd = -1;
        Device device;
        Place place;

        if (is_copy(number) || device_from_number(number, &device) < 0 ||
            mounts_open_root(number, device.path, &root_fd) < 0 ||
            area_open_directory(root_fd, false, &directory_fd) < 0)
                return 0;
        if (describe_place(number, &place) < 0)
                return 0;
        return visit(userdata, &place, directory_fd);
}

/* Every mounted file system with a directory of areas, each once. A visit that returns 1 ends it. */
static int visit_places(PlaceVisit visit, void *userdata) {
        _cleanup_value_ vss_value *mounts = NULL;
        int r;

        r = mounts_list(0, &mounts);
        for (size_t i = 0; r == 0 && i < vss_value_count(mounts); i++) {
                const char *text = vss_value_get_string(vss_value_at(mounts, i), "device", "");
                bool seen = false;
                dev_t number;

                for (size_t k = 0; k < i && !seen; k++)
                        seen = strcmp(vss_value_get_string(vss_value_at(mounts, k), "device", ""), text) ==
                               0;
                if (!seen && device_parse_number(text, &number) == 0)
                        r = visit_place(number, visit, userdata);
        }
        return MIN(r, 0);
}

int catalog_read_area(int directory_fd, const char *id, const Device *device, AreaHeader *ret_header) {
        _cleanup_(area_map_done) AreaMap map = { 0 };
        _cleanup_(freep) uint8_t *data = NULL;
        _cleanup_(freep) AreaExtent *part = NULL;
        const char *reason;
        AreaRoot root;
        size_t n, at = 0;
        int r;

        r = area_map(directory_fd, id, &map, &reason);
        if (r == 0)
                r = area_verify(directory_fd, id, &map, device->path, &root);
        if (r == 0)
                r = area_map_part(map.extents, map.n, 0, root.size, &part, &n);
        if (r < 0)
                return r == -EMEDIUMTYPE || r == -EPERM || r == -ELOOP || r == -ERANGE ? -EBADMSG : r;
        if (strcmp(root.id, id) != 0)
                return -EBADMSG;
        data = malloc(root.size);
        if (!data)
                return -ENOMEM;
        for (size_t i = 0; r == 0 && i < n; at += part[i].length, i++)
                r = device_read(device->path, part[i].physical, data + at, part[i].length);
        return r == 0 ? area_header_decode(data, root.size, ret_header) : r;
}

/* ---- one copy ---- */

/* -ENOENT: it is not attached. */
static int find_volume(const AreaHeader *header, Volume *ret_volume) {
        const char *uuid = vss_value_get_string(vss_value_get(header->info, "dm"), "origin", "");

        return info_id_is_valid(uuid) ? volume_by_filesystem(uuid, ret_volume) : -ENOENT;
}

int catalog_judge(const char *id, const AreaHeader *header, const StoreState *state, const char **ret_reason,
                  bool *ret_lost) {
        Volume volume;
        int r = 0;

        *ret_lost = true;
        *ret_reason = "it was lost";
        if (strcmp(vss_value_get_string(header->info, "state", ""), "lost") == 0)
                return 0;
        *ret_reason = CATALOG_LOST_FULL;
        if (state->live && state->status.invalid)
                return 0;
        *ret_reason = CATALOG_LOST_BOOT;
        if (state->head || state->live)
                r = find_volume(header, &volume);
        if (r == -ENOENT) {
                *ret_reason = CATALOG_AWAY;
                *ret_lost = false;
                return 0;
        }
        if (r < 0 || !state->live)
                return r;
        if (volume.table == VOLUME_ORIGIN && volume.origin.number == state->origin) {
                *ret_reason = NULL;
                *ret_lost = false;
                return 0;
        }
        /* In the midst of a cut the copy's table is live, and its volume's is not yet. Nobody writes past it
         * for as long as the volume stands. */
        *ret_reason = CATALOG_SUSPENDED;
        *ret_lost = !volume.info.suspended;
        if (*ret_lost)
                *ret_reason = "somebody else has replaced the table of its volume's device, and the "
                              "volume was perhaps written past it";
        return 0;
}

static int set_lost(vss_value *info, const char *reason) {
        if (vss_value_set_string(info, "state", "lost") < 0)
                return -ENOMEM;
        /* What was told once is kept. */
        if (vss_value_get(info, "reason"))
                return 0;
        return vss_value_set_string(info, "reason", reason) < 0 ? -ENOMEM : 0;
}

/* Where its volume is mounted, or else the volume's device. */
static int set_volume(dev_t origin, vss_value *info) {
        _cleanup_value_ vss_value *mounts = NULL;
        _cleanup_volumes_ VolumeList volumes = { 0 };
        int r;

        r = volume_list(&volumes);
        for (size_t i = 0; r == 0 && i < volumes.n; i++) {
                const Volume *volume = &volumes.items[i];

                if (volume->table != VOLUME_ORIGIN || volume->origin.number != origin)
                        continue;
                r = mounts_list(volume->info.device, &mounts);
                if (r == 0 && vss_value_set_string(info, "volume",
                                                   vss_value_get_string(vss_value_at(mounts, 0), "target",
                                                                        volume->path)) < 0)
                        r = -ENOMEM;
                return r;
        }
        return r;
}

int catalog_set_unread(const StoreState *state, vss_value *info) {
        int r = set_volume(state->origin, info);

        if (r < 0 && r != -ENOMEM)
                fprintf(stderr, "volumes cannot be listed: %s\n", strerror(-r));
        return r == -ENOMEM ? r : set_lost(info, CATALOG_LOST_AREA);
}

int catalog_set_device(vss_value *properties, const char *id, const vss_value *info) {
        const vss_value *own = vss_value_get(info, "dm");
        char path[DEVMAP_PATH_SIZE];
        vss_value *hidden;

        store_path(id, STORE_COPY, path);
        if (vss_value_set_string(properties, "block-device", path) < 0)
                return -ENOMEM;
        if (!vss_value_get_boolean(own, "hides", false))
                return 0;
        hidden = value_require(properties, "hidden", VSS_KIND_LIST);
        return !hidden || value_append_string(hidden, AREA_DIRECTORY) < 0 ? -ENOMEM : 0;
}

typedef struct Listing {
        const char *set_under_way;
        const vss_value *mapped; /* ids with devices */
        bool changing; /* somebody attaches or detaches: what is not there may be there again soon */
        vss_value *list;
} Listing;

static int set_unknown(vss_value *info, const char *reason) {
        return vss_value_set_string(info, "state", "unknown") < 0 ||
                               vss_value_set_string(info, "state-reason", reason) < 0
                       ? -ENOMEM
                       : 0;
}

/* One whose header says that it was made. */
static int describe_made(const Listing *listing, const char *id, const AreaHeader *header,
                         const StoreState *state) {
        bool lost, said = strcmp(vss_value_get_string(header->info, "state", ""), "lost") == 0;
        const char *reason;
        int r;

        r = catalog_judge(id, header, state, &reason, &lost);
        if (r < 0)
                return r == -ENOMEM ? r : set_unknown(header->info, strerror(-r));
        if (!reason)
                return catalog_set_device(header->info, id, header->info);
        if (lost && (said || state->status.invalid || !listing->changing))
                return set_lost(header->info, reason);
        return set_unknown(header->info, lost ? "its volume is just being attached or detached" : reason);
}

/* One that was not, as far as is known: the remains of a crash, if it is of no set that is being made. */
static int describe_unmade(const Listing *listing, const char *id, const AreaHeader *header,
                           const StoreState *state) {
        bool deleting = strcmp(vss_value_get_string(header->info, "state", ""), "deleting") == 0;
        int r;

        if (!listing->set_under_way ||
            strcmp(vss_value_get_string(header->info, "set", ""), listing->set_under_way) != 0) {
                if (listing->changing)
                        return set_unknown(header->info, "somebody is just at work on it");
                return copies_set_incomplete(header->info, deleting ? "its deletion was not finished"
                                                                    : "it was never finished");
        }
        r = vss_value_set_string(header->info, "state", "preparing") < 0 ? -ENOMEM : 0;
        return r == 0 && state->live ? catalog_set_device(header->info, id, header->info) : r;
}

/* From its header on: what is told of it. @error: why there is none; only what is there, and is no header,
 * is the remains of a crash. */
static int append(const Listing *listing, const char *id, AreaHeader *header, const StoreState *state,
                  int error) {
        const char *stage;
        int r;

        if (!header->info)
                header->info = vss_value_new_dict();
        if (!header->info || vss_value_set_string(header->info, "id", id) < 0)
                return -ENOMEM;
        stage = vss_value_get_string(header->info, "state", "");
        if (error == -EPROTONOSUPPORT)
                r = set_unknown(header->info, "it was made by a newer version of this program");
        else if (error == -EBADMSG)
                r = listing->changing ? set_unknown(header->info, "somebody is just at work on it")
                                      : copies_set_incomplete(header->info,
                                                              "its area has no header that is known here");
        else if (error < 0 && state->live && state->status.invalid)
                r = catalog_set_unread(state, header->info);
        else if (error < 0)
                r = set_unknown(header->info, strerror(-error));
        else if (strcmp(stage, "created") == 0 || strcmp(stage, "lost") == 0)
                r = describe_made(listing, id, header, state);
        else
                r = describe_unmade(listing, id, header, state);
        if (r < 0)
                return r;
        return vss_value_append(listing->list, TAKE_PTR(header->info)) < 0 ? -ENOMEM : 0;
}

static int list_mapped(const Listing *listing, const char *id) {
        _cleanup_area_header_ AreaHeader header = { 0 };
        StoreState state = { 0 };
        int r;

        r = store_state(id, &state);
        if (r < 0)
                return r;
        if (!state.head)
                return 0;
        r = store_read_header(id, &header);
        return r == -ENOMEM ? r : append(listing, id, &header, &state, r);
}

static int list_areas(void *userdata, const Place *place, int directory_fd) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        Listing *listing = userdata;
        int r;

        r = ids ? area_list(directory_fd, ids) : -ENOMEM;
        if (r < 0 && r != -ENOMEM) {
                fprintf(stderr, "%s: its difference areas cannot be listed: %s\n", place->device.path,
                        strerror(-r));
                return 0;
        }
        for (size_t i = 0; r == 0 && i < vss_value_count(ids); i++) {
                const char *id = vss_value_string(vss_value_at(ids, i), "");
                _cleanup_area_header_ AreaHeader header = { 0 };
                StoreState none = { 0 };

                if (value_contains(listing->mapped, id) > 0)
                        continue;
                r = catalog_read_area(directory_fd, id, &place->device, &header);
                if (r == -ENOMEM)
                        return r;
                /* It went while the others were looked at. */
                r = r == -ENOENT ? 0 : append(listing, id, &header, &none, r);
        }
        return r;
}

int catalog_list(const char *set_under_way, vss_value *list) {
        _cleanup_value_ vss_value *mapped = vss_value_new_list();
        _cleanup_(closep) int lock = lock_take(LOCK_LIST_USEC);
        Listing listing = { set_under_way, mapped, lock == -EAGAIN, list };
        int r;

        r = mapped ? store_list(mapped) : -ENOMEM;
        if (r == -EOPNOTSUPP)
                r = 0;
        for (size_t i = 0; r == 0 && i < vss_value_count(mapped); i++)
                r = list_mapped(&listing, vss_value_string(vss_value_at(mapped, i), ""));
        return r == 0 ? visit_places(list_areas, &listing) : r;
}

int catalog_ids_of(const Volume *volume, vss_value *ids) {
        _cleanup_value_ vss_value *mapped = vss_value_new_list();
        int r;

        r = mapped ? store_list(mapped) : -ENOMEM;
        for (size_t i = 0; r == 0 && i < vss_value_count(mapped); i++) {
                const char *id = vss_value_string(vss_value_at(mapped, i), "");
                _cleanup_area_header_ AreaHeader header = { 0 };
                const vss_value *own;

                r = store_read_header(id, &header);
                if (r == -ENOMEM)
                        return r;
                own = r == 0 ? vss_value_get(header.info, "dm") : NULL;
                if ((r == 0 && strcmp(header.root.filesystem, volume->filesystem) == 0) ||
                    strcmp(vss_value_get_string(own, "origin", ""), volume->filesystem) == 0)
                        if (value_append_string(ids, id) < 0)
                                return -ENOMEM;
                r = 0;
        }
        return r;
}

int catalog_ids_of_set(const char *set_id, vss_value *ids) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        int r;

        r = list ? catalog_list(NULL, list) : -ENOMEM;
        for (size_t i = 0; r == 0 && i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(info, "set", ""), set_id) == 0 &&
                    value_append_string(ids, vss_value_get_string(info, "id", "")) < 0)
                        r = -ENOMEM;
        }
        return r;
}

typedef struct Search {
        const char *filesystem; /* wanted, or NULL */
        const char *id;         /* of an area that it has, or NULL */
        bool make;
        Place found;
        int directory_fd; /* -1: not found */
} Search;

static int search_place(void *userdata, const Place *place, int directory_fd) {
        Search *search = userdata;

        if (search->filesystem && strcmp(place->filesystem, search->filesystem) != 0)
                return 0;
        if (search->id) {
                _cleanup_value_ vss_value *ids = vss_value_new_list();

                if (!ids || area_list(directory_fd, ids) < 0 || value_contains(ids, search->id) <= 0)
                        return 0;
        }
        search->found = *place;
        search->directory_fd = fcntl(directory_fd, F_DUPFD_CLOEXEC, 3);
        return search->directory_fd < 0 ? -errno : 1;
}

int catalog_open_directory(const char *filesystem, bool make, int *ret_fd, Device *ret_device) {
        Search search = { .filesystem = filesystem, .directory_fd = -1 };
        Volume volume;
        int r;

        r = volume_by_filesystem(filesystem, &volume);
        if (r == 0) {
                _cleanup_(closep) int root_fd = -1;

                if (volume.table == VOLUME_FOREIGN)
                        return -ESTALE;
                r = mounts_open_root(volume.info.device, volume.path, &root_fd);
                if (r == 0)
                        r = area_open_directory(root_fd, make, ret_fd);
                if (r == 0)
                        *ret_device = volume.origin;
                return r;
        }
        r = visit_places(search_place, &search);
        if (r < 0)
                return r;
        if (search.directory_fd < 0)
                return -ENOENT;
        *ret_fd = search.directory_fd;
        *ret_device = search.found.device;
        return 0;
}

int catalog_find_area(const char *id, char ret_filesystem[static VSS_ID_SIZE]) {
        Search search = { .id = id, .directory_fd = -1 };
        int r;

        r = visit_places(search_place, &search);
        if (r < 0)
                return r;
        if (search.directory_fd < 0)
                return -ENOENT;
        (void)close(search.directory_fd);
        (void)snprintf(ret_filesystem, VSS_ID_SIZE, "%s", search.found.filesystem);
        return 0;
}
