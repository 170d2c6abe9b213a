/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is done with shadow copies beyond reading them: sets broken off, volumes reverted
 *
 * Each begins with a query of what stands, and goes on with calls to the providers concerned. None can be
 * cancelled.
 */

#include <string.h>
#include "bus/marshal.h"
#include "vssd/catalog-internal.h"
#include "vssd/event.h"
#include "vssd/log.h"
#include "vssd/storage.h"
#include "vssd/volume.h"
#include "vssd/worker.h"

typedef struct Work {
        Manager *manager;
        CatalogDone done;
        void *userdata;
        CatalogQuery *query;
        Calls calls;
        char subject[4096]; /* the set, shadow copy or volume */
        uint32_t flags;
        vss_value *snapshots; /* those concerned */
        size_t next;
        vss_value *result;
        Failure failure;
} Work;

static Work *work_free(Work *work) {
        if (!work)
                return NULL;
        catalog_query_cancel(work->query);
        calls_cancel(&work->calls);
        vss_value_free(work->snapshots);
        vss_value_free(work->result);
        failure_clear(&work->failure);
        free(work);
        return NULL;
}

static void work_done(void *userdata) {
        Work *work = userdata;

        work->done(work->userdata, &work->failure, work->result);
        work_free(work);
}

static Work *work_new(Manager *manager, const char *subject, uint32_t flags, CatalogDone done,
                      void *userdata) {
        Work *work = calloc(1, sizeof(*work));

        if (!work)
                return NULL;
        *work = (Work){ .manager = manager,
                        .done = done,
                        .userdata = userdata,
                        .flags = flags,
                        .snapshots = vss_value_new_list(),
                        .result = vss_value_new_dict() };
        (void)snprintf(work->subject, sizeof(work->subject), "%s", subject);
        return work->snapshots && work->result ? work : work_free(work);
}

/* Begins with the shadow copies whose @key is @subject; NULL: with all. */
static int work_start(Manager *manager, const char *key, const char *subject, uint32_t flags,
                      CatalogDone found, CatalogDone done, void *userdata) {
        _cleanup_value_ vss_value *filter = vss_value_new_dict();
        Work *work = work_new(manager, subject, flags, done, userdata);
        int r = work && (!key || vss_value_set_string(filter, key, subject) >= 0)
                        ? catalog_query(manager, filter, found, work, &work->query)
                        : -ENOMEM;

        if (r < 0)
                work_free(work);
        else
                work->query->keep_providers = true;
        return r;
}

/* Nothing was found: there is none, or who has it did not answer. */
static void not_found(Work *work, const Failure *failure, const vss_value *result, const char *what) {
        if (failure->code < 0)
                failure_copy(&work->failure, failure);
        else if (catalog_query_is_incomplete(work->query, result))
                failure_set(
                        &work->failure, VSS_E_UNEXPECTED_PROVIDER_ERROR, work->subject,
                        "There may be a %s %s, but not all providers have answered. See vss list providers.",
                        what, work->subject);
        else
                failure_set(&work->failure, VSS_E_OBJECT_NOT_FOUND, work->subject,
                            "There is no %s %s. See vss list shadows.", what, work->subject);
}

static bool is_hardware(const Participant *provider) {
        return vss_value_get_integer(provider->info, "type", VSS_PROV_UNKNOWN) == VSS_PROV_HARDWARE;
}

/* Is @index the first copy of its provider? It gets one call for all of them. */
static bool is_first(const Work *work, size_t index) {
        const char *provider = vss_value_get_string(vss_value_at(work->snapshots, index), "provider", "");

        for (size_t i = 0; i < index; i++)
                if (strcmp(vss_value_get_string(vss_value_at(work->snapshots, i), "provider", ""),
                           provider) == 0)
                        return false;
        return true;
}

static void note_failure(Work *work, const CallAnswer *answer) {
        if (answer->late)
                participant_kill(answer->participant, answer->message);
        failure_set_first(&work->failure, answer->result, answer->participant->name, "%s",
                          answer->message ?: vss_result_text(answer->result));
}

/* BreakSnapshotSet: out of sight first, since what is done to a LUN may change what is mounted of it. */

static void break_next(Work *work);

static void on_broken(void *userdata, const CallAnswer *answer) {
        if (answer->result < 0)
                note_failure(userdata, answer);
}

