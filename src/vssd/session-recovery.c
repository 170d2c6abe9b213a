/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: AddSnapshotToRecoverySet, RecoverSet
 *
 * A resync copies whole LUNs back. So it is refused while a LUN holds a volume that nobody has chosen, and
 * there is one at a time on the machine. Once begun, it goes on without the session.
 */

#include <string.h>
#include "bus/marshal.h"
#include "vssd/catalog-internal.h"
#include "vssd/event.h"
#include "vssd/log.h"
#include "vssd/session.h"

enum { RECOVERY_MAX = VSS_VOLUMES_MAX };

static const vss_value *find(const vss_value *snapshots, const char *id) {
        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcasecmp(vss_value_get_string(vss_value_at(snapshots, i), "id", ""), id) == 0)
                        return vss_value_at(snapshots, i);
        return NULL;
}

/* AddSnapshotToRecoverySet: answered when it is known who has the copy */

struct Recovering {
        sd_bus_message *message;
        CatalogQuery *query;
        char id[VSS_ID_SIZE];
        char *destination;
};

static void answer_adding(Session *session, const Failure *failure) {
        struct Recovering *adding = TAKE_PTR(session->recovering);
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        session->facts = session_idle(session->facts);
        if (failure->code < 0) {
                (void)bus_error_setf(&error, failure->code, "%s", failure_message(failure));
                r = sd_bus_reply_method_error(adding->message, &error);
        } else {
                session->facts = session_after(SESSION_CALL_ADD_SNAPSHOT_TO_RECOVERY_SET, session->facts);
                r = sd_bus_reply_method_return(adding->message, "");
        }
        if (r < 0)
                log_warning("cannot answer AddSnapshotToRecoverySet: %s", strerror(-r));
        sd_bus_message_unref(adding->message);
        catalog_query_cancel(adding->query);
        free(adding->destination);
        free(adding);
}

void session_cancel_recovering(Session *session) {
        Failure failure = { 0 };

        if (!session->recovering)
                return;
        failure_set(&failure, VSS_E_BAD_STATE, "", "The session is over.");
        answer_adding(session, &failure);
        failure_clear(&failure);
}

static bool can_resync(const Participant *provider) {
        return value_contains(vss_value_get(provider->info, "capabilities"), "resync-snapshots");
}

static int remember(Session *session, const char *id, const char *destination) {
        vss_value *entry = vss_value_new_dict();

        if (!session->recovery)
                session->recovery = vss_value_new_list();
        (void)vss_value_set_string(entry, "id", id);
        (void)vss_value_set_string(entry, "destination", destination);
        return vss_value_append(session->recovery, entry) < 0 ? -ENOMEM : 0;
}

