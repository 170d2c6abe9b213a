/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: rounds to the writers outside of a set's own steps
 */

#include <string.h>
#include "bus/marshal.h"
#include "vssd/answer.h"
#include "model/component.h"
#include "vssd/catalog.h"
#include "vssd/log.h"
#include "vssd/session.h"

/* GatherWriterMetadata */

/* Instances are disabled by the same names; each of the two calls replaces its own list. */
static vss_value *all_disabled(const Session *session) {
        _cleanup_value_ vss_value *all = vss_value_new_list();
        const vss_value *const lists[] = { session->disabled, session->disabled_instances };

        FOREACH_ELEMENT (list, lists)
                for (size_t i = 0; i < vss_value_count(*list); i++)
                        if (vss_value_append(all, vss_value_copy(vss_value_at(*list, i))) < 0)
                                return NULL;
        return TAKE_PTR(all);
}

static void on_writers(void *userdata, const Failure *failure, Discovery *found) {
        Session *session = userdata;
        _cleanup_value_ vss_value *disabled = all_disabled(session);
        Failure unjudged = { .code = VSS_E_OUTOFMEMORY };

        session->discover = NULL;
        set_adopt_writers(&session->set, found, session->enabled, disabled);
        for (size_t i = 0; i < vss_value_count(found->rejected); i++) {
                const vss_value *rejected = vss_value_at(found->rejected, i);

                session_leave_out(session, vss_value_get_string(rejected, "name", "?"),
                                  vss_value_get_string(rejected, "reason", ""));
        }
        if (session->document && failure->code >= 0) {
                vss_value_free(session->descriptors);
                session->descriptors = TAKE_PTR(found->descriptors);
                if (session_judge_document(session) >= 0)
                        return;
                failure = &unjudged;
        }
        session_end_job(session, failure, NULL);
}

int session_gather(Session *session, sd_bus_message *m, sd_bus_error *error) {
        int r = discover_start(session->manager, false, on_writers, session, &session->discover);

        if (r >= 0)
                r = session_begin_job(session, m, SESSION_CALL_GATHER_WRITER_METADATA);
        if (r < 0)
                session->discover = discover_cancel(session->discover);
        return r;
}

/* Rounds: one event to all who take part */

static const struct {
        SessionCall call;
        const char *member;
        enum vss_writer_state failed;
        bool first; /* nobody has failed yet, or what he failed at was not this */
        bool restores;
} rounds[] = {
        { SESSION_CALL_PREPARE_FOR_BACKUP, "PrepareForBackup", VSS_WS_FAILED_AT_PREPARE_BACKUP, true,
          false },
        { SESSION_CALL_BACKUP_COMPLETE, "BackupComplete", VSS_WS_FAILED_AT_BACKUP_COMPLETE, false, false },
        { SESSION_CALL_PRE_RESTORE, "PreRestore", VSS_WS_FAILED_AT_PRE_RESTORE, true, true },
        { SESSION_CALL_POST_RESTORE, "PostRestore", VSS_WS_FAILED_AT_POST_RESTORE, false, true },
};

static size_t round_of(SessionCall call) {
        size_t i = 0;

        while (i + 1 < ELEMENTS(rounds) && rounds[i].call != call)
                i++;
        return i;
}

static void on_writer_answer(void *userdata, const CallAnswer *answer) {
        Session *session = userdata;
        SetWriter *writer = answer->cookie;
        size_t round = round_of(session->job_call);

        writer->asked = false;
        if (!answer_take(writer, rounds[round].member, answer))
                writer->state = rounds[round].failed;
        else if (writer->failure.code >= 0)
                writer->state = VSS_WS_STABLE;
}

vss_value *session_take_notes(Session *session) {
        _cleanup_value_ vss_value *all = vss_value_new_list();

        for (size_t i = 0; i < session->set.n_writers; i++) {
                SetWriter *writer = &session->set.writers[i];

                for (size_t k = 0; k < vss_value_count(writer->notes); k++) {
                        vss_value *note = vss_value_copy(vss_value_at(writer->notes, k));

                        (void)vss_value_set_string(note, "writer", writer->participant->name);
                        if (vss_value_append(all, note) < 0)
                                return NULL;
                }
                writer->notes = vss_value_free(writer->notes);
        }
        return TAKE_PTR(all);
}

/* It would do what it does in a restore. */
static void note_ignorant(SetWriter *writer, const char *member) {
        vss_value *note = vss_value_new_dict();

        (void)vss_value_set_string(note, "logical-path", "");
        (void)vss_value_set_string(note, "name", "");
        (void)value_set_printf(note, "text",
                               "%s of this writer was not called: it cannot say what it would do.", member);
        if (!writer->notes)
                writer->notes = vss_value_new_list();
        if (vss_value_append(writer->notes, note) < 0)
                log_error("%s: out of memory", writer->participant->name);
}

static bool is_called(const Session *session, SetWriter *writer, size_t round) {
        if (!set_calls_writer(writer) || (!rounds[round].first && writer->failure.code < 0))
                return false;
        if (!session->set.dry_run ||
            vss_value_get_boolean(writer->participant->info, "knows-dry-run", false))
                return true;
        note_ignorant(writer, rounds[round].member);
        return false;
}

