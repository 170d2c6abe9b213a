/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The catalog: deleting shadow copies, one after the other
 */

#include <string.h>
#include "bus/marshal.h"
#include "vssd/catalog-internal.h"
#include "vssd/event.h"
#include "vssd/log.h"
#include "vssd/losses.h"
#include "vssd/session.h"

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
        (void)losses_forget(deletion->manager, current_id(deletion));
        session_note_deleted(deletion->manager, current_id(deletion));
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
        Participant *provider = catalog_query_provider(deletion->query, snapshot);
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
                /* Of one that is lost already, deleting says that it is known. */
                if (!found && losses_forget(deletion->manager, id))
                        (void)value_append_string(value_require(deletion->result, "deleted", VSS_KIND_LIST),
                                                  id);
                else if (!found)
                        note_failed(deletion, id,
                                    incomplete ? VSS_E_UNEXPECTED_PROVIDER_ERROR : VSS_E_OBJECT_NOT_FOUND,
                                    incomplete ? "its provider did not answer"
                                               : "there is no such shadow copy");
        }
}

static bool matches_loss(const vss_value *selection, const vss_value *loss) {
        const char *volume = vss_value_get_string(selection, "volume", NULL);

        return vss_value_get_boolean(selection, "all", false) ||
               (volume && strcmp(volume, vss_value_get_string(loss, "volume", "")) == 0);
}

/* Whoever deletes all that there is has seen what there is not. */
static void forget_losses(Deletion *deletion, const vss_value *losses) {
        for (size_t i = 0; i < vss_value_count(losses); i++) {
                const vss_value *loss = vss_value_at(losses, i);
                const char *id = vss_value_get_string(loss, "id", "");

                if (matches_loss(deletion->selection, loss) && losses_forget(deletion->manager, id))
                        (void)value_append_string(value_require(deletion->result, "deleted", VSS_KIND_LIST),
                                                  id);
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
        forget_losses(deletion, vss_value_get(result, "losses"));
        note_unknown(deletion, catalog_query_is_incomplete(deletion->query, result));
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
