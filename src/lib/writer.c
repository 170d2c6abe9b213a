/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The writer's main loop: events of the service become calls of the table
 *
 * Its own duties are the lease on a freeze, and one session at a time while frozen. A freeze that gets no
 * thaw is ended here: by a timer, when the service leaves the bus, and when the program ends. Events of
 * other sessions that come meanwhile wait (postponed below), so that a writer needs to know one freeze only.
 * Nothing here logs or asks the bus for anything between Freeze and Thaw.
 */

#include <stddef.h>
#include <string.h>
#include <linuxvss/writer.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "lib/metadata.h"
#include "lib/participant.h"
#include "lib/writer-call.h"
#include "lib/writer-verify.h"
#include "model/id.h"
#include "util/clock.h"
#include "util/macro.h"

#define FREEZE_TIMEOUT_MS 60000u
#define POSTPONED_MAX 256u
#define MOUNTS_MAX 16u
#define FREEZE_ACCURACY_USEC (10 * USEC_PER_MSEC)

/* An event of another session that came while frozen. */
typedef struct Postponed {
        WriterEvent event;
        char session[VSS_ID_SIZE];
        sd_bus_message *message;
} Postponed;

typedef struct Writer {
        struct vss_writer desc;
        void *userdata;
        Participant participant;
        char name[2 * PARTICIPANT_NAME_MAX + 2]; /* with the instance's */
        char instance_id[VSS_ID_SIZE];
        uint32_t schema; /* by what identify said last, or the descriptor; all, while there is neither */

        SessionSlots sessions;
        vss_value *frozen; /* the event that froze; NULL while nothing is */
        sd_event_source *timer;

        Postponed postponed[POSTPONED_MAX];
        size_t n_postponed;
        sd_event_source *resume;
        Verifies verifies;
} Writer;

typedef vss_result (*Handler)(vss_writer_call *call);

static Handler handler_of(const Writer *w, WriterEvent event) {
        const struct vss_writer *d = &w->desc;

        switch (event) {
        case EVENT_PREPARE_BACKUP:
                return d->prepare_backup;
        case EVENT_PREPARE_SNAPSHOT:
                return d->prepare_snapshot;
        case EVENT_FREEZE:
                return d->freeze;
        case EVENT_THAW:
                return d->thaw;
        case EVENT_ABORT:
                return d->abort;
        case EVENT_POST_SNAPSHOT:
                return d->post_snapshot;
        case EVENT_BACKUP_COMPLETE:
                return d->backup_complete;
        case EVENT_BACKUP_SHUTDOWN:
                return d->backup_shutdown;
        case EVENT_PRE_RESTORE:
                return d->pre_restore;
        case EVENT_POST_RESTORE:
                return d->post_restore;
        case EVENT_VERIFY:
                return d->verify;
        default:
                return NULL;
        }
}

static const char *session_of(const vss_value *event) {
        return vss_value_get_string(event, "session", "");
}

static vss_writer_call make_call(Writer *w, WriterEvent event, const vss_value *values) {
        int64_t limit_ms = vss_value_get_integer(values, "time-limit-ms", 0);

        if (limit_ms <= 0)
                limit_ms = w->desc.freeze_timeout_ms;
        return (vss_writer_call){
                .userdata = w->userdata,
                .kind = event,
                .level = w->desc.level,
                .instance_id = w->instance_id,
                .writer = w->name,
                .backup_schema = w->schema,
                .event = values,
                .service = w->frozen ? NULL : &w->participant,
                .deadline_usec = now_usec() + (uint64_t)MIN(limit_ms, (int64_t)INT32_MAX) * USEC_PER_MSEC,
        };
}

static int on_resume(sd_event_source *source, void *userdata);

/* Nothing is frozen from here on: the timer stops, what had to wait goes on. */
static void unfreeze(Writer *w) {
        w->frozen = vss_value_free(w->frozen);
        w->timer = sd_event_source_disable_unref(w->timer);
        if (w->n_postponed > 0 && !w->resume &&
            sd_event_add_defer(w->participant.event, &w->resume, on_resume, w) < 0)
                (void)sd_event_exit(w->participant.event, EXIT_FAILURE);
}

/* Without an answer. */
static void tell(Writer *w, WriterEvent event, const vss_value *values) {
        _cleanup_(writer_call_done) vss_writer_call call = make_call(w, event, values);
        Handler handler = handler_of(w, event);

        if (handler)
                (void)handler(&call);
}

static void end_freeze(Writer *w, const char *reason) {
        session_slots_let_go(&w->sessions, session_of(w->frozen), reason);
        tell(w, EVENT_ABORT, w->frozen);
        unfreeze(w);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        end_freeze(userdata, "the freeze time was over before Thaw came");
        return 0;
}