static void finish_round(void *userdata) {
        Session *session = userdata;
        _cleanup_value_ vss_value *result = vss_value_new_dict();

        session->merge = NULL;
        (void)vss_value_set(result, "writers", set_writer_status(&session->set));
        (void)vss_value_set(result, "notes", session_take_notes(session));
        if (vss_value_count(session->dropped) > 0)
                (void)vss_value_set(result, "dropped", TAKE_PTR(session->dropped));
        session_end_job(session, NULL, result);
}

void session_merge(Session *session, MergeDone done) {
        int r;

        vss_value_free(session->dropped);
        session->dropped = vss_value_new_list();
        r = merge_start(&session->set, session->dropped, done, session, &session->merge);
        if (r < 0)
                log_error("what writers say of their components is lost: %s", strerror(-r));
        if (r != 0)
                done(session);
}

static void on_writers_done(void *userdata) {
        session_merge(userdata, finish_round);
}

static int call_writers(Session *session, size_t round) {
        uint64_t limit = rounds[round].restores ? session->manager->settings.restore_usec
                                                : session->manager->settings.writer_usec;
        int r = 0;

        for (size_t i = 0; i < session->set.n_writers; i++)
                session->set.writers[i].asked = false;
        calls_begin(&session->calls, on_writers_done, session);
        for (size_t i = 0; i < session->set.n_writers && r >= 0; i++) {
                SetWriter *writer = &session->set.writers[i];
                _cleanup_message_ sd_bus_message *m = NULL;
                _cleanup_value_ vss_value *event = NULL;

                if (!is_called(session, writer, round))
                        continue;
                event = set_event(&session->set, session->id, writer, limit);
                r = event ? participant_message(writer->participant, rounds[round].member, &m) : -ENOMEM;
                if (r >= 0)
                        r = marshal_append_dict(m, event);
                if (r >= 0)
                        r = calls_add(&session->calls, writer->participant, m, limit, on_writer_answer,
                                      writer);
                writer->asked = r >= 0;
                writer->told = true;
        }
        if (r < 0)
                calls_cancel(&session->calls);
        else
                calls_drop(&session->calls);
        return r;
}

static void begin_round(Session *session) {
        size_t round = round_of(session->job_call);
        Failure failure = { 0 };
        int r = call_writers(session, round);

        if (r >= 0)
                return;
        failure_set(&failure, VSS_E_UNEXPECTED, "", "%s cannot be sent: %s", rounds[round].member,
                    strerror(-r));
        session_end_job(session, &failure, NULL);
        failure_clear(&failure);
}

static int round_of_writers(Session *session, sd_bus_message *m, SessionCall call) {
        int r = session_begin_job(session, m, call);

        if (r >= 0)
                begin_round(session);
        return r < 0 ? r : 0;
}

int session_prepare(Session *session, sd_bus_message *m, sd_bus_error *error) {
        set_choose_writers(&session->set);
        return round_of_writers(session, m, SESSION_CALL_PREPARE_FOR_BACKUP);
}

/* A component of which it was not said how it went, while that was said of others. */
static const vss_value *find_forgotten(const Session *session, const SetWriter **ret_writer) {
        const vss_value *forgotten = NULL;
        bool said = false;

        for (size_t i = 0; i < session->set.n_writers; i++) {
                const SetWriter *writer = &session->set.writers[i];

                for (size_t k = 0; writer->takes_part && k < vss_value_count(writer->chosen); k++) {
                        const vss_value *component = vss_value_at(writer->chosen, k);

                        if (vss_value_get(component, "succeeded"))
                                said = true;
                        else if (!forgotten) {
                                forgotten = component;
                                *ret_writer = writer;
                        }
                }
        }
        return said ? forgotten : NULL;
}

/* Who took part in the backup that the document is of. */
static void choose_by_document(Session *session) {
        for (size_t i = 0; i < session->set.n_writers; i++) {
                SetWriter *writer = &session->set.writers[i];

                writer->takes_part = !writer->disabled && session_find_entry(session, writer->participant);
        }
}

int session_complete(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const SetWriter *writer = NULL;
        const vss_value *forgotten;
        int r;

        if (session->facts & SESSION_DOCUMENT)
                choose_by_document(session);
        forgotten = session->set.select_components ? find_forgotten(session, &writer) : NULL;
        if (forgotten)
                return bus_error_setf(
                        error, VSS_E_BAD_STATE,
                        "BackupComplete is not possible now: SetBackupSucceeded has not been called "
                        "for component \"%s\" of %s, only for others.",
                        component_label(component_logical_path(forgotten), component_name(forgotten)).text,
                        writer->participant->name);
        r = session_check_copies(session, begin_round);
        if (r == 0)
                return round_of_writers(session, m, SESSION_CALL_BACKUP_COMPLETE);
        if (r > 0)
                r = session_begin_job(session, m, SESSION_CALL_BACKUP_COMPLETE);
        if (r < 0)
                session->querying = catalog_query_cancel(session->querying);
        return r;
}

int session_pre_restore(Session *session, sd_bus_message *m, sd_bus_error *error) {
        set_choose_restored(&session->set);
        return round_of_writers(session, m, SESSION_CALL_PRE_RESTORE);
}

int session_post_restore(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return round_of_writers(session, m, SESSION_CALL_POST_RESTORE);
}

int session_gather_status(Session *session, sd_bus_message *m, sd_bus_error *error) {
        int r = session_begin_job(session, m, SESSION_CALL_GATHER_WRITER_STATUS);

        if (r >= 0)
                finish_round(session);
        return r;
}
