/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The catalog: shadow copies as they stand
 */

#include <string.h>
#include "bus/marshal.h"
#include "model/context.h"
#include "model/id.h"
#include "model/path.h"
#include "util/clock.h"
#include "vssd/catalog.h"
#include "vssd/event.h"
#include "vssd/log.h"
#include "vssd/mounts.h"
#include "vssd/worker.h"

enum { SNAPSHOTS_MAX = 65536 };

struct Catalog {
        vss_value *attached; /* ids with a device object: dictionary id -> true */
        vss_value *exposed;  /* dictionary id -> directory */
};

int catalog_new(struct Catalog **ret_catalog) {
        struct Catalog *catalog = calloc(1, sizeof(*catalog));

        if (!catalog)
                return -ENOMEM;
        *catalog = (struct Catalog){ vss_value_new_dict(), vss_value_new_dict() };
        *ret_catalog = catalog;
        return 0;
}

struct Catalog *catalog_free(struct Catalog *catalog) {
        if (!catalog)
                return NULL;
        vss_value_free(catalog->attached);
        vss_value_free(catalog->exposed);
        free(catalog);
        return NULL;
}

/* Query */

struct CatalogQuery {
        Manager *manager;
        CatalogDone done;
        void *userdata;
        Discover *discover;
        Discovery providers;
        Calls calls;
        vss_value *filter, *result;
        Failure failure;
        bool keep_providers; /* delete needs them afterwards */
};

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
        char path[256];

        mounts_device_object(id, path, sizeof(path));
        (void)vss_value_set_string(snapshot, "device-object",
                                   vss_value_get(manager->catalog->attached, id) ? path : "");
        (void)vss_value_set_string(snapshot, "exposed", exposed ?: "");
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
        for (size_t i = 0; i < vss_value_count(found); i++) {
                vss_value *snapshot = value_at_mutable(found, i);

                (void)vss_value_set_string(snapshot, "provider", answer->participant->name);
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

/* Device objects */

typedef struct MountWork {
        Manager *manager;
        CatalogDone done;
        CatalogOpened opened;
        void *userdata;
        MountArgs args;
        enum { ATTACH, DETACH, EXPOSE, UNEXPOSE, OPEN } what;
} MountWork;

static const WorkerMain mount_mains[] = {
        [ATTACH] = mounts_attach_main,     [DETACH] = mounts_detach_main, [EXPOSE] = mounts_expose_main,
        [UNEXPOSE] = mounts_unexpose_main, [OPEN] = mounts_clone_main,
};

void catalog_mark(Manager *manager, const char *id, bool attached) {
        if (!attached)
                value_unset(manager->catalog->attached, id);
        else if (vss_value_set_boolean(manager->catalog->attached, id, true) < 0)
                log_error("%s: out of memory", id);
}

static void remember(MountWork *work) {
        struct Catalog *catalog = work->manager->catalog;
        const char *id = work->args.id;

        switch (work->what) {
        case ATTACH:
                catalog_mark(work->manager, id, true);
                break;
        case DETACH:
                catalog_mark(work->manager, id, false);
                break;
        case EXPOSE:
                (void)vss_value_set_string(catalog->exposed, id, work->args.directory);
                break;
        case UNEXPOSE:
                value_unset(catalog->exposed, id);
                break;
        case OPEN:
                break;
        }
}

static void on_mounted(void *userdata, int error, WorkerAnswer *answer) {
        _cleanup_(freep) MountWork *work = userdata;
        Failure failure = { 0 };

        if (error < 0)
                failure_set(&failure,
                            error == -ENOTEMPTY || error == -ENOTDIR || error == -ENOENT || error == -ELOOP
                                    ? VSS_E_INVALIDARG
                                    : VSS_E_UNEXPECTED,
                            work->args.id, "%s",
                            vss_value_get_string(answer->value, "message",
                                                 error == -ETIMEDOUT ? "Mounting took too long."
                                                                     : strerror(-error)));
        else
                remember(work);
        if (work->opened)
                work->opened(work->userdata, &failure,
                             error < 0 || answer->n_fds < 1 ? -1 : TAKE_FD(answer->fds[0]));
        else
                work->done(work->userdata, &failure, NULL);
        failure_clear(&failure);
}

static int mount_start(Manager *manager, int what, const char *id, const char *directory, int fd,
                       CatalogDone done, CatalogOpened opened, void *userdata) {
        MountWork *work = calloc(1, sizeof(*work));
        int r;

        if (!work)
                return -ENOMEM;
        *work = (MountWork){ .manager = manager,
                             .done = done,
                             .opened = opened,
                             .userdata = userdata,
                             .what = what,
                             .args.fd = fd };
        (void)snprintf(work->args.id, sizeof(work->args.id), "%s", id);
        (void)snprintf(work->args.directory, sizeof(work->args.directory), "%s", directory);
        r = worker_start(manager, mount_mains[what], &work->args, manager->settings.worker_usec, on_mounted,
                         work, NULL);
        if (r < 0)
                free(work);
        return r;
}

int catalog_attach(Manager *manager, const char *id, int mount_fd, CatalogDone done, void *userdata) {
        return mount_start(manager, ATTACH, id, "", mount_fd, done, NULL, userdata);
}

int catalog_detach(Manager *manager, const char *id, CatalogDone done, void *userdata) {
        return mount_start(manager, DETACH, id, "", -1, done, NULL, userdata);
}

int catalog_open(Manager *manager, const char *id, CatalogOpened done, void *userdata) {
        return mount_start(manager, OPEN, id, "", -1, NULL, done, userdata);
}

int catalog_expose(Manager *manager, const char *id, const char *directory, CatalogDone done,
                   void *userdata) {
        if (strlen(directory) >= sizeof(((MountArgs *)NULL)->directory))
                return -ENAMETOOLONG;
        return mount_start(manager, EXPOSE, id, directory, -1, done, NULL, userdata);
}

int catalog_unexpose(Manager *manager, const char *id, CatalogDone done, void *userdata) {
        const char *directory = vss_value_get_string(manager->catalog->exposed, id, NULL);

        return directory ? mount_start(manager, UNEXPOSE, id, directory, -1, done, NULL, userdata) : -ENOENT;
}

/* A provider did not say what it has. Of a query that keeps its providers. */
static bool query_is_incomplete(const CatalogQuery *query, const vss_value *result) {
        return vss_value_count(vss_value_get(result, "left-out")) > 0 ||
               vss_value_count(query->providers.rejected) > 0;
}

/* Deleting */

typedef struct Deletion {
        Manager *manager;
        CatalogDone done;
        void *userdata;
        CatalogQuery *query;
        Calls calls;
        vss_value *selection;
        vss_value *chosen; /* the properties of what goes, in order */
        vss_value *result;
        size_t next;
} Deletion;

static void delete_next(Deletion *deletion);

static Deletion *deletion_free(Deletion *deletion) {
        if (!deletion)
                return NULL;
        catalog_query_cancel(deletion->query);
        vss_value_free(deletion->selection);
        vss_value_free(deletion->chosen);
        vss_value_free(deletion->result);
        free(deletion);
        return NULL;
}

static void note_failed(Deletion *deletion, const char *id, vss_result code, const char *reason) {
        vss_value *failed = vss_value_new_dict();

        (void)vss_value_set_string(failed, "id", id);
        (void)vss_value_set_integer(failed, "code", code);
        (void)vss_value_set_string(failed, "reason", reason);
        (void)vss_value_append(value_require(deletion->result, "failed", VSS_KIND_LIST), failed);
}

static const char *current_id(const Deletion *deletion) {
        return vss_value_get_string(vss_value_at(deletion->chosen, deletion->next), "id", "");
}

static void on_deleted(void *userdata, const CallAnswer *answer) {
        Deletion *deletion = userdata;
        const vss_value *snapshot = vss_value_at(deletion->chosen, deletion->next);

        if (answer->late)
                participant_kill(answer->participant, answer->message);
        if (answer->result < 0 && answer->result != VSS_E_OBJECT_NOT_FOUND) {
                note_failed(deletion, current_id(deletion), answer->result, answer->message);
                return;
        }
        (void)value_append_string(value_require(deletion->result, "deleted", VSS_KIND_LIST),
                                  current_id(deletion));
        event_send(deletion->manager, "shadow-copy-deleted", snapshot, "shadow copy %s of %s was deleted",
                   current_id(deletion), vss_value_get_string(snapshot, "volume", "?"));
}

static void on_one_done(void *userdata) {
        Deletion *deletion = userdata;

        deletion->next++;
        delete_next(deletion);
}

static void on_detached(void *userdata, const Failure *failure, vss_value *result) {
        Deletion *deletion = userdata;
        const vss_value *snapshot = vss_value_at(deletion->chosen, deletion->next);
        Participant *provider = discovery_find(&deletion->query->providers,
                                               vss_value_get_string(snapshot, "provider", ""));
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        if (failure->code < 0)
                log_warning("%s: %s", current_id(deletion), failure_message(failure));
        calls_begin(&deletion->calls, on_one_done, deletion);
        r = provider ? participant_message(provider, "DeleteSnapshot", &m) : -ESRCH;
        if (r >= 0)
                r = sd_bus_message_append(m, "s", current_id(deletion));
        if (r >= 0)
                r = calls_add(&deletion->calls, provider, m, deletion->manager->settings.provider_usec,
                              on_deleted, NULL);
        if (r < 0)
                note_failed(deletion, current_id(deletion), VSS_E_UNEXPECTED_PROVIDER_ERROR,
                            "its provider is gone");
        calls_drop(&deletion->calls);
}

static void on_unexposed(void *userdata, const Failure *failure, vss_value *result) {
        Deletion *deletion = userdata;

        if (catalog_detach(deletion->manager, current_id(deletion), on_detached, deletion) < 0) {
                note_failed(deletion, current_id(deletion), VSS_E_OUTOFMEMORY, "out of memory");
                on_one_done(deletion);
        }
}

static void delete_next(Deletion *deletion) {
        Failure failure = { 0 };

        if (deletion->next < vss_value_count(deletion->chosen)) {
                if (catalog_unexpose(deletion->manager, current_id(deletion), on_unexposed, deletion) < 0)
                        on_unexposed(deletion, &failure, NULL);
                return;
        }
        deletion->done(deletion->userdata, &failure, deletion->result);
        deletion_free(deletion);
}

/* Is this shadow copy one of those that @selection names? */
static bool is_selected(const vss_value *selection, const vss_value *snapshot) {
        const char *volume = vss_value_get_string(selection, "volume", NULL);
        const char *set = vss_value_get_string(selection, "set", NULL);
        const char *oldest = vss_value_get_string(selection, "oldest", NULL);

        if (value_contains(vss_value_get(selection, "snapshots"), vss_value_get_string(snapshot, "id", "")))
                return true;
        if (volume && strcmp(volume, vss_value_get_string(snapshot, "volume", "")) == 0)
                return true;
        if (set && strcasecmp(set, vss_value_get_string(snapshot, "set", "")) == 0)
                return true;
        if (oldest && strcmp(oldest, vss_value_get_string(snapshot, "volume", "")) == 0)
                return true;
        return vss_value_get_boolean(selection, "all", false);
}

/* @incomplete: a provider did not say what it has. */
static void note_unknown(Deletion *deletion, bool incomplete) {
        const vss_value *ids = vss_value_get(deletion->selection, "snapshots");

        for (size_t i = 0; i < vss_value_count(ids); i++) {
                const char *id = vss_value_string(vss_value_at(ids, i), "");
                bool found = false;

                for (size_t k = 0; !found && k < vss_value_count(deletion->chosen); k++)
                        found = strcmp(vss_value_get_string(vss_value_at(deletion->chosen, k), "id", ""),
                                       id) == 0;
                if (!found)
                        note_failed(deletion, id,
                                    incomplete ? VSS_E_UNEXPECTED_PROVIDER_ERROR : VSS_E_OBJECT_NOT_FOUND,
                                    incomplete ? "its provider did not answer"
                                               : "there is no such shadow copy");
        }
}

static void on_queried(void *userdata, const Failure *failure, vss_value *result) {
        Deletion *deletion = userdata;
        const vss_value *snapshots = vss_value_get(result, "snapshots");
        bool only_first = vss_value_get(deletion->selection, "oldest") != NULL;

        if (failure->code < 0) {
                deletion->done(deletion->userdata, failure, deletion->result);
                deletion_free(deletion);
                return;
        }
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                if (!is_selected(deletion->selection, vss_value_at(snapshots, i)))
                        continue;
                (void)vss_value_append(deletion->chosen, vss_value_copy(vss_value_at(snapshots, i)));
                if (only_first)
                        break;
        }
        note_unknown(deletion, query_is_incomplete(deletion->query, result));
        delete_next(deletion);
}

