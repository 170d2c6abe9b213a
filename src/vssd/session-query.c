/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: the calls that look at shadow copies as they stand
 *
 * A session sees those of its own context, whoever made them; its own it knows by heart.
 */

#include <string.h>
#include "bus/marshal.h"
#include "model/context.h"
#include "vssd/catalog.h"
#include "vssd/log.h"
#include "vssd/losses.h"
#include "vssd/session.h"

/* Query */

static void on_found(void *userdata, const Failure *failure, vss_value *result) {
        Session *session = userdata;
        const vss_value *all = vss_value_get(result, "snapshots");
        _cleanup_value_ vss_value *seen = vss_value_new_list();
        Failure without_memory = { .code = VSS_E_OUTOFMEMORY };

        session->querying = NULL;
        for (size_t i = 0; i < vss_value_count(all); i++) {
                const vss_value *snapshot = vss_value_at(all, i);

                if (context_sees(session->set.context,
                                 (uint32_t)vss_value_get_integer(snapshot, "context", 0)) &&
                    vss_value_append(seen, vss_value_copy(snapshot)) < 0)
                        failure = &without_memory;
        }
        if (result && vss_value_set(result, "snapshots", TAKE_PTR(seen)) < 0)
                failure = &without_memory;
        session_end_job(session, failure, result);
}

int session_query(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *filter = NULL;
        int r;

        if (marshal_read_dict(m, &filter) < 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "The filter cannot be read.");
        r = catalog_query(session->manager, filter, on_found, session, &session->querying);
        if (r >= 0)
                r = session_begin_job(session, m, SESSION_CALL_QUERY);
        if (r < 0)
                session->querying = catalog_query_cancel(session->querying);
        return r;
}

/* One shadow copy: asked for by message, which may outlive the session. */

typedef struct Lookup {
        Manager *manager;
        sd_bus_message *message;
        uint32_t context;
        bool open; /* else its properties are told */
        char id[VSS_ID_SIZE];
} Lookup;

static Lookup *lookup_free(Lookup *lookup) {
        if (lookup)
                sd_bus_message_unref(lookup->message);
        free(lookup);
        return NULL;
}

DEFINE_CLEANUP(Lookup *, lookup_free)

static void set_id(Lookup *lookup, const char *id) {
        (void)snprintf(lookup->id, sizeof(lookup->id), "%s", id);
}

static void answer(sd_bus_message *m, const Failure *failure, const vss_value *properties, int fd) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (failure->code < 0) {
                (void)bus_error_setf(&error, failure->code, "%s", failure_message(failure));
                r = sd_bus_message_new_method_error(m, &reply, &error);
        } else {
                r = sd_bus_message_new_method_return(m, &reply);
                if (r >= 0)
                        r = properties ? marshal_append_dict(reply, properties)
                                       : sd_bus_message_append(reply, "h", fd);
        }
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r < 0)
                log_warning("cannot answer %s: %s", sd_bus_message_get_member(m), strerror(-r));
}

static void on_opened(void *userdata, const Failure *failure, int fd) {
        _cleanup_(lookup_freep) Lookup *lookup = userdata;
        _cleanup_(closep) int mount_fd = fd;

        answer(lookup->message, failure, NULL, mount_fd);
}

static void open_it(Lookup *lookup) {
        Failure failure = { 0 };
        int r = catalog_open(lookup->manager, lookup->id, on_opened, lookup);

        if (r >= 0)
                return;
        failure_set(&failure, VSS_E_UNEXPECTED, lookup->id, "Shadow copy %s cannot be opened: %s",
                    lookup->id, strerror(-r));
        answer(lookup->message, &failure, NULL, -1);
        failure_clear(&failure);
        lookup_free(lookup);
}

static void on_looked_up(void *userdata, const Failure *failure, vss_value *result) {
        _cleanup_(lookup_freep) Lookup *lookup = userdata;
        const vss_value *snapshot = vss_value_at(vss_value_get(result, "snapshots"), 0);
        Failure none = { 0 };

        if (failure->code >= 0 && snapshot &&
            context_sees(lookup->context, (uint32_t)vss_value_get_integer(snapshot, "context", 0))) {
                set_id(lookup, vss_value_get_string(snapshot, "id", ""));
                if (lookup->open)
                        open_it(TAKE_PTR(lookup));
                else
                        answer(lookup->message, failure, snapshot, -1);
                return;
        }
        if (failure->code >= 0)
                failure_set(
                        &none, VSS_E_OBJECT_NOT_FOUND, lookup->id,
                        "There is no shadow copy %s in the context of this session. See vss list shadows.",
                        lookup->id);
        answer(lookup->message, failure->code < 0 ? failure : &none, NULL, -1);
        failure_clear(&none);
}

/* Of a copy of the session's own it is known what it was; that it is lost came later. */
static int answer_own(sd_bus_message *m, const vss_value *properties, const vss_value *loss) {
        _cleanup_value_ vss_value *now = loss ? vss_value_copy(properties) : NULL;
        Failure none = { 0 };

        if (loss && (vss_value_set_string(now, "state", "lost") < 0 ||
                     vss_value_set_string(now, "reason", vss_value_get_string(loss, "reason", "")) < 0))
                return -ENOMEM;
        answer(m, &none, now ?: properties, -1);
        return 0;
}

static int look_up(Session *session, sd_bus_message *m, bool open, sd_bus_error *error) {
        _cleanup_(lookup_freep) Lookup *lookup = calloc(1, sizeof(*lookup));
        _cleanup_value_ vss_value *filter = vss_value_new_dict();
        const SetVolume *own = NULL;
        const vss_value *loss;
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0)
                return r;
        if (!lookup || vss_value_set_string(filter, "snapshot", id) < 0)
                return -ENOMEM;
        if (strlen(id) >= VSS_ID_SIZE)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "This is no identity of a shadow copy.");
        *lookup = (Lookup){ .manager = session->manager,
                            .message = sd_bus_message_ref(m),
                            .context = session->set.context,
                            .open = open };
        if (session->facts & SESSION_SNAPSHOT_DONE)
                own = set_find_snapshot(&session->set, id);
        set_id(lookup, own ? own->id : id);
        loss = losses_find(session->manager, lookup->id);
        if (loss && open)
                return bus_error_setf(error, VSS_E_SNAPSHOT_LOST, "Shadow copy %s is lost: %s", lookup->id,
                                      vss_value_get_string(loss, "reason", "?"));
        if (own && open)
                open_it(TAKE_PTR(lookup));
        else if (own)
                r = answer_own(m, own->properties, loss);
        else {
                r = catalog_query(session->manager, filter, on_looked_up, lookup, NULL);
                if (r >= 0)
                        (void)TAKE_PTR(lookup);
        }
        return r;
}

int session_get_snapshot(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return look_up(session, m, false, error);
}

int session_open_snapshot(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return look_up(session, m, true, error);
}
