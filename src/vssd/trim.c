/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Client-accessible shadow copies make room for newer ones
 */

#include <inttypes.h>
#include <string.h>
#include "vssd/catalog.h"
#include "vssd/event.h"
#include "vssd/log.h"
#include "vssd/support.h"
#include "vssd/trim.h"

typedef struct Trim {
        Manager *manager;
        struct {
                char *path, *provider;
                uint64_t limit;
        } volumes[VSS_VOLUMES_MAX];
        size_t n_volumes;
} Trim;

static Trim *trim_free(Trim *trim) {
        for (size_t i = 0; trim && i < trim->n_volumes; i++) {
                free(trim->volumes[i].path);
                free(trim->volumes[i].provider);
        }
        free(trim);
        return NULL;
}

DEFINE_CLEANUP(Trim *, trim_free)

uint64_t trim_limit(const Manager *manager, const Participant *provider) {
        uint64_t kept = support_max_snapshots(provider->info),
                 limit = manager->settings.client_accessible_max;

        /* The new one is made before an old one goes: the provider must have room for both. */
        return kept > 1 ? MIN(limit, kept - 1) : 1;
}

static void on_deleted(void *userdata, const Failure *failure, vss_value *result) {
        const vss_value *failed = vss_value_get(result, "failed");

        if (failure->code < 0)
                log_error("shadow copies that are too many cannot be deleted: %s", failure_message(failure));
        for (size_t i = 0; i < vss_value_count(failed); i++)
                log_error("shadow copy %s is one too many, and cannot be deleted: %s",
                          vss_value_get_string(vss_value_at(failed, i), "id", ""),
                          vss_value_get_string(vss_value_at(failed, i), "reason", ""));
}

static bool is_of(const Trim *trim, size_t volume, const vss_value *snapshot) {
        return (vss_value_get_integer(snapshot, "context", 0) & VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE) &&
               strcmp(vss_value_get_string(snapshot, "state", ""), "created") == 0 &&
               strcmp(vss_value_get_string(snapshot, "host", ""), trim->manager->host) == 0 &&
               strcmp(vss_value_get_string(snapshot, "volume", ""), trim->volumes[volume].path) == 0 &&
               strcmp(vss_value_get_string(snapshot, "provider", ""), trim->volumes[volume].provider) == 0;
}

/* @snapshots are in the order of their sequence. */
static void choose(const Trim *trim, size_t volume, const vss_value *snapshots, vss_value *chosen) {
        uint64_t n = 0, limit = trim->volumes[volume].limit;

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                n += is_of(trim, volume, vss_value_at(snapshots, i));
        for (size_t i = 0; i < vss_value_count(snapshots) && n > limit; i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);
                const char *id = vss_value_get_string(snapshot, "id", "");

                if (!is_of(trim, volume, snapshot) || value_append_string(chosen, id) < 0)
                        continue;
                event_send(trim->manager, "shadow-copy-dropped", snapshot,
                           "shadow copy %s, the oldest of %" PRIu64
                           " client-accessible ones of %s, is dropped: there "
                           "may be %" PRIu64,
                           id, n, trim->volumes[volume].path, limit);
                n--;
        }
}

static void on_found(void *userdata, const Failure *failure, vss_value *result) {
        _cleanup_(trim_freep) Trim *trim = userdata;
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        vss_value *chosen = value_require(selection, "snapshots", VSS_KIND_LIST);

        if (failure->code < 0)
                log_error("shadow copies that are too many cannot be found: %s", failure_message(failure));
        for (size_t i = 0; failure->code >= 0 && chosen && i < trim->n_volumes; i++)
                choose(trim, i, vss_value_get(result, "snapshots"), chosen);
        if (vss_value_count(chosen) > 0 && catalog_delete(trim->manager, selection, on_deleted, NULL) < 0)
                log_error("shadow copies that are too many cannot be deleted: out of memory");
}

void trim_start(Manager *manager, const Set *set) {
        _cleanup_(trim_freep) Trim *trim = calloc(1, sizeof(*trim));

        for (size_t i = 0; trim && i < set->n_volumes; i++) {
                const SetVolume *volume = &set->volumes[i];

                trim->manager = manager;
                trim->volumes[i].path = strdup(volume->volume->path);
                trim->volumes[i].provider = strdup(volume->provider->name);
                trim->volumes[i].limit = trim_limit(manager, volume->provider);
                trim->n_volumes++;
                if (!trim->volumes[i].path || !trim->volumes[i].provider)
                        trim = trim_free(trim);
        }
        if (trim && catalog_query(manager, NULL, on_found, trim, NULL) >= 0)
                (void)TAKE_PTR(trim);
        else
                log_error("shadow copies that are too many cannot be looked for: out of memory");
}
