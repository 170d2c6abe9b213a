/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Looking after the areas of copies that stand
 */

#include <inttypes.h>
#include <string.h>
#include "providers/common/guard.h"
#include "providers/common/info.h"
#include "providers/dm/area.h"
#include "providers/dm/boot.h"
#include "providers/dm/lock.h"
#include "providers/dm/remains.h"
#include "providers/dm/remove.h"
#include "providers/dm/storage.h"
#include "providers/dm/watch.h"
#include "util/clock.h"

#define LOOK_USEC USEC_PER_SEC
#define SWAP_LIMIT_USEC (5 * USEC_PER_SEC)
/* Somebody is told again when an area has become so much fuller, in percent. */
#define TELL_STEP 10
#define TOLD_LOST INT64_C(1000)

typedef struct Standing {
        char id[VSS_ID_SIZE];
        dev_t origin;
        bool persistent;
} Standing;

typedef struct Watch {
        vss_value *told;
        vss_value *events;
        vss_value *suspended;
        Policy policy;
        Standing *standing; /* copies with live devices, whatever their headers say */
        size_t n_standing;
        bool again; /* there will be something to look after */
} Watch;

typedef struct Watched {
        const char *id;
        const char *volume; /* its path when the copy was made */
        AreaHeader *header;
        StoreState state;
        uint64_t used, total; /* bytes */
        uint64_t maximum;
} Watched;

static int add_event(Watch *watch, const char *event, const Watched *w, const char *message) {
        _cleanup_value_ vss_value *dict = vss_value_new_dict();

        if (!dict || vss_value_set_string(dict, "event", event) < 0 ||
            vss_value_set_string(dict, "snapshot", w->id) < 0 ||
            vss_value_set_string(dict, "volume", w->volume) < 0 ||
            vss_value_set_string(dict, "message", message) < 0 ||
            vss_value_set_integer(dict, "used", (int64_t)w->used) < 0 ||
            vss_value_set_integer(dict, "allocated", (int64_t)w->total) < 0 ||
            vss_value_set_integer(dict, "maximum", w->maximum > INT64_MAX ? -1 : (int64_t)w->maximum) < 0)
                return -ENOMEM;
        return vss_value_append(watch->events, TAKE_PTR(dict)) < 0 ? -ENOMEM : 0;
}

static int tell_lost(Watch *watch, const Watched *w, const char *reason) {
        char message[512];

        (void)snprintf(message, sizeof(message),
                       "%.200s: its shadow copy %s is lost: %.200s. The volume itself is unharmed.",
                       w->volume, w->id, reason);
        return add_event(watch, "snapshot-lost", w, message);
}

/* It is lost: that is kept with it, and told once. */
static int lose(Watch *watch, Watched *w, const char *reason) {
        int r;

        if (strcmp(vss_value_get_string(w->header->info, "state", ""), "lost") == 0)
                return 0;
        if (vss_value_set_string(w->header->info, "state", "lost") < 0 ||
            vss_value_set_string(w->header->info, "reason", reason) < 0)
                return -ENOMEM;
        /* Not kept: it will be told again, which is better than not at all. */
        r = store_write_token(w->id, "");
        if (r == 0)
                r = store_write_record(w->id, w->header);
        if (r < 0)
                fprintf(stderr, "shadow copy %s: that it is lost cannot be written: %s\n", w->id,
                        strerror(-r));
        return tell_lost(watch, w, reason);
}

/* What its devices tell is all that can be read of it, and nothing can be kept with it. */
static int lose_unread(Watch *watch, Watched *w) {
        int r;

        if (vss_value_get_integer(watch->told, w->id, 0) == TOLD_LOST)
                return 0;
        vss_value_free(w->header->info);
        w->header->info = vss_value_new_dict();
        r = w->header->info ? catalog_set_unread(&w->state, w->header->info) : -ENOMEM;
        if (r < 0 || vss_value_set_integer(watch->told, w->id, TOLD_LOST) < 0)
                return -ENOMEM;
        w->volume = vss_value_get_string(w->header->info, "volume", "?");
        return tell_lost(watch, w, CATALOG_LOST_AREA);
}

