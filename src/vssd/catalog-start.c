/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The catalog when the service starts: what a service before this one left is deleted, or given back its
 * device objects
 */

#include <string.h>
#include "model/context.h"
#include "util/clock.h"
#include "vssd/catalog-internal.h"
#include "vssd/clones.h"
#include "vssd/log.h"
#include "vssd/mounts.h"
#include "vssd/watch.h"
#include "vssd/worker.h"

typedef struct Startup {
        Manager *manager;
        char set[VSS_ID_SIZE]; /* only device objects of this one are given back; "": all that is found at
                                  the start */
        CatalogQuery *query;
        sd_event_source *timer;
        vss_value *left; /* ids of device objects that a service before this one made */
        unsigned tries, pending;
        bool incomplete;               /* a provider did not say what it has, or did not give it */
        void (*tried)(void *userdata); /* who waits until all has been tried once, or NULL */
        void *userdata;
} Startup;

/* A provider that was busy, or died, is asked again, later and later. */
#define STARTUP_TRIES 6u
#define STARTUP_RETRY_USEC (500 * USEC_PER_MSEC)

static void tell_tried(Startup *startup) {
        void (*tried)(void *userdata) = startup->tried;

        startup->tried = NULL;
        if (tried)
                tried(startup->userdata);
}

static void startup_free(Startup *startup) {
        tell_tried(startup);
        catalog_query_cancel(startup->query);
        sd_event_source_disable_unref(startup->timer);
        vss_value_free(startup->left);
        free(startup);
}

static void on_left_gone(void *userdata, int error, WorkerAnswer *answer) {
        if (error < 0)
                log_warning("device objects of a service before this one remain: %s",
                            vss_value_get_string(answer->value, "message", strerror(-error)));
}

/* Nobody has given these back: there are no such copies any more, or they are not to be seen. */
static void end_left(const Startup *startup) {
        _cleanup_value_ vss_value *gone = vss_value_new_list();
        int r = gone ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < vss_value_count(startup->left); i++) {
                const char *id = vss_value_string(vss_value_at(startup->left, i), "");

                if (!vss_value_get(startup->manager->catalog->attached, id))
                        r = value_append_string(gone, id);
        }
        if (r >= 0 && vss_value_count(gone) > 0)
                r = worker_start(startup->manager, mounts_detach_all_main, gone,
                                 startup->manager->settings.worker_usec, on_left_gone, NULL, NULL);
        if (r < 0)
                log_warning("device objects of a service before this one remain: %s", strerror(-r));
}

static void startup_query(Startup *startup);
static void startup_done(Startup *startup);

static int on_startup_again(sd_event_source *source, uint64_t usec, void *userdata) {
        startup_query(userdata);
        return 0;
}

static void startup_done(Startup *startup) {
        if (!startup->incomplete || startup->tries >= STARTUP_TRIES) {
                end_left(startup);
                startup_free(startup);
                return;
        }
        startup->query = catalog_query_cancel(startup->query);
        startup->timer = sd_event_source_disable_unref(startup->timer);
        if (sd_event_add_time_relative(startup->manager->event, &startup->timer, CLOCK_MONOTONIC,
                                       STARTUP_RETRY_USEC << startup->tries++, 10 * USEC_PER_MSEC,
                                       on_startup_again, startup) < 0)
                startup_free(startup);
}

static void on_swept(void *userdata, const Failure *failure, vss_value *result) {
        const vss_value *failed = vss_value_get(result, "failed");

        for (size_t i = 0; i < vss_value_count(failed); i++)
                log_error("%s was left by a service before this one and cannot be deleted: %s",
                          vss_value_get_string(vss_value_at(failed, i), "id", ""),
                          vss_value_get_string(vss_value_at(failed, i), "reason", ""));
}

/* Ours to delete: of this host, of a service that is gone, and nobody's to keep. */
static bool is_orphan(const Manager *manager, const vss_value *snapshot) {
        int64_t attributes = vss_value_get_integer(snapshot, "attributes",
                                                   vss_value_get_integer(snapshot, "context", 0));
        bool incomplete = strcmp(vss_value_get_string(snapshot, "state", ""), "incomplete") == 0;
        const char *host = vss_value_get_string(snapshot, "host", "");

        /* One that has not even its identity yet is the remains of a crash. */
        if (incomplete && !*host)
                return true;
        if (strcmp(host, manager->host) != 0 ||
            strcmp(vss_value_get_string(snapshot, "service", ""), manager->instance) == 0)
                return false;
        return incomplete || !context_keeps((uint32_t)attributes);
}

/* What sessions make meanwhile has its own, what is for another machine is not to be seen here, and what is
 * lost cannot be seen. */
