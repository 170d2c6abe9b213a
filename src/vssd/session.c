/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: their life
 *
 * What a session holds ends with its owner's connection or its lease, whichever it was made with. Its calls
 * are in session-calls.c and the files named there.
 */

#include <inttypes.h>
#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "model/context.h"
#include "model/id.h"
#include "util/clock.h"
#include "util/utf8.h"
#include "vssd/catalog.h"
#include "vssd/door.h"
#include "vssd/farewell.h"
#include "vssd/log.h"
#include "vssd/session.h"

#define LEASE_SECONDS_MAX (7u * 24 * 3600)
#define WAIT_SECONDS_MAX 3600

static Session *session_free(Session *session) {
        if (!session)
                return NULL;
        if (session->previous)
                session->previous->next = session->next;
        else if (session->manager->sessions == session)
                session->manager->sessions = session->next;
        if (session->next)
                session->next->previous = session->previous;
        if (session->path[0])
                session->manager->n_sessions--;
        session_release_turn(session);
        session_cancel_work(session);
        session_cancel_saving(session);
        sd_bus_slot_unref(session->slot);
        sd_bus_slot_unref(session->watch);
        sd_event_source_disable_unref(session->lease);
        sd_event_source_disable_unref(session->delete_again);
        set_clear(&session->set);
        vss_value_free(session->enabled);
        vss_value_free(session->disabled);
        vss_value_free(session->disabled_instances);
        vss_value_free(session->wanted);
        vss_value_free(session->document);
        vss_value_free(session->descriptors);
        vss_value_free(session->dropped);
        vss_value_free(session->left_out);
        vss_value_free(session->result);
        failure_clear(&session->outcome);
        vss_value_free(session->standing);
        vss_value_free(session->imported);
        vss_value_free(session->recovery);
        sd_bus_message_unref(session->releasing);
        free(session->label);
        free(session->owner);
        free(session);
        return NULL;
}

DEFINE_CLEANUP(Session *, session_free)

static int on_lease_over(sd_event_source *source, uint64_t usec, void *userdata) {
        Session *session = userdata;

        log_warning("the lease of session %s is over", session->id);
        session_close(session);
        return 0;
}

int session_renew(Session *session, uint32_t seconds) {
        int r;

        session->lease = sd_event_source_disable_unref(session->lease);
        r = sd_event_add_time_relative(session->manager->event, &session->lease, CLOCK_MONOTONIC,
                                       seconds * USEC_PER_SEC, 100 * USEC_PER_MSEC, on_lease_over, session);
        if (r >= 0)
                session->lease_usec = now_usec() + seconds * USEC_PER_SEC;
        return r;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Session *session = userdata;
        const char *name, *from, *to;

        if (sd_bus_message_read(m, "sss", &name, &from, &to) < 0 || *to || !session->owner ||
            strcmp(name, session->owner) != 0)
                return 0;
        free(TAKE_PTR(session->owner));
        if (session->lease)
                return 0;
        log_info("the requester of session %s left; the session ends", session->id);
        session_close(session);
        return 0;
}

static int own(Session *session, sd_bus_message *m) {
        char match[256];
        char *owner = strdup(sd_bus_message_get_sender(m));
        uid_t uid;
        int r;

        if (!owner)
                return -ENOMEM;
        free(session->owner);
        session->owner = owner;
        session->watch = sd_bus_slot_unref(session->watch);
        (void)snprintf(match, sizeof(match),
                       "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                       "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                       owner);
        r = sd_bus_add_match_async(session->manager->bus, &session->watch, match, on_owner_changed, NULL,
                                   session);
        if (r < 0)
                return r;
        session->set.requester = session->pid = door_sender_pid(m);
        /* Asked behind the match: whoever leaves is noticed, by the signal or by there being no answer. */
        r = door_sender_uid(m, &uid);
        if (r < 0)
                free(TAKE_PTR(session->owner));
        return r;
}

/* An option of the wrong type must not pass for one that was not given. */
static const char *find_misfit(const vss_value *options) {
        static const struct {
                const char *name;
                enum vss_kind kind;
        } known[] = {
                { "lease", VSS_KIND_INTEGER },
                { "wait", VSS_KIND_INTEGER },
                { "require", VSS_KIND_STRING },
                { "label", VSS_KIND_STRING },
        };

        FOREACH_ELEMENT (option, known) {
                const vss_value *value = vss_value_get(options, option->name);

                if (value && vss_value_kind(value) != option->kind)
                        return option->name;
        }
        return NULL;
}