/* A table that was not taken is not to take effect later. */
static int clear_cow(const char *id) {
        char name[DEVMAP_NAME_SIZE];

        store_name(id, STORE_COW, name);
        return devmap_clear(name);
}

/* Does the area, larger now, still lie where the live devices write to? */
static int check_grown(const Watched *w, int directory_fd, const Device *on, const AreaMap *map) {
        const AreaHeader *header = w->header;
        AreaRoot root;
        int r = area_verify(directory_fd, w->id, map, on->path, &root);

        if (r == 0 && (strcmp(root.id, w->id) != 0 ||
                       extents_common(header->extents, header->n_extents, map->extents, map->n) !=
                               extents_size(header->extents, header->n_extents)))
                r = -EMEDIUMTYPE;
        return r;
}

static int grow_devices(Watched *w, const Device *on, const AreaMap *map, vss_value *suspended) {
        vss_value *own = value_require(w->header->info, "dm", VSS_KIND_DICT);
        int r;

        if (!own || vss_value_set_integer(own, "area", (int64_t)(map->end - w->header->root.size)) < 0)
                return -ENOMEM;
        if (w->header->n_extents > 0) {
                AreaExtent *extents = calloc(map->n + 1, sizeof(*extents));

                if (!extents)
                        return -ENOMEM;
                memcpy(extents, map->extents, map->n * sizeof(*extents));
                free(w->header->extents);
                w->header->extents = extents;
                w->header->n_extents = map->n;
        }
        /* First recorded, then used: a boot must not find a store that is larger than its area. */
        r = store_write_record(w->id, w->header);
        if (r == 0)
                r = store_load_cow(w->id, on, map->extents, map->n, w->header->root.size);
        if (r == 0) {
                r = guard_swap(&w->state.cow_device, 1, SWAP_LIMIT_USEC, "the difference area grows",
                               suspended);
                if (r < 0)
                        (void)clear_cow(w->id);
        }
        return r;
}

static int grow(Watch *watch, Watched *w, const Volume *volume, const char **ret_reason) {
        _cleanup_(area_map_done) AreaMap map = { 0 };
        _cleanup_(closep) int directory_fd = -1;
        Storage storage;
        uint64_t more;
        Device on;
        int r;

        *ret_reason = NULL;
        r = storage_read(volume, &watch->policy, &storage);
        if (r < 0)
                return r;
        w->maximum = storage.maximum;
        /* It grows where it is, wherever new ones go. */
        (void)snprintf(storage.on, sizeof(storage.on), "%s", w->header->root.filesystem);
        r = storage_open(&storage, false, &directory_fd, &on);
        if (r == 0)
                r = policy_growth(&watch->policy, &storage.volume, w->total, &more);
        if (r == 0)
                r = area_grow(directory_fd, w->id, w->header->root.size + w->total + more, &map, ret_reason);
        if (r == 0)
                r = check_grown(w, directory_fd, &on, &map);
        if (r == 0)
                r = grow_devices(w, &on, &map, watch->suspended);
        if (r == 0)
                w->total += more;
        return r;
}

static const char *why_not(int r, const char *reason) {
        switch (r) {
        case -ENOSPC:
                return "there is too little free space for more of it. Free some, or delete shadow copies";
        case -EDQUOT:
                return "it may not grow further. Allow more (vss storage resize), or delete shadow copies";
        case -ENOENT:
                return "the volume that holds it is not mounted";
        default:
                return reason ? reason : strerror(-r);
        }
}

