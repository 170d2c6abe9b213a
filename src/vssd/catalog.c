/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The catalog: shadow copies as they stand, asked for
 */

#include <string.h>
#include "bus/marshal.h"
#include "model/context.h"
#include "model/id.h"
#include "model/path.h"
#include "util/clock.h"
#include "vssd/catalog-internal.h"
#include "vssd/event.h"
#include "vssd/log.h"
#include "vssd/losses.h"
#include "vssd/mounts.h"
#include "vssd/watch.h"
#include "vssd/worker.h"

enum { SNAPSHOTS_MAX = 65536 };

int catalog_new(struct Catalog **ret_catalog) {
        struct Catalog *catalog = calloc(1, sizeof(*catalog));

        if (!catalog)
                return -ENOMEM;
        *catalog = (struct Catalog){ vss_value_new_dict(), vss_value_new_dict(), vss_value_new_dict() };
        *ret_catalog = catalog;
        return 0;
}

struct Catalog *catalog_free(struct Catalog *catalog) {
        if (!catalog)
                return NULL;
        vss_value_free(catalog->attached);
        vss_value_free(catalog->exposed);
        vss_value_free(catalog->wanted);
        free(catalog);
        return NULL;
}
/* Query */

CatalogQuery *catalog_query_cancel(CatalogQuery *query) {
        if (!query)
                return NULL;
        discover_cancel(query->discover);
        calls_cancel(&query->calls);
        discovery_clear(&query->providers);
        vss_value_free(query->filter);
        vss_value_free(query->result);
        failure_clear(&query->failure);
        free(query);
        return NULL;
}

static bool matches_string(const vss_value *filter, const char *key, const vss_value *snapshot,
                           const char *property) {
        const char *want = vss_value_get_string(filter, key, NULL);

        return !want || strcasecmp(want, vss_value_get_string(snapshot, property, "")) == 0;
}

static bool matches(const vss_value *filter, const vss_value *snapshot) {
        return matches_string(filter, "snapshot", snapshot, "id") &&
               matches_string(filter, "set", snapshot, "set") &&
               matches_string(filter, "volume", snapshot, "volume") &&
               matches_string(filter, "provider", snapshot, "provider");
}

/* What only this service knows of a copy. */
static void annotate(Manager *manager, vss_value *snapshot) {
        const char *id = vss_value_get_string(snapshot, "id", "");
        const char *exposed = vss_value_get_string(manager->catalog->exposed, id, NULL);
        int64_t attributes = vss_value_get_integer(snapshot, "attributes", 0);
        char path[256];

        mounts_device_object(id, path, sizeof(path));
        (void)vss_value_set_string(snapshot, "device-object",
                                   vss_value_get(manager->catalog->attached, id) ? path : "");
        (void)vss_value_set_string(snapshot, "exposed", exposed ?: "");
        if (exposed)
                (void)vss_value_set_integer(snapshot, "attributes",
                                            attributes | VSS_VOLSNAP_ATTR_EXPOSED_LOCALLY);
}

static bool is_lost(const vss_value *snapshot) {
        return strcmp(vss_value_get_string(snapshot, "state", ""), "lost") == 0;
}

static void on_snapshots(void *userdata, const CallAnswer *answer) {
        CatalogQuery *query = userdata;
        vss_value *list = value_get_mutable(query->result, "snapshots");
        _cleanup_value_ vss_value *found = NULL;

        if (answer->result < 0 || marshal_read_dicts(answer->reply, &found) < 0) {
                vss_value *left = vss_value_new_dict();

                /* It hangs, and would do so for everybody after us. */
                if (answer->late)
                        participant_kill(answer->participant, answer->message);
                (void)vss_value_set_string(left, "what", answer->participant->name);
                (void)vss_value_set_string(left, "reason", answer->message ?: "its answer cannot be read");
                (void)vss_value_append(value_require(query->result, "left-out", VSS_KIND_LIST), left);
                return;
        }
        /* After a restart of the service this is how it gets to know of them. */
        if (vss_value_count(found) > 0)
                watch_keep(query->manager, answer->participant);
        for (size_t i = 0; i < vss_value_count(found); i++) {
                vss_value *snapshot = value_at_mutable(found, i);

                (void)vss_value_set_string(snapshot, "provider", answer->participant->name);
                if (is_lost(snapshot))
                        watch_note_lost(query->manager, snapshot);
                if (!id_is_valid(vss_value_get_string(snapshot, "id", "")) ||
                    !matches(query->filter, snapshot) || vss_value_count(list) >= SNAPSHOTS_MAX)
                        continue;
                annotate(query->manager, snapshot);
                (void)vss_value_append(list, vss_value_copy(snapshot));
        }
}

