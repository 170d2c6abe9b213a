/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shadow copies of another machine become this one's
 *
 * What the document says of a copy is kept with it from then on, but for whose it is: that is this host and
 * this session now. Its number in the order of copies is a new one, too; those of two machines cannot be
 * compared.
 *
 * One import goes on at a time: two of one set would each find that it is not here yet.
 */

#include <libmount.h>
#include <string.h>
#include "bus/marshal.h"
#include "model/context.h"
#include "model/id.h"
#include "model/path.h"
#include "vssd/catalog-internal.h"
#include "vssd/event.h"
#include "vssd/import.h"
#include "vssd/log.h"
#include "vssd/mounts.h"
#include "vssd/watch.h"

struct Import {
        Manager *manager;
        struct Import *next; /* waits for this one */
        CatalogDone done;    /* NULL: abandoned */
        void *userdata;
        char session_id[VSS_ID_SIZE];
        vss_value *wanted; /* descriptions, as providers get them */
        CatalogQuery *query;
        Calls calls;
        vss_value *result;
        Failure failure;
};

static Import *import_free(Import *import) {
        if (!import)
                return NULL;
        catalog_query_cancel(import->query);
        calls_cancel(&import->calls);
        vss_value_free(import->wanted);
        vss_value_free(import->result);
        failure_clear(&import->failure);
        free(import);
        return NULL;
}

Import *import_abandon(Import *import) {
        if (import)
                import->done = NULL;
        return NULL;
}

static bool is_transportable(const vss_value *snapshot) {
        return vss_value_count(vss_value_get(snapshot, "luns")) > 0;
}

bool import_is_transportable(const vss_value *document) {
        const vss_value *snapshots = vss_value_get(document, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (is_transportable(vss_value_at(snapshots, i)))
                        return true;
        return false;
}

static vss_value *imported(const Import *import) {
        return value_require(import->result, "snapshots", VSS_KIND_LIST);
}

static void note_failed(Import *import, const vss_value *snapshot, const char *reason) {
        vss_value *failed = vss_value_new_dict();

        (void)vss_value_set_string(failed, "id", vss_value_get_string(snapshot, "id", ""));
        (void)vss_value_set_string(failed, "volume", vss_value_get_string(snapshot, "volume", ""));
        (void)vss_value_set_string(failed, "reason", reason);
        (void)vss_value_append(value_require(import->result, "failed", VSS_KIND_LIST), failed);
}

static const vss_value *find(const vss_value *snapshots, const char *id) {
        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcmp(vss_value_get_string(vss_value_at(snapshots, i), "id", ""), id) == 0)
                        return vss_value_at(snapshots, i);
        return NULL;
}

/* One after the other */

static void on_standing(void *userdata, const Failure *failure, vss_value *result);
static void finish(void *userdata);

static int begin(Import *import) {
        int r = catalog_query(import->manager, NULL, on_standing, import, &import->query);

        if (r >= 0)
                import->query->keep_providers = true;
        return r;
}

/* It has ended, and the next may begin, unless its session has gone meanwhile. */
static void leave_queue(Import *import) {
        Import *next = import->next;

        import->manager->imports = next;
        if (!next)
                return;
        if (next->done && begin(next) >= 0)
                return;
        failure_set(&next->failure, VSS_E_UNEXPECTED, "",
                    "The shadow copies cannot be imported: out of memory.");
        finish(next);
}

/* The end */

static void on_deleted(void *userdata, const Failure *failure, vss_value *result) {
        if (failure->code < 0 || vss_value_count(vss_value_get(result, "failed")) > 0)
                log_error("shadow copies that were imported for nobody cannot be deleted: %s",
                          vss_value_get_string(vss_value_at(vss_value_get(result, "failed"), 0), "reason",
                                               failure_message(failure)));
}

static void delete_for_nobody(Import *import) {
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        vss_value *ids = value_require(selection, "snapshots", VSS_KIND_LIST);

        for (size_t i = 0; i < vss_value_count(imported(import)); i++) {
                const vss_value *snapshot = vss_value_at(imported(import), i);

                if (!context_keeps((uint32_t)vss_value_get_integer(snapshot, "attributes", 0)))
                        (void)value_append_string(ids, vss_value_get_string(snapshot, "id", ""));
        }
        if (vss_value_count(ids) > 0 && catalog_delete(import->manager, selection, on_deleted, NULL) < 0)
                log_error("shadow copies that were imported for nobody cannot be deleted: out of memory");
}

static void finish(void *userdata) {
        Import *import = userdata;
        const vss_value *failed = vss_value_get(import->result, "failed");
        const vss_value *first = vss_value_at(failed, 0);
        size_t n = vss_value_count(imported(import));

        for (size_t i = 0; i < n; i++)
                event_send(import->manager, "shadow-copy-imported", vss_value_at(imported(import), i),
                           "shadow copy %s of %s was imported",
                           vss_value_get_string(vss_value_at(imported(import), i), "id", "?"),
                           vss_value_get_string(vss_value_at(imported(import), i), "volume", "?"));
        if (import->failure.code >= 0 && first)
                failure_set(&import->failure,
                            n > 0 ? VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED : VSS_E_NO_SNAPSHOTS_IMPORTED,
                            vss_value_get_string(first, "id", ""),
                            "%zu of %zu shadow copies were not imported: %s: %s", vss_value_count(failed),
                            vss_value_count(failed) + n, vss_value_get_string(first, "volume", ""),
                            vss_value_get_string(first, "reason", ""));
        if (import->done)
                import->done(import->userdata, &import->failure, import->result);
        else
                delete_for_nobody(import);
        leave_queue(import);
        import_free(import);
}