static int look_low(Watch *watch, Watched *w, const Volume *volume) {
        int64_t percent = (int64_t)(w->used / MAX(w->total / 100, UINT64_C(1)));
        bool full = false;
        const char *reason;
        char message[512];
        int r;

        r = grow(watch, w, volume, &reason);
        if (r == -ENOMEM)
                return r;
        if (r == 0) {
                (void)vss_value_set_integer(watch->told, w->id, 0);
                (void)snprintf(message, sizeof(message),
                               "%.200s: the difference area of its shadow copy %s has grown to %" PRIu64
                               " MiB",
                               w->volume, w->id, w->total / POLICY_GRAIN);
                return add_event(watch, "storage-grown", w, message);
        }
        full = r == -ENOSPC || r == -EDQUOT;
        if (percent < vss_value_get_integer(watch->told, w->id, 0) + TELL_STEP)
                return 0;
        if (vss_value_set_integer(watch->told, w->id, percent) < 0)
                return -ENOMEM;
        (void)snprintf(message, sizeof(message),
                       "%.100s: the difference area of its shadow copy %s is %" PRId64
                       " %% full: %.200s. When it is full the shadow copy is lost.",
                       w->volume, w->id, percent, why_not(r, reason));
        return add_event(watch, full ? "storage-low" : "storage-grow-failed", w, message);
}

static int note_standing(Watch *watch, const char *id, const StoreState *state) {
        Standing *all = reallocarray(watch->standing, watch->n_standing + 1, sizeof(*all));

        if (!all)
                return -ENOMEM;
        watch->standing = all;
        all[watch->n_standing] = (Standing){ .origin = state->origin, .persistent = state->persistent };
        (void)snprintf(all[watch->n_standing++].id, VSS_ID_SIZE, "%s", id);
        return 0;
}

/* The first time that a copy is looked at: whoever did so before may have been killed while its area grew.
 * Not again and again, whatever comes of it: while the directory is open, its file system cannot be
 * unmounted. */
static int protect(Watch *watch, const Watched *w) {
        _cleanup_(closep) int directory_fd = -1;
        Device device;
        int r;

        if (vss_value_get(watch->told, w->id))
                return 0;
        r = catalog_open_directory(w->header->root.filesystem, false, &directory_fd, &device);
        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = area_protect(directory_fd, w->id);
        if (r < 0 && r != -EROFS)
                fprintf(stderr, "%s: the area of its shadow copy %s cannot be protected: %s\n", w->volume,
                        w->id, strerror(-r));
        return vss_value_set_integer(watch->told, w->id, 0) < 0 ? -ENOMEM : 0;
}

static int look_at(Watch *watch, const char *id) {
        _cleanup_area_header_ AreaHeader header = { 0 };
        Watched w = { .id = id, .header = &header };
        const char *reason, *origin;
        Volume volume;
        bool lost;
        int r;

        r = store_state(id, &w.state);
        if (r < 0 || !w.state.live)
                return r;
        r = note_standing(watch, id, &w.state);
        if (r < 0)
                return r;
        r = store_read_header(id, &header);
        if (r < 0 && r != -ENOMEM && r != -EBADMSG && r != -EPROTONOSUPPORT && w.state.status.invalid)
                return lose_unread(watch, &w);
        /* The next look may read it, or find it lost. */
        watch->again = watch->again || r < 0;
        if (r < 0 || !header.info || strcmp(vss_value_get_string(header.info, "state", ""), "created") != 0)
                return r == -ENOMEM ? r : 0;
        w.volume = vss_value_get_string(header.info, "volume", "?");
        w.used = w.state.status.used * DEVMAP_SECTOR;
        w.total = w.state.status.total * DEVMAP_SECTOR;
        r = catalog_judge(id, &header, &w.state, &reason, &lost);
        if (r < 0)
                return r;
        if (lost)
                return lose(watch, &w, reason);
        watch->again = true;
        if (reason)
                return 0;
        r = protect(watch, &w);
        if (r < 0)
                return r;
        origin = vss_value_get_string(vss_value_get(header.info, "dm"), "origin", "");
        if (policy_is_low(&watch->policy, w.used, w.total) && volume_by_filesystem(origin, &volume) == 0)
                return look_low(watch, &w, &volume);
        return 0;
}