static int by_sequence(const void *a, const void *b) {
        int64_t x = vss_value_get_integer(*(vss_value *const *)a, "sequence", 0);
        int64_t y = vss_value_get_integer(*(vss_value *const *)b, "sequence", 0);

        return x < y ? -1 : x > y;
}

/* By sequence number, never by clock. */
static int sort_snapshots(vss_value *result) {
        const vss_value *list = vss_value_get(result, "snapshots");
        size_t n = vss_value_count(list);
        _cleanup_(freep) const vss_value **order = calloc(n + 1, sizeof(*order));
        _cleanup_value_ vss_value *sorted = vss_value_new_list();

        if (!order || !sorted)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                order[i] = vss_value_at(list, i);
        qsort(order, n, sizeof(*order), by_sequence);
        for (size_t i = 0; i < n; i++)
                if (vss_value_append(sorted, vss_value_copy(order[i])) < 0)
                        return -ENOMEM;
        return vss_value_set(result, "snapshots", TAKE_PTR(sorted)) < 0 ? -ENOMEM : 0;
}

/* Copies that are gone, and nobody has taken note of it. */
static void add_losses(CatalogQuery *query) {
        const vss_value *losses = losses_list(query->manager),
                        *snapshots = vss_value_get(query->result, "snapshots");

        for (size_t i = 0; i < vss_value_count(losses); i++) {
                const vss_value *loss = vss_value_at(losses, i);
                bool listed = false;

                for (size_t k = 0; !listed && k < vss_value_count(snapshots); k++)
                        listed = strcasecmp(vss_value_get_string(vss_value_at(snapshots, k), "id", ""),
                                            vss_value_get_string(loss, "id", "")) == 0;
                if (!listed && !vss_value_get(query->filter, "set") && matches(query->filter, loss))
                        (void)vss_value_append(value_require(query->result, "losses", VSS_KIND_LIST),
                                               vss_value_copy(loss));
        }
}

static void query_finish(void *userdata) {
        CatalogQuery *query = userdata;
        bool keep = query->keep_providers;

        if (sort_snapshots(query->result) < 0)
                failure_set_first(&query->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        for (size_t i = 0; i < vss_value_count(vss_value_get(query->result, "snapshots")); i++)
                query->manager->last_sequence = MAX(
                        query->manager->last_sequence,
                        (uint64_t)vss_value_get_integer(
                                vss_value_at(vss_value_get(query->result, "snapshots"), i), "sequence", 0));
        add_losses(query);
        /* Who keeps the query may have freed it by then. */
        query->done(query->userdata, &query->failure, query->result);
        if (!keep)
                catalog_query_cancel(query);
}

static void on_providers(void *userdata, const Failure *failure, Discovery *discovery) {
        CatalogQuery *query = userdata;

        query->discover = NULL;
        failure_copy(&query->failure, failure);
        query->providers = *discovery;
        *discovery = (Discovery){ 0 };

        calls_begin(&query->calls, query_finish, query);
        for (size_t i = 0; i < query->providers.n_participants; i++) {
                _cleanup_message_ sd_bus_message *m = NULL;
                Participant *provider = query->providers.participants[i];
                int r = participant_message(provider, "Query", &m);

                if (r >= 0)
                        r = calls_add(&query->calls, provider, m, query->manager->settings.provider_usec,
                                      on_snapshots, NULL);
                if (r < 0)
                        log_error("%s cannot be asked for its shadow copies: %s", provider->name,
                                  strerror(-r));
        }
        calls_drop(&query->calls);
}

int catalog_query(Manager *manager, const vss_value *filter, CatalogDone done, void *userdata,
                  CatalogQuery **ret_query) {
        CatalogQuery *query = calloc(1, sizeof(*query));
        int r;

        if (!query)
                return -ENOMEM;
        *query = (CatalogQuery){ .manager = manager,
                                 .done = done,
                                 .userdata = userdata,
                                 .filter = vss_value_copy(filter),
                                 .result = vss_value_new_dict() };
        if (!value_require(query->result, "snapshots", VSS_KIND_LIST)) {
                catalog_query_cancel(query);
                return -ENOMEM;
        }
        r = discover_start(manager, true, on_providers, query, &query->discover);
        if (r < 0) {
                catalog_query_cancel(query);
                return r;
        }
        if (ret_query)
                *ret_query = query;
        return 0;
}

bool catalog_query_is_incomplete(const CatalogQuery *query, const vss_value *result) {
        return vss_value_count(vss_value_get(result, "left-out")) > 0 ||
               vss_value_count(query->providers.rejected) > 0;
}

Participant *catalog_query_provider(const CatalogQuery *query, const vss_value *snapshot) {
        return discovery_find(&query->providers, vss_value_get_string(snapshot, "provider", ""));
}