/* Device objects, once all providers have answered */

static void on_returned(void *userdata, const Failure *failure, vss_value *result) {
        Import *import = userdata;

        if (failure->code < 0)
                log_error("%s was imported, and cannot be seen: %s", failure_culprit(failure),
                          failure_message(failure));
        calls_drop(&import->calls);
}

static void attach_all(void *userdata) {
        Import *import = userdata;

        calls_begin(&import->calls, finish, import);
        for (size_t i = 0; i < vss_value_count(imported(import)); i++) {
                vss_value *snapshot = value_at_mutable(imported(import), i);
                Participant *provider = catalog_query_provider(import->query, snapshot);
                char device[256];

                mounts_device_object(vss_value_get_string(snapshot, "id", ""), device, sizeof(device));
                (void)vss_value_set_string(snapshot, "device-object", device);
                calls_hold(&import->calls);
                if (!provider ||
                    catalog_return(import->manager, provider, snapshot, on_returned, import) < 0) {
                        log_error("%s was imported, and cannot be seen",
                                  vss_value_get_string(snapshot, "id", ""));
                        calls_drop(&import->calls);
                }
        }
        calls_drop(&import->calls);
}

/* Providers */

static void on_provider(void *userdata, const CallAnswer *answer) {
        Import *import = userdata;
        _cleanup_value_ vss_value *result = NULL;
        int r = answer->result < 0 ? 0 : marshal_read_dict(answer->reply, &result);
        const vss_value *ids = vss_value_get(result, "imported");

        if (answer->late)
                participant_kill(answer->participant, answer->message);
        if (vss_value_count(ids) > 0)
                watch_begin(import->manager, answer->participant);
        for (size_t i = 0; i < vss_value_count(import->wanted); i++) {
                const vss_value *snapshot = vss_value_at(import->wanted, i);
                const char *id = vss_value_get_string(snapshot, "id", "");
                const vss_value *failed = find(vss_value_get(result, "failed"), id);

                if (strcmp(vss_value_get_string(snapshot, "provider", ""), answer->participant->name) != 0)
                        continue;
                if (value_contains(ids, id))
                        (void)vss_value_append(imported(import), vss_value_copy(snapshot));
                else
                        note_failed(import, snapshot,
                                    answer->result < 0 ? answer->message ?: vss_result_text(answer->result)
                                    : r < 0 ? "the answer of its provider cannot be read"
                                                       : vss_value_get_string(failed, "reason",
                                                                              "its provider did not say why"));
        }
}

static vss_value *part_of(const Import *import, const char *provider) {
        vss_value *set = vss_value_new_dict(), *list = value_require(set, "snapshots", VSS_KIND_LIST);

        for (size_t i = 0; i < vss_value_count(import->wanted); i++) {
                const vss_value *snapshot = vss_value_at(import->wanted, i);

                if (strcmp(vss_value_get_string(snapshot, "provider", ""), provider) == 0 &&
                    vss_value_append(list, vss_value_copy(snapshot)) < 0)
                        return vss_value_free(set);
        }
        return set;
}

static void call_provider(Import *import, Participant *provider) {
        _cleanup_value_ vss_value *part = part_of(import, provider->name);
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        if (vss_value_count(vss_value_get(part, "snapshots")) == 0)
                return;
        r = participant_message(provider, "ImportSnapshots", &m);
        if (r >= 0)
                r = marshal_append_dict(m, part);
        if (r >= 0)
                r = calls_add(&import->calls, provider, m, import->manager->settings.provider_usec,
                              on_provider, NULL);
        if (r < 0)
                failure_set_first(&import->failure, VSS_E_UNEXPECTED, provider->name,
                                  "%s cannot be called: %s", provider->name, strerror(-r));
}