/* A volume that was mounted or unmounted since looks different to the next boot. */
static int refresh_tokens(const Watch *watch, const Volume *volume) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        int r;

        if (!ids)
                return -ENOMEM;
        for (size_t i = 0; i < watch->n_standing; i++)
                if (watch->standing[i].persistent && watch->standing[i].origin == volume->origin.number &&
                    value_append_string(ids, watch->standing[i].id) < 0)
                        return -ENOMEM;
        r = boot_refresh_copies(volume, ids);
        if (r < 0 && r != -ENOMEM) {
                fprintf(stderr, "%s: how it is mounted cannot be recorded: %s\n", volume->path,
                        strerror(-r));
                r = 0;
        }
        return r;
}

/* Copies that went while the device was away, or by other hands, have left it the table that they needed. An
 * inactive one is of a set that is being prepared. */
static int settle_table(Watch *watch, const Volume *volume) {
        int r;

        if (volume->info.inactive || volume->info.suspended)
                return 0;
        for (size_t i = 0; i < watch->n_standing; i++)
                if (watch->standing[i].origin == volume->origin.number)
                        return 0;
        r = remove_origin(volume, watch->suspended);
        if (r == 0 || r == -ENOMEM)
                return r;
        watch->again = true;
        if (vss_value_get_boolean(watch->told, volume->path, false))
                return 0;
        fprintf(stderr, "%s: its table, which was for shadow copies, cannot be changed back: %s\n",
                volume->path, strerror(-r));
        return vss_value_set_boolean(watch->told, volume->path, true) < 0 ? -ENOMEM : 0;
}

static int look_at_volumes(Watch *watch) {
        _cleanup_volumes_ VolumeList volumes = { 0 };
        int r = volume_list(&volumes);

        for (size_t i = 0; r == 0 && i < volumes.n; i++) {
                const Volume *volume = &volumes.items[i];

                if (volume->table != VOLUME_ORIGIN)
                        continue;
                r = refresh_tokens(watch, volume);
                if (r == 0)
                        r = settle_table(watch, volume);
        }
        return r;
}

static int look_at_copies(Watch *watch) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        int r = ids ? store_list(ids) : -ENOMEM;

        for (size_t i = 0; r == 0 && i < vss_value_count(ids); i++) {
                const char *id = vss_value_string(vss_value_at(ids, i), "");

                r = look_at(watch, id);
                /* One that cannot be looked at does not hide the others. */
                if (r < 0 && r != -ENOMEM) {
                        fprintf(stderr, "shadow copy %s cannot be looked after: %s\n", id, strerror(-r));
                        watch->again = true;
                        r = 0;
                }
        }
        return r;
}

int watch_check(vss_value *told, const vss_value *suspended, vss_value *results) {
        _cleanup_(closep) int lock = lock_take(0);
        Watch watch = { .told = told,
                        .events = value_require(results, "events", VSS_KIND_LIST),
                        .suspended = value_require(results, "suspended", VSS_KIND_LIST) };
        int r;

        if (!watch.events || !watch.suspended)
                return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(suspended); i++)
                if (vss_value_append(watch.suspended, vss_value_copy(vss_value_at(suspended, i))) < 0)
                        return -ENOMEM;
        storage_read_policy(&watch.policy);
        /* In the midst of an attach or a detach nothing can be said of copies, nor of how a volume is. */
        if (lock == -EAGAIN)
                watch.again = true;
        r = lock == -EAGAIN ? 0 : look_at_copies(&watch);
        if (r == 0 && lock != -EAGAIN)
                r = look_at_volumes(&watch);
        free(watch.standing);
        if (r == -EOPNOTSUPP)
                return 0;
        if (r == 0 && watch.again && vss_value_set_integer(results, "next-usec", (int64_t)LOOK_USEC) < 0)
                r = -ENOMEM;
        return r;
}
