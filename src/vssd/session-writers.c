/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: rounds to the writers outside of a set's own steps
 */

#include <string.h>
#include "bus/marshal.h"
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

        session->discover = NULL;
        set_adopt_writers(&session->set, found, session->enabled, disabled);
        for (size_t i = 0; i < vss_value_count(found->rejected); i++) {
                const vss_value *rejected = vss_value_at(found->rejected, i);

                session_leave_out(session, vss_value_get_string(rejected, "name", "?"),
                                  vss_value_get_string(rejected, "reason", ""));
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

/* Rounds to the writers outside of the set's own steps: PrepareForBackup, BackupComplete */

static void on_writer_answer(void *userdata, const CallAnswer *answer) {
        Session *session = userdata;
        SetWriter *writer = answer->cookie;
        bool preparing = session->job_call == SESSION_CALL_PREPARE_FOR_BACKUP;

        if (answer->result >= 0) {
                if (writer->failure.code >= 0)
                        writer->state = VSS_WS_STABLE;
                return;
        }
        writer->state = preparing ? VSS_WS_FAILED_AT_PREPARE_BACKUP : VSS_WS_FAILED_AT_BACKUP_COMPLETE;
        failure_set_first(&writer->failure, answer->result, writer->participant->name, "%s",
                          answer->message ?: vss_result_text(answer->result));
}

static void on_writers_done(void *userdata) {
        Session *session = userdata;
        _cleanup_value_ vss_value *result = vss_value_new_dict();

        (void)vss_value_set(result, "writers", set_writer_status(&session->set));
        session_end_job(session, NULL, result);
}

static int call_writers(Session *session, const char *member, bool preparing) {
        uint64_t limit = session->manager->settings.writer_usec;
        int r = 0;

        calls_begin(&session->calls, on_writers_done, session);
        for (size_t i = 0; i < session->set.n_writers && r >= 0; i++) {
                SetWriter *writer = &session->set.writers[i];
                _cleanup_message_ sd_bus_message *m = NULL;
                _cleanup_value_ vss_value *event = NULL;

                if (!writer->takes_part || (!preparing && writer->failure.code < 0))
                        continue;
                event = set_event(&session->set, session->id, writer, limit);
                r = event ? participant_message(writer->participant, member, &m) : -ENOMEM;
                if (r >= 0)
                        r = marshal_append_dict(m, event);
                if (r >= 0)
                        r = calls_add(&session->calls, writer->participant, m, limit, on_writer_answer,
                                      writer);
                writer->told = true;
        }
        if (r < 0)
                calls_cancel(&session->calls);
        else
                calls_drop(&session->calls);
        return r;
}

static int round_of_writers(Session *session, sd_bus_message *m, SessionCall call, const char *member) {
        Failure failure = { 0 };
        int r = session_begin_job(session, m, call);

        if (r < 0)
                return r;
        r = call_writers(session, member, call == SESSION_CALL_PREPARE_FOR_BACKUP);
        if (r < 0) {
                failure_set(&failure, VSS_E_UNEXPECTED, "", "%s cannot be sent: %s", member, strerror(-r));
                session_end_job(session, &failure, NULL);
                failure_clear(&failure);
        }
        return 0;
}

int session_prepare(Session *session, sd_bus_message *m, sd_bus_error *error) {
        set_choose_writers(&session->set);
        return round_of_writers(session, m, SESSION_CALL_PREPARE_FOR_BACKUP, "PrepareForBackup");
}

int session_complete(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return round_of_writers(session, m, SESSION_CALL_BACKUP_COMPLETE, "BackupComplete");
}

int session_gather_status(Session *session, sd_bus_message *m, sd_bus_error *error) {
        int r = session_begin_job(session, m, SESSION_CALL_GATHER_WRITER_STATUS);

        if (r >= 0)
                on_writers_done(session);
        return r;
}