static void on_looked_up(void *userdata, const Failure *failure, vss_value *result) {
        Session *session = userdata;
        struct Recovering *adding = session->recovering;
        const vss_value *snapshot = find(vss_value_get(result, "snapshots"), adding->id);
        const Participant *provider = snapshot ? catalog_query_provider(adding->query, snapshot) : NULL;
        Failure refused = { 0 };

        if (failure->code < 0)
                failure_copy(&refused, failure);
        else if (!snapshot || !provider ||
                 (vss_value_get_integer(snapshot, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED))
                failure_set(&refused, VSS_E_OBJECT_NOT_FOUND, adding->id,
                            "Shadow copy %s is not on this machine. A transportable one has to be imported "
                            "first.",
                            adding->id);
        else if (!can_resync(provider))
                failure_set(&refused, VSS_E_LEGACY_PROVIDER, provider->name,
                            "%s cannot write shadow copies back. See vss list providers.", provider->name);
        else if (remember(session, adding->id, adding->destination) < 0)
                failure_set(&refused, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        answer_adding(session, &refused);
        failure_clear(&refused);
}

/* Why it cannot be added, before anybody is asked. */
static int check(Session *session, const char *id, uint32_t flags, const char *destination,
                 sd_bus_error *error) {
        if (flags != 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "There are no flags yet; 0x%x must be 0.",
                                      flags);
        if (*destination && *destination != '/')
                return bus_error_setf(error, VSS_E_INVALIDARG, "%s is no volume: a path is absolute.",
                                      destination);
        if (session->manager->resyncing)
                return bus_error_setf(error, VSS_E_RESYNC_IN_PROGRESS,
                                      "Volumes are being resynced already.");
        if (!find(vss_value_get(session->document, "snapshots"), id) &&
            !set_find_snapshot(&session->set, id))
                return bus_error_setf(error, VSS_E_SNAPSHOT_NOT_IN_SET,
                                      "Shadow copy %s is not in the set of this session.", id);
        if (find(session->recovery, id))
                return bus_error_setf(error, VSS_E_OBJECT_ALREADY_EXISTS,
                                      "Shadow copy %s has been added already.", id);
        if (vss_value_count(session->recovery) >= RECOVERY_MAX)
                return bus_error_setf(error, VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED,
                                      "%d shadow copies have been added already.", RECOVERY_MAX);
        return 0;
}

int session_add_to_recovery_set(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *filter = vss_value_new_dict();
        const char *id, *destination;
        struct Recovering *adding;
        uint32_t flags;
        int r = sd_bus_message_read(m, "sus", &id, &flags, &destination);

        if (r >= 0)
                r = check(session, id, flags, destination, error);
        if (r < 0 || sd_bus_error_is_set(error))
                return r;
        adding = calloc(1, sizeof(*adding));
        if (!adding)
                return -ENOMEM;
        *adding = (struct Recovering){ .destination = strdup(destination) };
        (void)snprintf(adding->id, sizeof(adding->id), "%s", id);
        r = adding->destination && vss_value_set_string(filter, "snapshot", id) >= 0
                    ? catalog_query(session->manager, filter, on_looked_up, session, &adding->query)
                    : -ENOMEM;
        if (r < 0) {
                free(adding->destination);
                free(adding);
                return r;
        }
        adding->query->keep_providers = true;
        adding->message = sd_bus_message_ref(m);
        session->recovering = adding;
        session->facts = session_busy(session->facts, SESSION_CALL_ADD_SNAPSHOT_TO_RECOVERY_SET);
        return 0;
}

/* RecoverSet */

struct Resync {
        Manager *manager;
        Session *session; /* NULL once it has gone */
        vss_value *recovery;
        uint32_t flags;
        CatalogQuery *query;
        Calls calls;
        vss_value *snapshots; /* as they stand, all of them */
        Failure failure;
};

static void resync_free(struct Resync *resync) {
        resync->manager->resyncing = false;
        catalog_query_cancel(resync->query);
        calls_cancel(&resync->calls);
        vss_value_free(resync->recovery);
        vss_value_free(resync->snapshots);
        failure_clear(&resync->failure);
        free(resync);
}

void session_abandon_resync(Session *session) {
        struct Resync *resync = TAKE_PTR(session->resync);

        if (resync)
                resync->session = NULL;
}

static void resync_done(void *userdata) {
        struct Resync *resync = userdata;
        Session *session = resync->session;

        for (size_t i = 0; resync->failure.code >= 0 && i < vss_value_count(resync->recovery); i++) {
                const vss_value *entry = vss_value_at(resync->recovery, i);
                const char *destination = vss_value_get_string(entry, "destination", "");
                const vss_value *snapshot = find(resync->snapshots, vss_value_get_string(entry, "id", ""));

                event_send(resync->manager, "volume-resynced", snapshot,
                           "%s is resynced from shadow copy %s",
                           *destination ? destination : vss_value_get_string(snapshot, "volume", "?"),
                           vss_value_get_string(entry, "id", ""));
        }
        if (resync->failure.code < 0 && !session)
                log_error("%s: %s", failure_culprit(&resync->failure), failure_message(&resync->failure));
        if (session) {
                session->resync = NULL;
                if (resync->failure.code >= 0)
                        session->recovery = vss_value_free(session->recovery);
                session_end_job(session, &resync->failure, NULL);
        }
        resync_free(resync);
}

static bool share_lun(const vss_value *one, const vss_value *other) {
        const vss_value *a = vss_value_get(one, "luns"), *b = vss_value_get(other, "luns");

        for (size_t i = 0; i < vss_value_count(a); i++)
                for (size_t k = 0; k < vss_value_count(b); k++) {
                        const vss_value *of_a = vss_value_get(vss_value_at(a, i), "source");
                        const vss_value *of_b = vss_value_get(vss_value_at(b, k), "source");
                        const char *id = vss_value_get_string(of_a, "id", "");

                        if (*id && strcmp(id, vss_value_get_string(of_b, "id", "")) == 0)
                                return true;
                }
        return false;
}

/* The copies of one set on one LUN are written back together. Providers see to what the service cannot know.
 */
static void check_luns(struct Resync *resync, const vss_value *snapshot) {
        for (size_t i = 0; i < vss_value_count(resync->snapshots); i++) {
                const vss_value *other = vss_value_at(resync->snapshots, i);

                if (strcmp(vss_value_get_string(other, "set", ""),
                           vss_value_get_string(snapshot, "set", "")) == 0 &&
                    share_lun(snapshot, other) &&
                    !find(resync->recovery, vss_value_get_string(other, "id", "")))
                        failure_set_first(
                                &resync->failure, VSS_E_UNSELECTED_VOLUME,
                                vss_value_get_string(other, "volume", ""),
                                "%s lies on the same LUN as %s, and would be written over. Add its shadow "
                                "copy %s, or say that volumes are not to be checked.",
                                vss_value_get_string(other, "volume", "?"),
                                vss_value_get_string(snapshot, "volume", "?"),
                                vss_value_get_string(other, "id", ""));
        }
}

static void on_resynced(void *userdata, const CallAnswer *answer) {
        struct Resync *resync = userdata;

        if (answer->late)
                participant_kill(answer->participant, answer->message);
        if (answer->result < 0)
                failure_set_first(&resync->failure, answer->result, answer->participant->name, "%s",
                                  answer->message ?: vss_result_text(answer->result));
}

/* One call, for all of its copies. */
static int call_provider(struct Resync *resync, Participant *provider) {
        _cleanup_value_ vss_value *request = vss_value_new_dict();
        vss_value *list = value_require(request, "snapshots", VSS_KIND_LIST);
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        for (size_t i = 0; i < vss_value_count(resync->recovery); i++) {
                const vss_value *entry = vss_value_at(resync->recovery, i);
                const vss_value *snapshot = find(resync->snapshots, vss_value_get_string(entry, "id", ""));

                if (catalog_query_provider(resync->query, snapshot) == provider &&
                    vss_value_append(list, vss_value_copy(entry)) < 0)
                        return -ENOMEM;
        }
        if (vss_value_count(list) == 0)
                return 0;
        r = vss_value_set_integer(request, "flags", resync->flags) < 0
                    ? -ENOMEM
                    : participant_message(provider, "ResyncSnapshots", &m);
        if (r >= 0)
                r = marshal_append_dict(m, request);
        return r < 0 ? r
                     : calls_add(&resync->calls, provider, m, resync->manager->settings.provider_usec,
                                 on_resynced, NULL);
}

static void on_found(void *userdata, const Failure *failure, vss_value *result) {
        struct Resync *resync = userdata;

        failure_copy(&resync->failure, failure);
        resync->snapshots = vss_value_copy(vss_value_get(result, "snapshots"));
        for (size_t i = 0; resync->failure.code >= 0 && i < vss_value_count(resync->recovery); i++) {
                const char *id = vss_value_get_string(vss_value_at(resync->recovery, i), "id", "");
                const vss_value *snapshot = find(resync->snapshots, id);

                if (!snapshot || !catalog_query_provider(resync->query, snapshot))
                        failure_set(&resync->failure, VSS_E_OBJECT_NOT_FOUND, id,
                                    "Shadow copy %s is there no more, or its provider.", id);
                else if (!(resync->flags & VSS_RECOVERY_NO_VOLUME_CHECK))
                        check_luns(resync, snapshot);
        }
        calls_begin(&resync->calls, resync_done, resync);
        for (size_t i = 0; resync->failure.code >= 0 && i < resync->query->providers.n_participants; i++)
                if (call_provider(resync, resync->query->providers.participants[i]) < 0)
                        failure_set_first(&resync->failure, VSS_E_UNEXPECTED, "",
                                          "A provider cannot be called.");
        calls_drop(&resync->calls);
}

int session_recover_set(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const uint32_t known = VSS_RECOVERY_REVERT_IDENTITY_ALL | VSS_RECOVERY_NO_VOLUME_CHECK;
        Manager *manager = session->manager;
        struct Resync *resync;
        uint32_t flags;
        int r = sd_bus_message_read(m, "u", &flags);

        if (r < 0)
                return r;
        if (flags & ~known)
                return bus_error_setf(
                        error, VSS_E_INVALIDARG,
                        "Flags 0x%x are not known: 0x100 gives the original identities, 0x200 leaves "
                        "volumes unchecked.",
                        flags);
        if (manager->resyncing)
                return bus_error_setf(error, VSS_E_RESYNC_IN_PROGRESS,
                                      "Volumes are being resynced already.");
        resync = calloc(1, sizeof(*resync));
        if (!resync)
                return -ENOMEM;
        *resync = (struct Resync){ .manager = manager,
                                   .session = session,
                                   .recovery = vss_value_copy(session->recovery),
                                   .flags = flags };
        r = resync->recovery ? catalog_query(manager, NULL, on_found, resync, &resync->query) : -ENOMEM;
        if (r >= 0) {
                resync->query->keep_providers = true;
                r = session_begin_job(session, m, SESSION_CALL_RECOVER_SET);
        }
        if (r < 0) {
                resync_free(resync);
                return r;
        }
        session->resync = resync;
        manager->resyncing = true;
        return 0;
}