int catalog_delete(Manager *manager, const vss_value *selection, CatalogDone done, void *userdata) {
        Deletion *deletion = calloc(1, sizeof(*deletion));
        int r = -ENOMEM;

        if (!deletion)
                return r;
        *deletion = (Deletion){ .manager = manager,
                                .done = done,
                                .userdata = userdata,
                                .selection = vss_value_copy(selection),
                                .chosen = vss_value_new_list(),
                                .result = vss_value_new_dict() };
        if (deletion->selection && deletion->chosen &&
            value_require(deletion->result, "deleted", VSS_KIND_LIST) &&
            value_require(deletion->result, "failed", VSS_KIND_LIST))
                r = catalog_query(manager, NULL, on_queried, deletion, &deletion->query);
        if (r < 0) {
                deletion_free(deletion);
                return r;
        }
        deletion->query->keep_providers = true;
        return 0;
}

/* At start */

typedef struct Startup {
        Manager *manager;
        CatalogQuery *query;
        Calls calls;
        vss_value *again; /* ids that get their device objects back */
        sd_event_source *timer;
        unsigned tries;
        bool incomplete; /* a provider did not say what it has */
} Startup;

/* A provider that was busy, or died, while the service before this one did is asked again, later and later.
 */
#define STARTUP_TRIES 6u
#define STARTUP_RETRY_USEC (500 * USEC_PER_MSEC)

