/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shadow copies and what is left of them, taken away
 */

#include <string.h>
#include "providers/common/guard.h"
#include "providers/common/info.h"
#include "providers/dm/area.h"
#include "providers/dm/catalog.h"
#include "providers/dm/remove.h"
#include "util/clock.h"

#define SWAP_LIMIT_USEC (5 * USEC_PER_SEC)

/* @except: a copy that does not count any more. */
static int make_linear(const Volume *volume, const char *except, vss_value *suspended) {
        bool live;
        int r;

        if (volume->table != VOLUME_ORIGIN)
                return 0;
        r = store_has_live(volume->origin.number, except, &live);
        if (r < 0 || live)
                return r;
        r = volume_load(volume, VOLUME_LINEAR);
        if (r == 0) {
                r = guard_swap(&volume->info.device, 1, SWAP_LIMIT_USEC, "its last shadow copy goes",
                               suspended);
                /* It is not to take effect later, when there may be copies again. */
                if (r < 0)
                        (void)devmap_clear(volume->info.name);
        }
        return r;
}

int remove_origin(const Volume *volume, vss_value *suspended) {
        return make_linear(volume, NULL, suspended);
}

static int mark(const char *id, AreaHeader *header) {
        int r;

        if (!header->info || strcmp(vss_value_get_string(header->info, "state", ""), "deleting") == 0)
                return 0;
        if (vss_value_set_string(header->info, "state", "deleting") < 0)
                return -ENOMEM;
        r = store_write_record(id, header);
        return r == 0 ? store_write_token(id, "") : r;
}

/* Where its area is, or was. @ret_fd: -1 if there is nothing that could hold it any more. */
static int open_place(const char *id, const AreaHeader *header, int *ret_fd) {
        char filesystem[VSS_ID_SIZE];
        Volume volume;
        Device device;
        int r;

        if (header->root.filesystem[0] != 0)
                (void)snprintf(filesystem, sizeof(filesystem), "%s", header->root.filesystem);
        else {
                r = catalog_find_area(id, filesystem);
                if (r < 0)
                        return r == -ENOENT ? 0 : r;
        }
        r = catalog_open_directory(filesystem, false, ret_fd, &device);
        if (r == -ENOENT)
                return volume_by_filesystem(filesystem, &volume) == 0 ? -ENOTCONN : 0;
        return r == -ESTALE ? 0 : r;
}

/* The volume of a copy. A header that cannot be read does not name it: the copy's table has the partition.
 */
static bool find_volume(const AreaHeader *header, const StoreState *state, Volume *ret_volume) {
        const char *filesystem = vss_value_get_string(vss_value_get(header->info, "dm"), "origin", "");
        _cleanup_volumes_ VolumeList volumes = { 0 };

        if (info_id_is_valid(filesystem))
                return volume_by_filesystem(filesystem, ret_volume) == 0 &&
                       ret_volume->table != VOLUME_FOREIGN;
        if (state->origin == 0 || volume_list(&volumes) < 0)
                return false;
        for (size_t i = 0; i < volumes.n; i++)
                if (volumes.items[i].table != VOLUME_FOREIGN &&
                    volumes.items[i].origin.number == state->origin) {
                        *ret_volume = volumes.items[i];
                        return true;
                }
        return false;
}

/* The devices of a copy, and its volume's table if it was the last. */
static int remove_devices(const char *id, const AreaHeader *header, const StoreState *state,
                          vss_value *suspended) {
        Volume volume;
        bool known = find_volume(header, state, &volume);
        int r;

        if (known && volume.info.inactive)
                (void)devmap_clear(volume.info.name);
        if (known && state->live && state->origin == volume.origin.number) {
                r = make_linear(&volume, id, suspended);
                if (r < 0)
                        return r;
        }
        r = store_remove(id);
        /* A cut that was made by halves has left an origin without a copy. */
        if (r == 0 && known && volume_refresh(&volume) == 0)
                r = make_linear(&volume, NULL, suspended);
        return r;
}

int remove_copy(const char *id, vss_value *suspended) {
        _cleanup_area_header_ AreaHeader header = { 0 };
        _cleanup_(closep) int directory_fd = -1;
        StoreState state;
        int r;

        r = store_state(id, &state);
        if (r == -EOPNOTSUPP) {
                state = (StoreState){ 0 };
                r = 0;
        }
        if (r < 0)
                return r;
        if (state.open_count > 0)
                return -EBUSY;
        if (state.head) {
                r = store_read_header(id, &header);
                if (r == -ENOMEM)
                        return r;
        }
        r = open_place(id, &header, &directory_fd);
        if (r < 0)
                return r;
        if (!state.head && !state.cow && !state.copy && directory_fd < 0)
                return -ENOENT;
        /* Whatever there is of them: as long as there is a store, it is written to. */
        if (state.head || state.cow || state.copy) {
                /* A header that cannot be written is on a device that has gone bad: it will not be believed,
                 * either. */
                r = mark(id, &header);
                if (r == -ENOMEM)
                        return r;
                r = remove_devices(id, &header, &state, suspended);
                if (r < 0)
                        return r;
        }
        r = directory_fd >= 0 ? area_remove(directory_fd, id) : 0;
        return r == -ENOENT && state.head ? 0 : r;
}