/* It failed: what still stands is given back. */
static void on_all_broken(void *userdata) {
        Work *work = userdata;

        for (size_t i = 0; i < vss_value_count(work->snapshots); i++) {
                const vss_value *snapshot = vss_value_at(work->snapshots, i);
                const char *exposed = vss_value_get_string(snapshot, "exposed", "");
                const char *id = vss_value_get_string(snapshot, "id", "");

                if (work->failure.code >= 0) {
                        (void)value_append_string(value_require(work->result, "volumes", VSS_KIND_LIST),
                                                  vss_value_get_string(snapshot, "volume", ""));
                        continue;
                }
                if (*exposed)
                        (void)vss_value_set_string(work->manager->catalog->wanted, id, exposed);
        }
        if (work->failure.code < 0) {
                /* Whoever deletes them next finds them as they were. */
                catalog_return_set(work->manager, work->subject, work_done, work);
                return;
        }
        event_send(work->manager, "set-broken", NULL,
                   "set %s was broken off; its shadow copies are plain volumes now", work->subject);
        work_done(work);
}

static void call_break(Work *work) {
        calls_begin(&work->calls, on_all_broken, work);
        for (size_t i = 0; i < vss_value_count(work->snapshots); i++) {
                Participant *provider = catalog_query_provider(work->query,
                                                               vss_value_at(work->snapshots, i));
                _cleanup_message_ sd_bus_message *m = NULL;
                int r;

                if (!is_first(work, i))
                        continue;
                r = participant_message(provider, "BreakSnapshotSet", &m);
                if (r >= 0)
                        r = sd_bus_message_append(m, "su", work->subject, work->flags);
                if (r >= 0)
                        r = calls_add(&work->calls, provider, m, work->manager->settings.provider_usec,
                                      on_broken, NULL);
                if (r < 0)
                        failure_set_first(&work->failure, VSS_E_UNEXPECTED, provider->name,
                                          "%s cannot be called: %s", provider->name, strerror(-r));
        }
        calls_drop(&work->calls);
}

static void on_break_detached(void *userdata, const Failure *failure, vss_value *result) {
        Work *work = userdata;

        if (failure->code < 0)
                log_warning("%s", failure_message(failure));
        work->next++;
        break_next(work);
}

static void on_break_unexposed(void *userdata, const Failure *failure, vss_value *result) {
        Work *work = userdata;
        const vss_value *snapshot = vss_value_at(work->snapshots, work->next);
        Failure none = { 0 };

        if (catalog_detach(work->manager, vss_value_get_string(snapshot, "id", ""), on_break_detached,
                           work) < 0)
                on_break_detached(work, &none, NULL);
}

static void break_next(Work *work) {
        const vss_value *snapshot = vss_value_at(work->snapshots, work->next);
        Failure none = { 0 };

        if (!snapshot)
                call_break(work);
        else if (catalog_unexpose(work->manager, vss_value_get_string(snapshot, "id", ""),
                                  on_break_unexposed, work) < 0)
                on_break_unexposed(work, &none, NULL);
}

static void check_break(Work *work, const vss_value *snapshot) {
        const Participant *provider = catalog_query_provider(work->query, snapshot);
        const char *id = vss_value_get_string(snapshot, "id", "");

        if (!provider || !is_hardware(provider))
                failure_set_first(
                        &work->failure, VSS_E_PROVIDER_VETO, vss_value_get_string(snapshot, "provider", ""),
                        "Shadow copy %s is of %s, which is no hardware provider: it has no LUN of its own "
                        "that could be a plain volume.",
                        id, vss_value_get_string(snapshot, "provider", "?"));
        else if (vss_value_get_integer(snapshot, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED)
                failure_set_first(&work->failure, VSS_E_OBJECT_NOT_FOUND, id,
                                  "Shadow copy %s is for another machine, and has not been imported here.",
                                  id);
}

static void on_break_found(void *userdata, const Failure *failure, vss_value *result) {
        Work *work = userdata;
        const vss_value *snapshots = vss_value_get(result, "snapshots");

        if (failure->code < 0 || vss_value_count(snapshots) == 0)
                not_found(work, failure, result, "set");
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                check_break(work, vss_value_at(snapshots, i));
                (void)vss_value_append(work->snapshots, vss_value_copy(vss_value_at(snapshots, i)));
        }
        if (work->failure.code < 0)
                work_done(work);
        else
                break_next(work);
}

int storage_break(Manager *manager, const char *set, uint32_t flags, CatalogDone done, void *userdata) {
        return work_start(manager, "set", set, flags, on_break_found, done, userdata);
}

/* RevertToSnapshot */

static void on_newer_deleted(void *userdata, const Failure *failure, vss_value *result) {
        Work *work = userdata;

        (void)vss_value_set(work->result, "deleted", vss_value_copy(vss_value_get(result, "deleted")));
        (void)vss_value_set(work->result, "failed", vss_value_copy(vss_value_get(result, "failed")));
        work_done(work);
}