static void writer_let_go(void *userdata, const char *reason) {
        Writer *w = userdata;

        if (w->frozen)
                end_freeze(w, reason);
        verify_cancel(&w->verifies, NULL);
        FOREACH_ELEMENT (slot, w->sessions.slots) {
                _cleanup_value_ vss_value *values = NULL;
                SlotState state = slot->state;
                char id[VSS_ID_SIZE];

                if (state == SLOT_NONE)
                        continue;
                memcpy(id, slot->id, sizeof(id));
                session_slots_leave(&w->sessions, id, EVENT_BACKUP_SHUTDOWN, true);
                values = vss_value_new_dict();
                (void)vss_value_set_string(values, "session", id);
                /* Abort is for backups that have not been saved; one that was let go has had it. */
                if (state != SLOT_LET_GO)
                        tell(w, state == SLOT_OPEN ? EVENT_ABORT : EVENT_BACKUP_SHUTDOWN, values);
        }
        /* Whoever sent these is gone. */
        while (w->n_postponed > 0)
                sd_bus_message_unref(w->postponed[--w->n_postponed].message);
        w->resume = sd_event_source_disable_unref(w->resume);
}

static bool writer_is_busy(void *userdata) {
        const Writer *w = userdata;

        return w->frozen || session_slots_count(&w->sessions) > 0 || w->n_postponed > 0 || w->verifies.first;
}

static int reply_dict(sd_bus_message *m, const vss_value *dict) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = marshal_append_dict(reply, dict);
        return r < 0 ? r : sd_bus_message_send(reply);
}

/*
 * The body of a failure has, after its message, what else the writer said; who does not look for it has the
 * message. sd-bus makes an error of a handler's return value only from a name and a message, so it is sent
 * here.
 */
static int send_failure(sd_bus_message *m, vss_result result, const char *message, const vss_value *more) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        message = *message ? message : vss_result_text(result);
        if (result == VSS_E_OUTOFMEMORY)
                result = VSS_E_WRITERERROR_OUTOFRESOURCES;
        if (writer_call_is_writer_error(result))
                (void)bus_error_setf(&error, result, "%s", message);
        else
                (void)bus_error_setf(&error, VSS_E_UNEXPECTED_WRITER_ERROR,
                                     "%s at %s, which is no writer's error: %s", vss_result_name(result),
                                     sd_bus_message_get_member(m), message);
        r = sd_bus_message_new_method_error(m, &reply, &error);
        if (r >= 0)
                r = marshal_append_dict(reply, more);
        return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), reply, NULL);
}

static int reply_failure(sd_bus_message *m, vss_writer_call *call, vss_result result) {
        _cleanup_value_ vss_value *more = writer_call_result(call, result);

        return send_failure(m, result, vss_writer_call_failure_text(call), more);
}

/* A writer whose answer cannot be sent has lost the bus, and ends for that. */
static void on_verified(sd_bus_message *m, vss_result result, const char *text, const vss_value *more) {
        if (result < 0)
                (void)send_failure(m, result, text, more);
        else
                (void)reply_dict(m, more);
}

static int verify(Writer *w, sd_bus_message *m, vss_writer_call *call) {
        int lifeline, r = sd_bus_message_read(m, "h", &lifeline);

        if (r < 0)
                return r;
        if (!w->desc.verify)
                return send_failure(m, VSS_E_WRITERERROR_NONRETRYABLE, "this writer cannot look at its copies", NULL);
        w->verifies.event = w->participant.event;
        r = verify_start(&w->verifies, call, w->desc.verify, m, lifeline);
        if (r == -EALREADY)
                return send_failure(m, VSS_E_WRITERERROR_RETRYABLE, "it is at it already", NULL);
        return r < 0 ? r : 1;
}

static int reply_result(sd_bus_message *m, vss_writer_call *call) {
        _cleanup_value_ vss_value *result = writer_call_result(call, VSS_S_OK);

        return result ? reply_dict(m, result) : -ENOMEM;
}

static int identify(Writer *w, sd_bus_message *m, const vss_value *values) {
        _cleanup_(metadata_freep) vss_metadata *metadata = metadata_new(&w->desc, w->name, w->instance_id);
        _cleanup_(writer_call_done) vss_writer_call call = make_call(w, EVENT_IDENTIFY, values);
        vss_result result;

        if (!metadata)
                return -ENOMEM;
        result = w->desc.identify(&call, metadata);
        if (result < 0)
                return reply_failure(m, &call, result);
        w->schema = (uint32_t)vss_value_get_integer(metadata_value(metadata), "backup-schema", 0);
        return reply_dict(m, metadata_value(metadata));
}

