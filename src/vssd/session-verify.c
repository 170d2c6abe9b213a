/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: writers look at their data in the shadow copies
 *
 * For each writer, side by side: clones are made, its Verify is called, and they are taken away, whatever
 * came of it. A writer holds the other end of a socket: when this end is closed, it ends what it has begun,
 * and answers. Only when it has, or does not, its clones go, and only then the copies may.
 */

#include <string.h>
#include <sys/socket.h>
#include "bus/marshal.h"
#include "model/component.h"
#include "model/writer-result.h"
#include "util/clock.h"
#include "vssd/clones.h"
#include "vssd/log.h"
#include "vssd/session.h"

/* What a writer may need beyond its time to end what it has begun; also when it is told to. */
#define END_USEC (10 * USEC_PER_SEC)

enum { NOTES_MAX = 1000, FAILED_MAX = 10000 };

typedef enum Stage { STAGE_NONE, STAGE_MAKING, STAGE_LOOKING, STAGE_REMOVING } Stage;

/* One writer. */
typedef struct Look {
        struct Verifying *verifying;
        SetWriter *writer;
        Stage stage;
        Clones clones;
        size_t indices[VSS_VOLUMES_MAX]; /* of the volumes in the set */
        Worker *worker;
        int lifeline;
        bool can;
        Failure failure;
} Look;

struct Verifying {
        Session *session;
        Calls calls;
        Look *looks;
        size_t n;
        unsigned pending; /* looks that have not ended */
        bool stopped;
        sd_event_source *patience;
        vss_value *failed, *notes;
        SessionUnwound done; /* when it was stopped for the end of the session */
};

static void verifying_free(struct Verifying *verifying) {
        calls_cancel(&verifying->calls);
        for (size_t i = 0; i < verifying->n; i++) {
                closep(&verifying->looks[i].lifeline);
                failure_clear(&verifying->looks[i].failure);
        }
        sd_event_source_disable_unref(verifying->patience);
        vss_value_free(verifying->failed);
        vss_value_free(verifying->notes);
        free(verifying->looks);
        free(verifying);
}

/* The end */