/* One that stands here, whose it ever is, must not be taken for another. */
static void on_standing(void *userdata, const Failure *failure, vss_value *result) {
        Import *import = userdata;
        _cleanup_value_ vss_value *wanted = TAKE_PTR(import->wanted);

        import->wanted = vss_value_new_list();
        failure_copy(&import->failure, failure);
        for (size_t i = 0; failure->code >= 0 && i < vss_value_count(wanted); i++) {
                const vss_value *snapshot = vss_value_at(wanted, i);
                const vss_value *standing = find(vss_value_get(result, "snapshots"),
                                                 vss_value_get_string(snapshot, "id", ""));

                if (!catalog_query_provider(import->query, snapshot))
                        note_failed(import, snapshot, "its provider is not here; see vss list providers");
                else if (standing &&
                         !(vss_value_get_integer(standing, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED))
                        note_failed(import, snapshot, "it has been imported already");
                else if (vss_value_append(import->wanted, vss_value_copy(snapshot)) < 0)
                        failure_set_first(&import->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        }
        if (import->failure.code < 0) {
                finish(import);
                return;
        }
        calls_begin(&import->calls, attach_all, import);
        for (size_t i = 0; i < import->query->providers.n_participants; i++)
                call_provider(import, import->query->providers.participants[i]);
        calls_drop(&import->calls);
}

/* What the copy is to be from now on. */
static vss_value *describe(Import *import, const vss_value *snapshot) {
        static const char *const kept[] = { "id", "set", "provider", "volume", "below", "luns" };
        const uint32_t ours = VSS_VOLSNAP_ATTR_NOT_SURFACED | VSS_VOLSNAP_ATTR_EXPOSED_LOCALLY |
                              VSS_VOLSNAP_ATTR_EXPOSED_REMOTELY;
        Manager *manager = import->manager;
        uint32_t attributes = (uint32_t)vss_value_get_integer(snapshot, "attributes", 0);
        vss_value *now = vss_value_new_dict();

        FOREACH_ELEMENT (key, kept)
                if (vss_value_get(snapshot, *key))
                        (void)vss_value_set(now, *key, vss_value_copy(vss_value_get(snapshot, *key)));
        (void)vss_value_set_integer(now, "context", vss_value_get_integer(snapshot, "context", 0));
        (void)vss_value_set_integer(now, "attributes", (attributes & ~ours) | VSS_VOLSNAP_ATTR_IMPORTED);
        (void)vss_value_set_integer(now, "sequence", (int64_t)++manager->last_sequence);
        (void)vss_value_set_integer(now, "created", vss_value_get_integer(snapshot, "created-usec", 0));
        (void)vss_value_set_string(now, "origin", vss_value_get_string(snapshot, "host", ""));
        (void)vss_value_set_string(now, "host", manager->host);
        (void)vss_value_set_string(now, "boot", manager->boot);
        (void)vss_value_set_string(now, "service", manager->instance);
        return vss_value_set_string(now, "session", import->session_id) < 0 ? vss_value_free(now) : now;
}

/* Requesters will look below the device object for what the document says. */
static bool names_places(const vss_value *snapshot) {
        const char *below = vss_value_get_string(snapshot, "below", "");
        char rooted[4096];

        return path_is_normal(vss_value_get_string(snapshot, "volume", "")) &&
               (size_t)snprintf(rooted, sizeof(rooted), "/%s", below) < sizeof(rooted) &&
               path_is_normal(rooted);
}

/* Two file systems of one identity on one machine: as long as the original is mounted, nobody can tell them
 * apart. Those that want to have them exchanged take the original away first. */
static bool is_beside_original(const Import *import, const vss_value *snapshot) {
        struct libmnt_table *table;
        bool mounted;

        if (strcmp(vss_value_get_string(snapshot, "host", ""), import->manager->host) != 0)
                return false;
        table = mnt_new_table_from_file("/proc/self/mountinfo");
        mounted = table && mnt_table_find_target(table, vss_value_get_string(snapshot, "volume", ""),
                                                 MNT_ITER_BACKWARD);
        mnt_unref_table(table);
        return mounted;
}

static int take_wanted(Import *import, const vss_value *document) {
        const vss_value *snapshots = vss_value_get(document, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                if (!is_transportable(snapshot))
                        note_failed(import, snapshot, "the document does not say where it is");
                else if (!id_is_valid(vss_value_get_string(snapshot, "id", "")) ||
                         !id_is_valid(vss_value_get_string(snapshot, "set", "")) ||
                         find(import->wanted, vss_value_get_string(snapshot, "id", "")))
                        note_failed(import, snapshot,
                                    "its identity is not one, or that of another one, too");
                else if (!names_places(snapshot))
                        note_failed(import, snapshot, "what it is a copy of is no path");
                else if (is_beside_original(import, snapshot))
                        note_failed(
                                import, snapshot,
                                "it was made on this machine, where its original is mounted: import it on "
                                "another one, or unmount the original and hide its LUN first");
                else if (vss_value_append(import->wanted, describe(import, snapshot)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int import_start(Manager *manager, const char *session_id, const vss_value *document, CatalogDone done,
                 void *userdata, Import **ret_import) {
        Import *import = calloc(1, sizeof(*import)), **last;
        int r = -ENOMEM;

        if (!import)
                return r;
        *import = (Import){ .manager = manager,
                            .done = done,
                            .userdata = userdata,
                            .wanted = vss_value_new_list(),
                            .result = vss_value_new_dict() };
        (void)snprintf(import->session_id, sizeof(import->session_id), "%s", session_id);
        if (import->wanted && imported(import))
                r = take_wanted(import, document);
        if (r >= 0 && !manager->imports)
                r = begin(import);
        if (r < 0) {
                import_free(import);
                return r;
        }
        for (last = &manager->imports; *last; last = &(*last)->next)
                ;
        *last = import;
        *ret_import = import;
        return 0;
}