/* The volume goes back behind them: what they are copies of was never there. */
static void on_all_reverted(void *userdata) {
        Work *work = userdata;
        const vss_value *snapshot = vss_value_at(work->snapshots, 0);
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        vss_value *ids = value_require(selection, "snapshots", VSS_KIND_LIST);

        if (work->failure.code < 0) {
                work_done(work);
                return;
        }
        event_send(work->manager, "volume-reverted", snapshot, "%s is reverted to shadow copy %s",
                   vss_value_get_string(snapshot, "volume", "?"), work->subject);
        for (size_t i = 1; i < vss_value_count(work->snapshots); i++)
                (void)value_append_string(ids,
                                          vss_value_get_string(vss_value_at(work->snapshots, i), "id", ""));
        if (vss_value_count(ids) == 0 ||
            catalog_delete(work->manager, selection, on_newer_deleted, work) < 0)
                work_done(work);
}

static void on_reverted(void *userdata, const CallAnswer *answer) {
        if (answer->result < 0)
                note_failure(userdata, answer);
}

static int ask_status(Work *work, Participant *provider);

static void call_revert(void *userdata) {
        static const char *const of_before[] = { "in-progress", "percent", "snapshot", "provider" };
        Work *work = userdata;
        Participant *provider = catalog_query_provider(work->query, vss_value_at(work->snapshots, 0));
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        if (vss_value_get_boolean(work->result, "in-progress", false))
                failure_set_first(&work->failure, VSS_E_REVERT_IN_PROGRESS, provider->name,
                                  "%s is being reverted already.",
                                  vss_value_get_string(work->result, "volume", ""));
        else if (!value_contains(vss_value_get(provider->info, "capabilities"), "revert-to-snapshot"))
                failure_set_first(&work->failure, VSS_E_NOT_SUPPORTED, provider->name,
                                  "%s does not revert volumes: copy back what you need from shadow copy %s, "
                                  "or see what the manual page of the provider says of reverting.",
                                  provider->name, work->subject);
        if (work->failure.code < 0) {
                work_done(work);
                return;
        }
        FOREACH_ELEMENT (key, of_before)
                value_unset(work->result, *key);
        calls_begin(&work->calls, on_all_reverted, work);
        r = participant_message(provider, "RevertToSnapshot", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", work->subject, (int)(work->flags != 0));
        if (r >= 0)
                r = calls_add(&work->calls, provider, m, work->manager->settings.provider_usec, on_reverted,
                              NULL);
        if (r < 0)
                failure_set_first(&work->failure, VSS_E_UNEXPECTED, provider->name,
                                  "%s cannot be called: %s", provider->name, strerror(-r));
        calls_drop(&work->calls);
}

/* All copies are listed, to find the one, and the newer ones of its volume. */
static void on_revert_found(void *userdata, const Failure *failure, vss_value *result) {
        Work *work = userdata;
        const vss_value *all = vss_value_get(result, "snapshots"), *chosen = NULL;
        Participant *provider = NULL;
        const char *volume;

        for (size_t i = 0; i < vss_value_count(all) && !chosen; i++)
                if (strcasecmp(vss_value_get_string(vss_value_at(all, i), "id", ""), work->subject) == 0)
                        chosen = vss_value_at(all, i);
        if (failure->code < 0 || !chosen)
                not_found(work, failure, result, "shadow copy");
        else if (!(vss_value_get_integer(chosen, "context", 0) & VSS_VOLSNAP_ATTR_PERSISTENT))
                failure_set(
                        &work->failure, VSS_E_UNSUPPORTED_CONTEXT, work->subject,
                        "Shadow copy %s is not persistent, and may be gone before the volume is what it is. "
                        "Make one in the context app-rollback or nas-rollback.",
                        work->subject);
        else if (strcmp(vss_value_get_string(chosen, "host", ""), work->manager->host) != 0 ||
                 (vss_value_get_integer(chosen, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED))
                failure_set(&work->failure, VSS_E_OBJECT_NOT_FOUND, work->subject,
                            "Shadow copy %s is of, or for, another machine.", work->subject);
        else
                provider = catalog_query_provider(work->query, chosen);
        if (chosen && work->failure.code >= 0 && !provider)
                failure_set(&work->failure, VSS_E_PROVIDER_NOT_REGISTERED, work->subject,
                            "Its provider is gone.");
        if (work->failure.code < 0) {
                work_done(work);
                return;
        }
        volume = vss_value_get_string(chosen, "volume", "");
        (void)snprintf(work->subject, sizeof(work->subject), "%s", vss_value_get_string(chosen, "id", ""));
        (void)vss_value_set_string(work->result, "volume", volume);
        (void)vss_value_append(work->snapshots, vss_value_copy(chosen));
        for (size_t i = 0; i < vss_value_count(all); i++) {
                const vss_value *other = vss_value_at(all, i);

                if (strcmp(vss_value_get_string(other, "volume", ""), volume) == 0 &&
                    strcmp(vss_value_get_string(other, "host", ""), work->manager->host) == 0 &&
                    vss_value_get_integer(other, "sequence", 0) >
                            vss_value_get_integer(chosen, "sequence", 0))
                        (void)vss_value_append(work->snapshots, vss_value_copy(other));
        }
        /* One at a time of each volume. */
        calls_begin(&work->calls, call_revert, work);
        (void)ask_status(work, provider);
        calls_drop(&work->calls);
}

int storage_revert(Manager *manager, const char *id, bool force, CatalogDone done, void *userdata) {
        return work_start(manager, NULL, id, force, on_revert_found, done, userdata);
}

/* QueryRevertStatus */

static void on_status(void *userdata, const CallAnswer *answer) {
        Work *work = userdata;
        _cleanup_value_ vss_value *status = NULL;

        if (answer->result == VSS_E_NOT_SUPPORTED)
                return;
        if (answer->result < 0 || marshal_read_dict(answer->reply, &status) < 0) {
                note_failure(work, answer);
                return;
        }
        /* Whoever has begun one knows of it; the others know of none. */
        if (vss_value_get_boolean(work->result, "in-progress", false))
                return;
        for (size_t i = 0; i < vss_value_count(status); i++)
                (void)vss_value_set(work->result, vss_value_key_at(status, i),
                                    vss_value_copy(vss_value_at(status, i)));
        (void)vss_value_set_boolean(work->result, "in-progress",
                                    vss_value_get_boolean(status, "in-progress", false));
        if (vss_value_get(status, "snapshot"))
                (void)vss_value_set_string(work->result, "provider", answer->participant->name);
}

static int ask_status(Work *work, Participant *provider) {
        _cleanup_value_ vss_value *volume = vss_value_new_dict();
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = participant_message(provider, "QueryRevertStatus", &m);

        if (r >= 0 &&
            vss_value_set_string(volume, "path", vss_value_get_string(work->result, "volume", "")) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = marshal_append_dict(m, volume);
        return r < 0 ? r
                     : calls_add(&work->calls, provider, m, work->manager->settings.provider_usec, on_status,
                                 NULL);
}

static void on_status_known(void *userdata) {
        Work *work = userdata;

        if (work->failure.code >= 0 && !vss_value_get(work->result, "in-progress"))
                failure_set(&work->failure, VSS_E_NOT_SUPPORTED, work->subject,
                            "No provider reverts volumes. See vss list providers.");
        work_done(work);
}

static void on_status_found(void *userdata, const Failure *failure, vss_value *result) {
        Work *work = userdata;

        failure_copy(&work->failure, failure);
        calls_begin(&work->calls, on_status_known, work);
        for (size_t i = 0; failure->code >= 0 && i < work->query->providers.n_participants; i++)
                if (ask_status(work, work->query->providers.participants[i]) < 0)
                        failure_set_first(&work->failure, VSS_E_UNEXPECTED, work->subject,
                                          "%s cannot be called.",
                                          work->query->providers.participants[i]->name);
        calls_drop(&work->calls);
}

static void on_status_path(void *userdata, int error, WorkerAnswer *answer) {
        Work *work = userdata;
        Failure failure = { .code = VSS_E_OUTOFMEMORY };

        /* A volume that is being reverted may be in nobody's reach; then it is what it was called. */
        (void)vss_value_set_string(work->result, "volume",
                                   error < 0 ? work->subject
                                             : vss_value_get_string(answer->value, "path", work->subject));
        if (catalog_query(work->manager, NULL, on_status_found, work, &work->query) >= 0) {
                work->query->keep_providers = true;
                return;
        }
        failure_copy(&work->failure, &failure);
        work_done(work);
}

int storage_revert_status(Manager *manager, const char *volume, CatalogDone done, void *userdata) {
        Work *work = work_new(manager, volume, 0, done, userdata);
        int r = work ? worker_start(manager, volume_find_main, work->subject, manager->settings.worker_usec,
                                    on_status_path, work, NULL)
                     : -ENOMEM;

        if (r < 0)
                work_free(work);
        return r;
}