static vss_value *tell_writers(const struct Verifying *verifying) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < verifying->n; i++) {
                const Look *look = &verifying->looks[i];
                vss_value *told = vss_value_new_dict();

                (void)vss_value_set_string(told, "name", look->writer->participant->name);
                (void)vss_value_set_boolean(told, "verified", look->can);
                (void)vss_value_set_integer(told, "code", look->failure.code);
                (void)vss_value_set_string(
                        told, "message",
                        look->failure.code < 0 ? failure_message(&look->failure)
                        : look->can            ? ""
                                               : "This writer has no means to look at its data in a copy.");
                if (vss_value_append(list, told) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

static void finish(struct Verifying *verifying) {
        Session *session = verifying->session;
        _cleanup_value_ vss_value *result = vss_value_new_dict();
        SessionUnwound done = verifying->done;
        bool stopped = verifying->stopped;
        Failure failure = { 0 };

        (void)vss_value_set(result, "writers", tell_writers(verifying));
        (void)vss_value_set(result, "components", TAKE_PTR(verifying->failed));
        (void)vss_value_set(result, "notes", TAKE_PTR(verifying->notes));
        value_make_utf8(result);
        verifying_free(TAKE_PTR(session->verifying));
        if (stopped)
                failure_set(&failure, VSS_S_ASYNC_CANCELLED, "", "Cancelled.");
        session_end_job(session, stopped ? &failure : NULL, stopped ? NULL : result);
        failure_clear(&failure);
        if (done)
                done(session);
}

static void look_ended(Look *look) {
        struct Verifying *verifying = look->verifying;

        look->stage = STAGE_NONE;
        if (--verifying->pending == 0)
                finish(verifying);
}

static void on_removed(void *userdata, int error, WorkerAnswer *answer) {
        Look *look = userdata;

        look->worker = NULL;
        if (error < 0)
                log_error("clones of shadow copies for %s are left: %s", look->writer->participant->name,
                          vss_value_get_string(answer->value, "message", strerror(-error)));
        look_ended(look);
}

static void take_away(Look *look) {
        Manager *manager = look->verifying->session->manager;
        int r;

        closep(&look->lifeline);
        look->lifeline = -1;
        look->stage = STAGE_REMOVING;
        r = worker_start(manager, clones_remove_main, &look->clones, manager->settings.verify_usec,
                         on_removed, look, &look->worker);
        if (r >= 0)
                return;
        log_error("clones of shadow copies for %s are left: %s", look->writer->participant->name,
                  strerror(-r));
        look_ended(look);
}

/* What the writer says */

static void take_failed(Look *look, const vss_value *failed) {
        for (size_t i = 0; i < vss_value_count(failed); i++) {
                const vss_value *component = vss_value_at(failed, i);
                vss_result code = (vss_result)vss_value_get_integer(component, "code", VSS_E_UNEXPECTED);
                vss_value *told;

                if (vss_value_count(look->verifying->failed) >= FAILED_MAX)
                        return;
                told = vss_value_new_dict();
                (void)vss_value_set_string(told, "writer", look->writer->participant->name);
                (void)vss_value_set_string(told, "logical-path", component_logical_path(component));
                (void)vss_value_set_string(told, "name", component_name(component));
                (void)vss_value_set_integer(told, "code", writer_result(code));
                (void)vss_value_set_string(told, "message", vss_value_get_string(component, "message", ""));
                (void)vss_value_append(look->verifying->failed, told);
        }
}

static void take_notes(Look *look, const vss_value *notes) {
        for (size_t i = 0; i < vss_value_count(notes) && i < NOTES_MAX; i++) {
                const vss_value *note = vss_value_at(notes, i);
                vss_value *told = vss_value_new_dict();

                (void)vss_value_set_string(told, "writer", look->writer->participant->name);
                (void)vss_value_set_string(told, "logical-path", component_logical_path(note));
                (void)vss_value_set_string(told, "name", component_name(note));
                (void)vss_value_set_string(told, "text", vss_value_get_string(note, "text", ""));
                (void)vss_value_append(look->verifying->notes, told);
        }
}

static void take_answer(Look *look, const vss_value *said) {
        const vss_value *veto = vss_value_get(said, "failure");

        take_failed(look, vss_value_get(said, "failed-components"));
        take_notes(look, vss_value_get(said, "notes"));
        if (veto)
                failure_set_first(
                        &look->failure,
                        writer_result((vss_result)vss_value_get_integer(veto, "code", VSS_E_UNEXPECTED)),
                        look->writer->participant->name, "%s",
                        vss_value_get_string(veto, "message", "it says so"));
}

static void on_answer(void *userdata, const CallAnswer *answer) {
        Look *look = answer->cookie;
        _cleanup_value_ vss_value *result = NULL;

        if (answer->result >= 0 && marshal_read_dict(answer->reply, &result) < 0)
                failure_set(&look->failure, VSS_E_UNEXPECTED_WRITER_ERROR, look->writer->participant->name,
                            "What %s answered to Verify cannot be read.", look->writer->participant->name);
        else if (answer->result < 0)
                failure_set(&look->failure, answer->result, look->writer->participant->name, "%s",
                            answer->message ?: vss_result_text(answer->result));
        take_answer(look, result ?: answer->more);
        take_away(look);
}

/* Its calls end one by one, each with its own clones. */
static void on_calls_done(void *userdata) {
}

/* The call */

static vss_value *make_event(const Look *look, uint64_t limit_usec) {
        const Session *session = look->verifying->session;
        _cleanup_value_ vss_value *event = set_event(&session->set, session->id, look->writer, limit_usec);
        vss_value *devices = vss_value_new_dict();
        char path[256];

        for (size_t i = 0; i < look->clones.n; i++) {
                clones_path(look->clones.name, i, path, sizeof(path));
                if (vss_value_set_string(devices, look->clones.volumes[i].path, path) < 0) {
                        vss_value_free(devices);
                        return NULL;
                }
        }
        clones_path(look->clones.name, SIZE_MAX, path, sizeof(path));
        if (vss_value_set(event, "devices", devices) < 0 || vss_value_set_string(event, "scratch", path) < 0)
                return NULL;
        return TAKE_PTR(event);
}

static int call_writer(Look *look) {
        struct Verifying *verifying = look->verifying;
        uint64_t limit = verifying->session->manager->settings.verify_usec;
        _cleanup_value_ vss_value *event = make_event(look, limit);
        _cleanup_message_ sd_bus_message *m = NULL;
        _cleanup_(closep) int theirs = -1;
        int pair[2], r;

        if (!event)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        look->lifeline = pair[0];
        theirs = pair[1];
        r = participant_message(look->writer->participant, "Verify", &m);
        if (r >= 0)
                r = marshal_append_dict(m, event);
        if (r >= 0)
                r = sd_bus_message_append(m, "h", theirs);
        if (r >= 0)
                r = calls_add(&verifying->calls, look->writer->participant, m, limit + END_USEC, on_answer,
                              look);
        if (r >= 0)
                look->stage = STAGE_LOOKING;
        return r;
}

static void on_made(void *userdata, int error, WorkerAnswer *answer) {
        Look *look = userdata;
        int r = error;

        look->worker = NULL;
        if (r < 0)
                failure_set(&look->failure, VSS_E_UNEXPECTED, look->writer->participant->name,
                            "There are no clones of the shadow copies for %s: %s",
                            look->writer->participant->name,
                            vss_value_get_string(answer->value, "message", strerror(-r)));
        else if (!look->verifying->stopped) {
                r = call_writer(look);
                if (r < 0)
                        failure_set(&look->failure, VSS_E_UNEXPECTED, look->writer->participant->name,
                                    "%s cannot be called: %s", look->writer->participant->name,
                                    strerror(-r));
        }
        if (look->stage != STAGE_LOOKING)
                take_away(look);
}

static void add_volume(void *userdata, const SetWriter *writer, const vss_value *component) {
        const vss_value *files = vss_value_get(component, "files");
        const Set *set;
        Look *look = userdata;

        set = &look->verifying->session->set;
        for (size_t i = 0; i < vss_value_count(files); i++) {
                const SetVolume *volume = set_find_files(set, vss_value_at(files, i));
                CloneVolume *clone = &look->clones.volumes[look->clones.n];
                bool there = !volume || !volume->attached || volume->no_copy;

                for (size_t k = 0; !there && k < look->clones.n; k++)
                        there = look->indices[k] == (size_t)(volume - set->volumes);
                if (there)
                        continue;
                look->indices[look->clones.n++] = (size_t)(volume - set->volumes);
                (void)snprintf(clone->snapshot, sizeof(clone->snapshot), "%s", volume->id);
                clone->path = volume->volume->path;
                clone->below = vss_value_get_string(volume->properties, "below", "");
                clone->hidden = vss_value_get(volume->properties, "hidden");
        }
}

/* Return: false if there is nothing to be called. */
static bool begin_look(Look *look) {
        Manager *manager = look->verifying->session->manager;
        const Participant *participant = look->writer->participant;
        int r;

        look->lifeline = -1;
        look->can = !participant->express && vss_value_get_boolean(participant->info, "verifies", false);
        if (!look->can)
                return false;
        set_each_component(&look->verifying->session->set, look->writer, add_volume, look);
        (void)snprintf(look->clones.name, sizeof(look->clones.name), "%.*s-%llu", CLONES_INSTANCE_SIZE,
                       manager->instance, (unsigned long long)++manager->last_clones);
        look->clones.uid = participant->uid;
        r = worker_start(manager, clones_make_main, &look->clones, manager->settings.worker_usec, on_made,
                         look, &look->worker);
        if (r < 0) {
                failure_set(&look->failure, VSS_E_UNEXPECTED, participant->name, "%s cannot be called: %s",
                            participant->name, strerror(-r));
                return false;
        }
        look->stage = STAGE_MAKING;
        return true;
}

int session_verify(Session *session, sd_bus_message *m, sd_bus_error *error) {
        struct Verifying *verifying = calloc(1, sizeof(*verifying));
        int r = verifying ? 0 : -ENOMEM;

        if (r >= 0) {
                verifying->session = session;
                verifying->failed = vss_value_new_list();
                verifying->notes = vss_value_new_list();
                verifying->looks = calloc(session->set.n_writers + 1, sizeof(*verifying->looks));
                r = verifying->looks && verifying->failed && verifying->notes
                            ? session_begin_job(session, m, SESSION_CALL_VERIFY_WRITERS)
                            : -ENOMEM;
        }
        if (r < 0) {
                if (verifying)
                        verifying_free(verifying);
                return r;
        }
        session->verifying = verifying;
        calls_begin(&verifying->calls, on_calls_done, verifying);
        verifying->pending = 1;
        for (size_t i = 0; i < session->set.n_writers; i++) {
                SetWriter *writer = &session->set.writers[i];
                Look *look = &verifying->looks[verifying->n];

                if (!writer->takes_part)
                        continue;
                verifying->n++;
                look->verifying = verifying;
                look->writer = writer;
                verifying->pending += begin_look(look);
        }
        if (--verifying->pending == 0)
                finish(verifying);
        return 0;
}

/* Being stopped */

/* Writers that do not even end when they are told to are not waited for. */
static int on_patience(sd_event_source *source, uint64_t usec, void *userdata) {
        struct Verifying *verifying = userdata;

        verifying->pending++;
        calls_cancel(&verifying->calls);
        for (size_t i = 0; i < verifying->n; i++)
                if (verifying->looks[i].stage == STAGE_LOOKING)
                        take_away(&verifying->looks[i]);
        if (--verifying->pending == 0)
                finish(verifying);
        return 0;
}

void session_stop_verifying(Session *session, SessionUnwound done) {
        struct Verifying *verifying = session->verifying;

        if (done)
                verifying->done = done;
        if (verifying->stopped)
                return;
        verifying->stopped = true;
        if (sd_event_add_time_relative(session->manager->event, &verifying->patience, CLOCK_MONOTONIC,
                                       END_USEC, 10 * USEC_PER_MSEC, on_patience, verifying) < 0)
                log_error("nobody watches whether writers stop looking at their copies: out of memory");
        for (size_t i = 0; i < verifying->n; i++) {
                closep(&verifying->looks[i].lifeline);
                verifying->looks[i].lifeline = -1;
        }
}