static int read_options(Session *session, const vss_value *options, uint32_t *ret_lease,
                        sd_bus_error *error) {
        int64_t lease = vss_value_get_integer(options, "lease", 0);
        int64_t wait = vss_value_get_integer(options, "wait", 0);
        const char *require = vss_value_get_string(options, "require", "none");
        const char *misfit = find_misfit(options);

        if (misfit)
                return bus_error_setf(error, VSS_E_INVALIDARG, "The option %s has the wrong type.", misfit);
        if (lease < 0 || lease > LEASE_SECONDS_MAX || wait < 0 || wait > WAIT_SECONDS_MAX)
                return bus_error_setf(error, VSS_E_INVALIDARG,
                                      "A lease is %u seconds at most, and a wait %d.", LEASE_SECONDS_MAX,
                                      WAIT_SECONDS_MAX);
        if (vss_level_from_name(require, &session->require) < 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "\"%s\" is no level.", require);
        session->wait_usec = (uint64_t)wait * USEC_PER_SEC;
        session->label = text_make_utf8(strndup(vss_value_get_string(options, "label", ""), 128));
        *ret_lease = (uint32_t)lease;
        return session->label ? 0 : -ENOMEM;
}

int session_create(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(session_freep) Session *session = NULL;
        _cleanup_value_ vss_value *options = NULL;
        uint32_t lease = 0;
        int r;

        r = marshal_read_dict(m, &options);
        if (r < 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "The options cannot be read.");
        if (manager->n_sessions >= manager->settings.sessions_max)
                return bus_error_setf(
                        error, VSS_E_MAXIMUM_NUMBER_OF_SETS_REACHED,
                        "There are %lu sessions already, and no more are allowed (MaximumSessions). "
                        "See vss list sessions.",
                        manager->settings.sessions_max);
        session = calloc(1, sizeof(*session));
        if (!session)
                return -ENOMEM;
        *session = (Session){ .manager = manager,
                              .set = { .manager = manager, .backup_type = VSS_BT_COPY },
                              .created_usec = now_usec(),
                              .began_usec = clock_usec(CLOCK_REALTIME),
                              .left_out = vss_value_new_list() };
        r = read_options(session, options, &lease, error);
        if (r >= 0 && !sd_bus_error_is_set(error))
                r = id_new(session->id);
        if (r >= 0 && lease > 0)
                r = id_new(session->token);
        if (r >= 0)
                r = door_sender_uid(m, &session->uid);
        if (r >= 0)
                r = own(session, m);
        if (r >= 0 && lease > 0)
                r = session_renew(session, lease);
        if (r < 0 || sd_bus_error_is_set(error))
                return r;

        session->next = manager->sessions;
        if (session->next)
                session->next->previous = session;
        manager->sessions = session;
        manager->n_sessions++;
        (void)snprintf(session->path, sizeof(session->path), BUS_PATH_SESSION "/%" PRIu64,
                       ++manager->last_session);
        r = sd_bus_add_object_vtable(manager->bus, &session->slot, session->path, BUS_SESSION,
                                     session_vtable, session);
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "oss", session->path, session->id, session->token);
        if (r >= 0)
                (void)TAKE_PTR(session);
        return r;
}

Session *session_find(Manager *manager, const char *id) {
        for (Session *session = manager->sessions; session; session = session->next)
                if (strcasecmp(session->id, id) == 0)
                        return session;
        return NULL;
}

Session *session_find_token(Manager *manager, const char *token) {
        for (Session *session = manager->sessions; session; session = session->next)
                if (*session->token && !session->closing && strcmp(session->token, token) == 0)
                        return session;
        return NULL;
}

int session_adopt(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Session *session;
        const char *token;
        uid_t uid;
        int r = sd_bus_message_read(m, "s", &token);

        if (r >= 0)
                r = door_sender_uid(m, &uid);
        if (r < 0)
                return r;
        session = session_find_token(manager, token);
        if (!session || session->uid != uid)
                return bus_error_setf(
                        error, VSS_E_OBJECT_NOT_FOUND,
                        "No leased session has this token: it is wrong, of another user, or the lease "
                        "is over.");
        r = own(session, m);
        return r < 0 ? r : sd_bus_reply_method_return(m, "os", session->path, session->id);
}