/* The lease begins before the handler runs, and stays if it fails: it may hold something by then. */
static int begin_freeze(Writer *w, const vss_value *values) {
        int64_t lease_ms = vss_value_get_integer(values, "lease-ms", 0);
        uint64_t limit_ms = w->desc.freeze_timeout_ms;
        int r;

        if (lease_ms > 0)
                limit_ms = MIN(limit_ms, (uint64_t)lease_ms);
        r = sd_event_add_time_relative(w->participant.event, &w->timer, CLOCK_MONOTONIC,
                                       limit_ms * USEC_PER_MSEC, FREEZE_ACCURACY_USEC, on_timer, w);

        if (r < 0)
                return r;
        w->frozen = vss_value_copy(values);
        if (!w->frozen) {
                w->timer = sd_event_source_disable_unref(w->timer);
                return -ENOMEM;
        }
        (void)sd_event_source_set_priority(w->timer, SD_EVENT_PRIORITY_IMPORTANT);
        return 0;
}

/* May @event come now? Return: 0, or a negative errno with @error filled in. */
static int enter_session(Writer *w, WriterEvent event, const char *session, sd_bus_error *error) {
        vss_result result = session_slots_enter(&w->sessions, session, event);

        switch (result) {
        case VSS_S_OK:
                return 0;
        case VSS_E_WRITERERROR_TIMEOUT:
                return bus_error_setf(error, result, "writer %s let go by itself: %s", w->name,
                                      session_slots_reason(&w->sessions, session));
        case VSS_E_WRITER_STATUS_NOT_AVAILABLE:
                return bus_error_setf(error, result,
                                      "writer %s takes part in %u sessions, which is the limit; end one, or "
                                      "try again when one has ended",
                                      w->name, VSS_WRITER_SESSIONS_MAX);
        default:
                return bus_error_setf(error, result, "%s came %s", writer_event_names[event],
                                      event == EVENT_THAW ? "before Freeze"
                                      : w->frozen         ? "before Thaw"
                                                  : "to a session whose backup is complete, or which is the "
                                                    "other of backup and restore");
        }
}