static bool needs_object(const Startup *startup, const vss_value *snapshot) {
        const Manager *manager = startup->manager;

        if (strcmp(vss_value_get_string(snapshot, "host", ""), manager->host) != 0 ||
            vss_value_get(manager->catalog->attached, vss_value_get_string(snapshot, "id", "")) ||
            (vss_value_get_integer(snapshot, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED) ||
            strcmp(vss_value_get_string(snapshot, "state", ""), "lost") == 0)
                return false;
        return *startup->set ? strcasecmp(vss_value_get_string(snapshot, "set", ""), startup->set) == 0
                             : strcmp(vss_value_get_string(snapshot, "service", ""), manager->instance) != 0;
}

static void startup_settle(Startup *startup) {
        if (--startup->pending > 0)
                return;
        tell_tried(startup);
        startup_done(startup);
}

/* A provider that answered the query may be killed before it has opened all of them. */
static void on_opened_again(void *userdata, const Failure *failure, vss_value *result) {
        Startup *startup = userdata;

        startup->incomplete = startup->incomplete || failure->code < 0;
        startup_settle(startup);
}

static void open_again(Startup *startup, const vss_value *snapshot) {
        Participant *provider = catalog_query_provider(startup->query, snapshot);

        startup->pending++;
        if (provider && catalog_return(startup->manager, provider, snapshot, on_opened_again, startup) >= 0)
                return;
        startup->pending--;
        log_error("%s: its device object cannot be given back", vss_value_get_string(snapshot, "id", ""));
}

/* Copies or none: what a service before this one could not undo may wait for its device. */
static void watch_all(const Startup *startup) {
        const Discovery *providers = &startup->query->providers;

        for (size_t i = 0; i < providers->n_participants; i++)
                watch_keep(startup->manager, providers->participants[i]);
}

static void on_found_at_start(void *userdata, const Failure *failure, vss_value *result) {
        Startup *startup = userdata;
        const vss_value *snapshots = vss_value_get(result, "snapshots");
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        vss_value *orphans = value_require(selection, "snapshots", VSS_KIND_LIST);

        if (!*startup->set)
                watch_all(startup);
        startup->incomplete = catalog_query_is_incomplete(startup->query, result);
        startup->pending = 1;
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                /* What its provider cannot read now, it may be able to later. */
                if (strcmp(vss_value_get_string(snapshot, "state", ""), "unknown") == 0)
                        startup->incomplete = true;
                else if (!*startup->set && is_orphan(startup->manager, snapshot))
                        (void)value_append_string(orphans, vss_value_get_string(snapshot, "id", ""));
                else if (needs_object(startup, snapshot))
                        open_again(startup, snapshot);
        }
        if (vss_value_count(orphans) > 0)
                log_info("deleting %zu shadow copies that a service before this one left",
                         vss_value_count(orphans));
        if (vss_value_count(orphans) > 0 && catalog_delete(startup->manager, selection, on_swept, NULL) < 0)
                log_error("what a service before this one left cannot be deleted: out of memory");
        startup_settle(startup);
}

static void startup_query(Startup *startup) {
        if (catalog_query(startup->manager, NULL, on_found_at_start, startup, &startup->query) >= 0) {
                startup->query->keep_providers = true;
                return;
        }
        log_error("the shadow copies that stand cannot be listed: out of memory");
        startup_free(startup);
}

/* What was exposed since this service started stays as it is known. */
static void take_over(const struct Catalog *catalog, const vss_value *exposed, vss_value *into) {
        for (size_t i = 0; i < vss_value_count(exposed); i++) {
                const char *id = vss_value_key_at(exposed, i);

                if (!vss_value_get(catalog->exposed, id) &&
                    vss_value_set_string(into, id, vss_value_string(vss_value_at(exposed, i), "")) < 0)
                        log_error("%s: out of memory", id);
        }
}

static void on_mounts_swept(void *userdata, int error, WorkerAnswer *answer) {
        Startup *startup = userdata;
        struct Catalog *catalog = startup->manager->catalog;

        if (error < 0)
                log_warning("device objects of a service before this one remain: %s", strerror(-error));
        else {
                startup->left = vss_value_copy(vss_value_get(answer->value, "left"));
                take_over(catalog, vss_value_get(answer->value, "exposed"), catalog->exposed);
                take_over(catalog, vss_value_get(answer->value, "wanted"), catalog->wanted);
        }
        startup_query(startup);
}

/* Clones lie over device objects, so these are next. */
static void sweep_mounts(Startup *startup) {
        Manager *manager = startup->manager;
        int r = worker_start(manager, mounts_sweep_main, NULL, manager->settings.worker_usec,
                             on_mounts_swept, startup, NULL);

        if (r >= 0)
                return;
        log_warning("device objects of a service before this one remain: %s", strerror(-r));
        startup_query(startup);
}

static void on_clones_swept(void *userdata, int error, WorkerAnswer *answer) {
        if (error < 0)
                log_warning("clones that writers of a service before this one looked at remain: %s",
                            vss_value_get_string(answer->value, "message", strerror(-error)));
        sweep_mounts(userdata);
}

void catalog_return_set(Manager *manager, const char *set, void (*tried)(void *userdata), void *userdata) {
        Startup *startup = calloc(1, sizeof(*startup));

        if (!startup) {
                log_error("set %s: its device objects cannot be given back: out of memory", set);
                tried(userdata);
                return;
        }
        *startup = (Startup){ .manager = manager, .tried = tried, .userdata = userdata };
        (void)snprintf(startup->set, sizeof(startup->set), "%s", set);
        startup_query(startup);
}

int catalog_start(Manager *manager) {
        Startup *startup = calloc(1, sizeof(*startup));
        int r;

        if (!startup)
                return -ENOMEM;
        *startup = (Startup){ .manager = manager };
        r = worker_start(manager, clones_sweep_main, manager, manager->settings.worker_usec, on_clones_swept,
                         startup, NULL);
        if (r < 0)
                free(startup);
        return r;
}