vss_value *session_describe(const Session *session) {
        vss_value *value = vss_value_new_dict();
        uint64_t now = now_usec();

        (void)vss_value_set_string(value, "id", session->id);
        (void)vss_value_set_string(value, "label", session->label);
        (void)vss_value_set_integer(value, "owner", session->uid);
        (void)vss_value_set_integer(value, "pid", session->pid);
        (void)vss_value_set_string(value, "state", session_state_name(session->facts));
        (void)vss_value_set_string(value, "set", session->set.id);
        (void)vss_value_set_boolean(value, "creating", session->manager->creating == session);
        (void)vss_value_set_integer(value, "age-usec", (int64_t)(now - session->created_usec));
        (void)vss_value_set_integer(
                value, "lease-usec",
                session->lease && session->lease_usec > now ? (int64_t)(session->lease_usec - now) : 0);
        return value;
}

/* The end of a session */

static void close_done(Session *session) {
        if (session->releasing && sd_bus_reply_method_return(session->releasing, "") < 0)
                log_warning("cannot answer Release");
        session->releasing = sd_bus_message_unref(session->releasing);
        job_done(TAKE_PTR(session->close_job), NULL, NULL);
}

/* A provider that died or hung is tried again, later and later: nobody else will delete what was made for
 * this session alone. The requester does not wait for that. */
#define DELETE_TRIES 6u
#define DELETE_RETRY_USEC (500 * USEC_PER_MSEC)

static void delete_copies(Session *session);

static int on_delete_again(sd_event_source *source, uint64_t usec, void *userdata) {
        delete_copies(userdata);
        return 0;
}

static void on_deleted(void *userdata, const Failure *failure, vss_value *result) {
        Session *session = userdata;
        const vss_value *failed = vss_value_get(result, "failed");
        bool again = failure->code < 0;

        for (size_t i = 0; i < vss_value_count(failed); i++) {
                const vss_value *one = vss_value_at(failed, i);

                if (vss_value_get_integer(one, "code", 0) == VSS_E_OBJECT_NOT_FOUND)
                        continue;
                again = true;
                log_error("shadow copy %s cannot be deleted: %s", vss_value_get_string(one, "id", ""),
                          vss_value_get_string(one, "reason", ""));
        }
        close_done(session);
        session->delete_again = sd_event_source_disable_unref(session->delete_again);
        if (!again || session->delete_tries >= DELETE_TRIES ||
            sd_event_add_time_relative(session->manager->event, &session->delete_again, CLOCK_MONOTONIC,
                                       DELETE_RETRY_USEC << session->delete_tries++, 10 * USEC_PER_MSEC,
                                       on_delete_again, session) < 0)
                session_free(session);
}

static void delete_copies(Session *session) {
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        vss_value *ids = value_require(selection, "snapshots", VSS_KIND_LIST);
        Failure none = { 0 };

        if ((session->facts & SESSION_SNAPSHOT_DONE) && !context_keeps(session->set.context))
                for (size_t i = 0; i < session->set.n_volumes; i++)
                        (void)value_append_string(ids, session->set.volumes[i].id);
        for (size_t i = 0; i < vss_value_count(session->imported); i++)
                (void)value_append_string(ids, vss_value_string(vss_value_at(session->imported, i), ""));
        if (vss_value_count(ids) == 0 ||
            catalog_delete(session->manager, selection, on_deleted, session) < 0)
                on_deleted(session, &none, NULL);
}

static void on_unwound(Session *session) {
        for (size_t i = 0; i < session->set.n_writers; i++) {
                SetWriter *writer = &session->set.writers[i];
                _cleanup_value_ vss_value *event = NULL;

                if (!writer->told)
                        continue;
                event = set_event(&session->set, session->id, writer, 0);
                farewell_writer(writer->participant, "BackupShutdown", event);
        }
        delete_copies(session);
}

void session_close(Session *session) {
        if (session->closing)
                return;
        session->closing = true;
        session->lease = sd_event_source_disable_unref(session->lease);
        session_unwind(session, on_unwound);
}