/* What follows the event in PostSnapshot. The descriptors are the message's, which outlives the call. */
static int read_mounts(sd_bus_message *m, vss_writer_call *call) {
        const char *volume;
        int fd, r = sd_bus_message_enter_container(m, 'a', "{sh}");

        while (r >= 0 && (r = sd_bus_message_read(m, "{sh}", &volume, &fd)) > 0) {
                char path[32];

                if (vss_value_count(call->mounts) >= MOUNTS_MAX)
                        return -E2BIG;
                if (!call->mounts)
                        call->mounts = vss_value_new_dict();
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                if (vss_value_set_string(call->mounts, volume, path) < 0)
                        return -ENOMEM;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int deliver(Writer *w, WriterEvent event, sd_bus_message *m, const vss_value *values,
                   sd_bus_error *error) {
        _cleanup_(writer_call_done) vss_writer_call call = make_call(w, event, values);
        const char *session = session_of(values);
        vss_result result = VSS_S_OK;
        Handler handler = handler_of(w, event);
        int r = enter_session(w, event, session, error);

        if (r >= 0 && event == EVENT_POST_SNAPSHOT)
                r = read_mounts(m, &call);
        if (r >= 0 && event == EVENT_FREEZE) {
                r = begin_freeze(w, values);
                if (r < 0)
                        session_slots_leave(&w->sessions, session, EVENT_THAW, true);
        }
        if (r < 0)
                return r;
        if (event == EVENT_BACKUP_SHUTDOWN && w->frozen)
                end_freeze(w, "the session ended before Thaw came");
        if (event == EVENT_VERIFY)
                return verify(w, m, &call);
        if (event == EVENT_BACKUP_SHUTDOWN || event == EVENT_ABORT)
                verify_cancel(&w->verifies, session);

        if (handler)
                result = handler(&call);
        session_slots_leave(&w->sessions, session, event, result >= 0);
        /* A thaw that failed leaves the lease, which ends in abort. */
        if (w->frozen && (event == EVENT_ABORT || (event == EVENT_THAW && result >= 0)))
                unfreeze(w);
        if (result == VSS_E_WRITERERROR_PARTIAL_FAILURE && call.failed)
                result = VSS_S_OK;
        return result < 0 ? reply_failure(m, &call, result) : reply_result(m, &call);
}

static void drop_postponed(Writer *w, size_t i) {
        sd_bus_message_unref(w->postponed[i].message);
        w->n_postponed--;
        memmove(w->postponed + i, w->postponed + i + 1, (w->n_postponed - i) * sizeof(*w->postponed));
}

/* The session ended: what it still waited for must not run, a freeze least of all. */
static void refuse_postponed(Writer *w, const char *session) {
        for (size_t i = w->n_postponed; i-- > 0;) {
                _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
                const Postponed *p = &w->postponed[i];

                if (strcmp(p->session, session) != 0 || p->event == EVENT_ABORT ||
                    p->event == EVENT_BACKUP_SHUTDOWN)
                        continue;
                (void)bus_error_setf(&error, VSS_E_WRITERERROR_RETRYABLE, "the session was ended meanwhile");
                (void)sd_bus_reply_method_error(p->message, &error);
                drop_postponed(w, i);
        }
}

/* The end of a session is answered at once: who aborts does not wait for somebody else's freeze. */
static int postpone(Writer *w, WriterEvent event, const char *session, sd_bus_message *m,
                    sd_bus_error *error) {
        bool is_end = event == EVENT_ABORT || event == EVENT_BACKUP_SHUTDOWN;
        Postponed *p;

        if (is_end)
                refuse_postponed(w, session);
        if (w->n_postponed >= POSTPONED_MAX)
                return bus_error_setf(error, VSS_E_WRITERERROR_RETRYABLE,
                                      "writer %s is frozen for session %s", w->name, session_of(w->frozen));
        p = &w->postponed[w->n_postponed++];
        *p = (Postponed){ .event = event, .message = sd_bus_message_ref(m) };
        (void)snprintf(p->session, sizeof(p->session), "%s", session);
        return is_end ? sd_bus_reply_method_return(m, "a{sv}", 0) : 1;
}

static int on_event(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Writer *w = userdata;
        _cleanup_value_ vss_value *values = NULL;
        const char *member = sd_bus_message_get_member(m);
        WriterEvent event = EVENT_IDENTIFY;
        int r;

        while (event < WRITER_EVENTS - 1 && strcmp(writer_event_names[event], member) != 0)
                event++;
        participant_touch(&w->participant);
        /* While frozen, who asks is not looked up at the bus: only the service is let in. */
        r = participant_check_sender(
                &w->participant, m,
                event == EVENT_IDENTIFY && !w->frozen ? SENDER_SERVICE_OR_ROOT : SENDER_SERVICE, error);
        if (r >= 0)
                r = marshal_read_dict(m, &values);
        if (r < 0)
                return r;
        if (event == EVENT_IDENTIFY)
                return identify(w, m, values);
        if (!id_is_valid(session_of(values)))
                return bus_error_setf(error, VSS_E_INVALIDARG, "%s without a session", member);
        if (w->frozen && strcmp(session_of(w->frozen), session_of(values)) != 0)
                return postpone(w, event, session_of(values), m, error);
        return deliver(w, event, m, values, error);
}

/* One message that had to wait. Its sender was checked when it came. */
static void resume_one(Writer *w, WriterEvent event, sd_bus_message *m) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_value_ vss_value *values = NULL;
        int r;

        r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = marshal_read_dict(m, &values);
        if (r < 0)
                return;

        if (event == EVENT_ABORT || event == EVENT_BACKUP_SHUTDOWN) {
                tell(w, event, values);
                session_slots_leave(&w->sessions, session_of(values), event, true); /* answered already */
                return;
        }
        r = deliver(w, event, m, values, &error);
        if (r < 0)
                (void)sd_bus_reply_method_errno(m, r, &error);
}

static int on_resume(sd_event_source *source, void *userdata) {
        Writer *w = userdata;

        w->resume = sd_event_source_disable_unref(w->resume);
        /* A Freeze among them makes the rest wait again. */
        while (w->n_postponed > 0 && !w->frozen) {
                _cleanup_message_ sd_bus_message *m = sd_bus_message_ref(w->postponed[0].message);
                WriterEvent event = w->postponed[0].event;

                drop_postponed(w, 0);
                resume_one(w, event, m);
        }
        return 0;
}

/* Who may call is checked by on_event(): sd-bus's own check would ask the bus in the middle of a freeze. */
#define EVENT_METHOD(member)                                                                          \
        SD_BUS_METHOD_WITH_NAMES(member, "a{sv}", SD_BUS_PARAM(event), "a{sv}", SD_BUS_PARAM(result), \
                                 on_event, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_NAMES("Identify", "a{sv}", SD_BUS_PARAM(event), "a{sv}", SD_BUS_PARAM(metadata),
                                 on_event, SD_BUS_VTABLE_UNPRIVILEGED),
        EVENT_METHOD("PrepareForBackup"),
        EVENT_METHOD("PrepareForSnapshot"),
        EVENT_METHOD("Freeze"),
        EVENT_METHOD("Thaw"),
        EVENT_METHOD("Abort"),
        SD_BUS_METHOD_WITH_NAMES("PostSnapshot", "a{sv}a{sh}", SD_BUS_PARAM(event) SD_BUS_PARAM(mounts),
                                 "a{sv}", SD_BUS_PARAM(result), on_event, SD_BUS_VTABLE_UNPRIVILEGED),
        EVENT_METHOD("BackupComplete"),
        EVENT_METHOD("BackupShutdown"),
        EVENT_METHOD("PreRestore"),
        EVENT_METHOD("PostRestore"),
        SD_BUS_METHOD_WITH_NAMES("Verify", "a{sv}h", SD_BUS_PARAM(event) SD_BUS_PARAM(lifeline), "a{sv}",
                                 SD_BUS_PARAM(result), on_event, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* Return: 0, or an exit status after a message. */
static int check(const struct vss_writer *d) {
        const char *missing = !d->identify ? "identify"
                              : !d->freeze ? "freeze"
                              : !d->thaw   ? "thaw"
                              : !d->abort  ? "abort"
                                           : NULL;

        if (!participant_name_is_valid(d->name))
                fprintf(stderr, "writer: \"%s\" is no name; letters, digits and '_' make one\n",
                        d->name ?: "");
        else if (d->instance_name && d->instance_name[0] && !participant_instance_is_valid(d->instance_name))
                fprintf(stderr,
                        "writer %s: \"%s\" is no name of an instance; letters, digits and '_' make one\n",
                        d->name, d->instance_name);
        else if (!d->id || !d->id[0])
                fprintf(stderr, "writer %s: it has no id; give it a UUID that never changes\n", d->name);
        else if (!id_is_valid(d->id))
                fprintf(stderr, "writer %s: its id \"%s\" is no UUID in lower-case letters\n", d->name, d->id);
        else if (!backup_schema_is_valid(d->backup_schema))
                fprintf(stderr, "writer %s: its backup schema 0x%x has bits that mean nothing\n", d->name,
                        d->backup_schema);
        else if (missing)
                fprintf(stderr, "writer %s: the required event %s is missing\n", d->name, missing);
        else
                return 0;
        return 2;
}

/* Return: 0, or an exit status after a message. */
static int complete(Writer *w) {
        struct vss_writer *d = &w->desc;
        bool named = d->instance_name && d->instance_name[0];

        if (d->level == VSS_APP_UNKNOWN || d->level == VSS_APP_AUTO)
                d->level = VSS_APP_FRONT_END;
        if (d->freeze_timeout_ms == 0)
                d->freeze_timeout_ms = FREEZE_TIMEOUT_MS;
        w->schema = d->backup_schema ?: UINT32_MAX;
        (void)snprintf(w->name, sizeof(w->name), "%s%s%s", d->name, named ? "." : "",
                       named ? d->instance_name : "");
        if (id_new(w->instance_id) < 0) {
                fprintf(stderr, "writer %s: there is no randomness for its id\n", w->name);
                return EXIT_FAILURE;
        }
        return 0;
}

int vss_writer_main(const struct vss_writer *writer, void *userdata) {
        Writer *w;
        int r;

        if (!writer) {
                fprintf(stderr, "writer: no descriptor\n");
                return 2;
        }
        r = participant_check_abi("writer", writer->abi, writer->size, VSS_WRITER_ABI,
                                  offsetof(struct vss_writer, prepare_backup));
        if (r != 0)
                return r;
        w = calloc(1, sizeof(*w));
        if (!w) {
                fprintf(stderr, "writer: out of memory\n");
                return EXIT_FAILURE;
        }

        memcpy(&w->desc, writer, MIN((size_t)writer->size, sizeof(w->desc)));
        w->userdata = userdata;
        w->verifies.answer = on_verified;
        r = check(&w->desc);
        if (r == 0)
                r = complete(w);
        if (r == 0) {
                w->participant = (Participant){
                        .kind = "writer",
                        .name = w->name,
                        .prefix = BUS_WRITER_PREFIX,
                        .path = BUS_WRITER_PATH,
                        .interface = BUS_WRITER,
                        .vtable = vtable,
                        .userdata = w,
                        .let_go = writer_let_go,
                        .is_busy = writer_is_busy,
                };
                r = participant_run(&w->participant);
        }
        free(w);
        return r;
}