static void on_attached_again(void *userdata, const Failure *failure, vss_value *result) {
        if (failure->code < 0)
                log_error("%s: %s", failure_culprit(failure), failure_message(failure));
}

static void on_opened_again(void *userdata, const CallAnswer *answer) {
        Startup *startup = userdata;
        const char *id = answer->cookie;
        int fd;

        if (answer->result < 0 || sd_bus_message_read(answer->reply, "h", &fd) < 0)
                log_error("%s: its device object cannot be given back: %s", id,
                          answer->message ?: "no mount");
        else if (catalog_attach(startup->manager, id, fd, on_attached_again, NULL) < 0)
                log_error("%s: its device object cannot be given back", id);
}

static void startup_free(Startup *startup) {
        catalog_query_cancel(startup->query);
        sd_event_source_disable_unref(startup->timer);
        vss_value_free(startup->again);
        free(startup);
}

static void startup_query(Startup *startup);

static int on_startup_again(sd_event_source *source, uint64_t usec, void *userdata) {
        startup_query(userdata);
        return 0;
}

static void startup_done(void *userdata) {
        Startup *startup = userdata;

        if (!startup->incomplete || startup->tries >= STARTUP_TRIES) {
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

static void open_again(Startup *startup, const vss_value *snapshot) {
        Participant *provider = discovery_find(&startup->query->providers,
                                               vss_value_get_string(snapshot, "provider", ""));
        _cleanup_message_ sd_bus_message *m = NULL;
        const char *id;
        int r;

        if (vss_value_get(startup->manager->catalog->attached, vss_value_get_string(snapshot, "id", "")) ||
            (vss_value_get_integer(snapshot, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED))
                return;
        (void)value_append_string(startup->again, vss_value_get_string(snapshot, "id", ""));
        id = vss_value_string(vss_value_at(startup->again, vss_value_count(startup->again) - 1), "");
        r = provider ? participant_message(provider, "OpenSnapshot", &m) : -ESRCH;
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", id, false);
        if (r >= 0)
                r = calls_add(&startup->calls, provider, m, startup->manager->settings.provider_usec,
                              on_opened_again, (void *)id);
        if (r < 0)
                log_error("%s: its device object cannot be given back: %s", id, strerror(-r));
}

static void on_found_at_start(void *userdata, const Failure *failure, vss_value *result) {
        Startup *startup = userdata;
        const vss_value *snapshots = vss_value_get(result, "snapshots");
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        vss_value *orphans = value_require(selection, "snapshots", VSS_KIND_LIST);

        startup->incomplete = query_is_incomplete(startup->query, result);
        calls_begin(&startup->calls, startup_done, startup);
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                if (is_orphan(startup->manager, snapshot))
                        (void)value_append_string(orphans, vss_value_get_string(snapshot, "id", ""));
                else if (strcmp(vss_value_get_string(snapshot, "host", ""), startup->manager->host) == 0 &&
                         strcmp(vss_value_get_string(snapshot, "service", ""), startup->manager->instance) !=
                                 0) /* what sessions make meanwhile has its own */
                        open_again(startup, snapshot);
        }
        if (vss_value_count(orphans) > 0)
                log_info("deleting %zu shadow copies that a service before this one left",
                         vss_value_count(orphans));
        if (vss_value_count(orphans) > 0 && catalog_delete(startup->manager, selection, on_swept, NULL) < 0)
                log_error("what a service before this one left cannot be deleted: out of memory");
        calls_drop(&startup->calls);
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
static void take_over_exposures(struct Catalog *catalog, const vss_value *exposed) {
        for (size_t i = 0; i < vss_value_count(exposed); i++) {
                const char *id = vss_value_key_at(exposed, i);

                if (!vss_value_get(catalog->exposed, id) &&
                    vss_value_set_string(catalog->exposed, id,
                                         vss_value_string(vss_value_at(exposed, i), "")) < 0)
                        log_error("%s: out of memory", id);
        }
}

static void on_mounts_swept(void *userdata, int error, WorkerAnswer *answer) {
        Startup *startup = userdata;

        if (error < 0)
                log_warning("device objects of a service before this one remain: %s", strerror(-error));
        else
                take_over_exposures(startup->manager->catalog, vss_value_get(answer->value, "exposed"));
        startup_query(startup);
}

int catalog_start(Manager *manager) {
        Startup *startup = calloc(1, sizeof(*startup));
        int r;

        if (!startup)
                return -ENOMEM;
        *startup = (Startup){ .manager = manager, .again = vss_value_new_list() };
        r = worker_start(manager, mounts_sweep_main, NULL, manager->settings.worker_usec, on_mounts_swept,
                         startup, NULL);
        if (r < 0)
                free(startup);
        return r;
}
