/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: the calls that lead to a shadow copy set, and away from it
 */

#include <inttypes.h>
#include <string.h>
#include "bus/marshal.h"
#include "model/id.h"
#include "model/path.h"
#include "util/clock.h"
#include "vssd/add.h"
#include "vssd/catalog.h"
#include "vssd/farewell.h"
#include "vssd/event.h"
#include "vssd/import.h"
#include "vssd/log.h"
#include "vssd/session.h"
#include "vssd/set-run.h"
#include "vssd/support.h"
#include "vssd/trim.h"
#include "vssd/watch.h"

/* Jobs: one at a time */

static void cancel_job(void *userdata) {
        Session *session = userdata;
        Failure failure = { 0 };

        failure_set(&failure, VSS_S_ASYNC_CANCELLED, "", "Cancelled.");
        if (session->merge || session->import || session->resync)
                ; /* too late: all is done but for the record of it, or cannot be stopped */
        else if (session->verifying)
                session_stop_verifying(session, NULL);
        else if (session->running) {
                failure.code = VSS_E_UNEXPECTED; /* told as cancelled, since the job is */
                set_run_abort(session->manager->run, &failure);
        } else if (!session->add || !add_has_begun(session->add)) {
                session_cancel_work(session);
                session_end_job(session, &failure, NULL);
        }
        failure_clear(&failure);
}

int session_begin_job(Session *session, sd_bus_message *m, SessionCall call) {
        int r = job_start(session->manager, m, cancel_job, session, &session->job);

        if (r < 0)
                return r;
        session->job_call = call;
        session->facts = session_busy(session->facts, call);
        return 0;
}

void session_end_job(Session *session, const Failure *failure, const vss_value *result) {
        Job *job = TAKE_PTR(session->job);

        if (!job)
                return;
        session->facts = session_idle(session->facts);
        if (!failure || failure->code == VSS_S_OK || failure->code == VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED)
                session->facts = session_after(session->job_call, session->facts);
        if (job->cancelled && failure && failure->code != VSS_S_OK)
                job_failed(job, failure);
        else
                job_done(job, failure, result);
}

void session_cancel_work(Session *session) {
        session->discover = discover_cancel(session->discover);
        session->add = add_cancel(session->add);
        calls_cancel(&session->calls);
        session->counting = catalog_query_cancel(session->counting);
        session->querying = catalog_query_cancel(session->querying);
        session->finding = support_find_cancel(session->finding);
        session->import = import_abandon(session->import);
        session_cancel_recovering(session);
        session_abandon_resync(session);
        worker_cancel(session->reading);
        session->reading = NULL;
        session->merge = merge_cancel(session->merge);
}

void session_leave_out(Session *session, const char *what, const char *reason) {
        vss_value *left = vss_value_new_dict();

        (void)vss_value_set_string(left, "what", what);
        (void)vss_value_set_string(left, "reason", reason);
        if (vss_value_append(session->left_out, left) < 0)
                log_error("%s is left out: %s", what, reason);
}

/* StartSnapshotSet: the turn, and the number of sets on the machine */

static void answer_start(Session *session, const Failure *failure) {
        _cleanup_message_ sd_bus_message *m = TAKE_PTR(session->starting);
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        session->wait = sd_event_source_disable_unref(session->wait);
        session->facts = session_idle(session->facts);
        if (failure && failure->code < 0) {
                session_release_turn(session);
                (void)bus_error_setf(&error, failure->code, "%s", failure_message(failure));
                r = sd_bus_reply_method_error(m, &error);
        } else {
                session->facts = session_after(SESSION_CALL_START_SNAPSHOT_SET, session->facts);
                r = sd_bus_reply_method_return(m, "s", session->set.id);
        }
        if (r < 0)
                log_warning("cannot answer StartSnapshotSet: %s", strerror(-r));
}

/* As many as there are, or @max if there are more. */
static size_t count_sets(const vss_value *snapshots, size_t max) {
        size_t n = 0;

        for (size_t i = 0; i < vss_value_count(snapshots) && n < max; i++) {
                const char *set = vss_value_get_string(vss_value_at(snapshots, i), "set", "");
                bool seen = false;

                for (size_t k = 0; !seen && k < i; k++)
                        seen = strcmp(set, vss_value_get_string(vss_value_at(snapshots, k), "set", "")) == 0;
                n += !seen;
        }
        return n;
}

/* How many stand of each volume: nobody else makes any until this session gives up its turn. */
static int note_standing(Session *session, const vss_value *snapshots) {
        vss_value_free(session->standing);
        session->standing = vss_value_new_dict();
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);
                _cleanup_(freep) char *key = NULL;

                if (asprintf(&key, "%s %s", vss_value_get_string(snapshot, "provider", ""),
                             vss_value_get_string(snapshot, "volume", "")) < 0)
                        key = NULL;
                if (!key || vss_value_set_integer(session->standing, key,
                                                  vss_value_get_integer(session->standing, key, 0) + 1) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void on_counted(void *userdata, const Failure *failure, vss_value *result) {
        Session *session = userdata;
        unsigned long max = session->manager->settings.sets_max;
        Failure refused = { 0 };

        session->counting = NULL;
        if (failure->code < 0)
                failure_copy(&refused, failure);
        else if (count_sets(vss_value_get(result, "snapshots"), max) >= max)
                failure_set(&refused, VSS_E_MAXIMUM_NUMBER_OF_SETS_REACHED, "",
                            "This machine holds %lu shadow copy sets already, those of every requester "
                            "counted, and no "
                            "more are allowed (MaximumSets). Delete some: vss delete.",
                            max);
        else if (note_standing(session, vss_value_get(result, "snapshots")) < 0)
                failure_set(&refused, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        else if (id_new(session->set.id) < 0)
                failure_set(&refused, VSS_E_UNEXPECTED, "", "There is no randomness for an identity.");
        answer_start(session, &refused);
        failure_clear(&refused);
}

static void take_turn(Session *session) {
        Failure failure = { 0 };

        session->manager->creating = session;
        session->waiting_since_usec = 0;
        session->wait = sd_event_source_disable_unref(session->wait);
        if (catalog_query(session->manager, NULL, on_counted, session, &session->counting) >= 0)
                return;
        failure_set(&failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        answer_start(session, &failure);
        failure_clear(&failure);
}

void session_pass_turn(Manager *manager) {
        Session *next = NULL;

        if (manager->creating || manager->lease)
                return;
        for (Session *other = manager->sessions; other; other = other->next)
                if (other->waiting_since_usec > 0 && !other->closing &&
                    (!next || other->waiting_since_usec < next->waiting_since_usec))
                        next = other;
        if (next)
                take_turn(next);
}

void session_release_turn(Session *session) {
        Manager *manager = session->manager;

        session->waiting_since_usec = 0;
        if (manager->creating != session)
                return;
        manager->creating = NULL;
        session_pass_turn(manager);
}

static bool is_taken(const Manager *manager) {
        return manager->creating || manager->run || manager->lease;
}

static void describe_turn(Session *session, Failure *failure) {
        const Session *other = session->manager->creating;

        if (!other) {
                failure_set(failure, VSS_E_SNAPSHOT_SET_IN_PROGRESS, "lease",
                            "A freeze lease stands. End it with vss thaw, or wait with --wait SECONDS.");
                return;
        }
        failure_set(failure, VSS_E_SNAPSHOT_SET_IN_PROGRESS, other->id,
                    "Session %s (%s%suser %u, process %d) has been creating a set for %" PRIu64
                    " s. Wait with --wait SECONDS, or end it with vss abort %s.",
                    other->id, other->label, *other->label ? ", " : "", other->uid, (int)other->pid,
                    (now_usec() - other->created_usec) / USEC_PER_SEC, other->id);
}

static int on_waited(sd_event_source *source, uint64_t usec, void *userdata) {
        Session *session = userdata;
        Failure failure = { 0 };

        session->waiting_since_usec = 0;
        describe_turn(session, &failure);
        answer_start(session, &failure);
        failure_clear(&failure);
        return 0;
}

int session_start_set(Session *session, sd_bus_message *m, sd_bus_error *error) {
        Failure failure = { 0 };
        int r = 0;

        if (session->set.context == VSS_CTX_ALL)
                return bus_error_setf(error, VSS_E_UNSUPPORTED_CONTEXT,
                                      "No set can be made in the context \"all\".");
        if (is_taken(session->manager) && session->wait_usec == 0) {
                describe_turn(session, &failure);
                r = bus_error_setf(error, failure.code, "%s", failure_message(&failure));
                failure_clear(&failure);
                return r;
        }
        session->starting = sd_bus_message_ref(m);
        session->facts = session_busy(session->facts, SESSION_CALL_START_SNAPSHOT_SET);
        if (!is_taken(session->manager)) {
                take_turn(session);
                return 0;
        }
        session->waiting_since_usec = now_usec();
        r = sd_event_add_time_relative(session->manager->event, &session->wait, CLOCK_MONOTONIC,
                                       session->wait_usec, 100 * USEC_PER_MSEC, on_waited, session);
        if (r < 0) {
                session->waiting_since_usec = 0;
                session->starting = sd_bus_message_unref(session->starting);
                session->facts = session_idle(session->facts);
        }
        return r;
}

/* AddToSnapshotSet */

static void on_added(void *userdata, const Failure *failure, vss_value *result) {
        Session *session = userdata;

        session->add = NULL;
        session_end_job(session, failure, result);
}

int session_add_volume(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const char *path, *provider;
        int r = sd_bus_message_read(m, "ss", &path, &provider);

        if (r >= 0)
                r = add_start(session, path, provider, on_added, session, &session->add);
        if (r >= 0)
                r = session_begin_job(session, m, SESSION_CALL_ADD_TO_SNAPSHOT_SET);
        if (r < 0)
                session->add = add_cancel(session->add);
        return r;
}

static void unwound(Session *session);

/* DoSnapshotSet */

/* Files of a writer on the volumes of the set that it may not speak for: they are in the copy, unprepared.
 */
static void tell_dropped(Session *session, const SetWriter *writer) {
        const vss_value *dropped = vss_value_get(writer->participant->info, "dropped");

        for (size_t i = 0; i < vss_value_count(dropped); i++) {
                const vss_value *drop = vss_value_at(dropped, i);
                char reason[512];

                if (!set_find_device(&session->set, (uint64_t)vss_value_get_integer(drop, "device", 0)))
                        continue;
                (void)snprintf(reason, sizeof(reason), "what it says of %.256s is not believed: %.200s",
                               vss_value_get_string(drop, "path", "?"),
                               vss_value_get_string(drop, "reason", ""));
                session_leave_out(session, writer->participant->name, reason);
        }
}

/* What an administrator must hear about although nothing failed. */
static void tell_left_out(Session *session, vss_value *result) {
        vss_value *left;

        for (size_t i = 0; i < session->set.n_writers; i++) {
                const SetWriter *writer = &session->set.writers[i];

                if (writer->disabled && writer->takes_part)
                        session_leave_out(session, writer->participant->name,
                                          "it could not be disabled: its data is on a volume of the set");
                tell_dropped(session, writer);
        }
        for (size_t i = 0; i < session->set.n_volumes; i++) {
                const vss_value *list = vss_value_get(session->set.volumes[i].properties, "left-out");

                for (size_t k = 0; k < vss_value_count(list); k++)
                        session_leave_out(session, vss_value_get_string(vss_value_at(list, k), "path", ""),
                                          vss_value_get_string(vss_value_at(list, k), "reason", ""));
        }
        left = vss_value_copy(session->left_out);
        (void)vss_value_set(result, "left-out", left);
}

static void finish_set(Session *session, const Failure *failure, vss_value *result) {
        tell_left_out(session, result);
        if (vss_value_count(session->dropped) > 0)
                (void)vss_value_set(result, "dropped", TAKE_PTR(session->dropped));
        vss_value_free(session->result);
        session->result = vss_value_copy(result);
        event_send(session->manager, failure->code < 0 ? "set-failed" : "set-created", result,
                   failure->code < 0 ? "set %s failed: %s%s%s" : "set %s was created%s%s%s", session->set.id,
                   failure->code < 0 ? failure_culprit(failure) : "",
                   failure->code < 0 && *failure_culprit(failure) ? ": " : "",
                   failure->code < 0 ? failure_message(failure) : "");
        /* Of one that failed as well: something may be left that could not be undone yet. */
        for (size_t i = 0; i < session->set.n_volumes; i++)
                watch_begin(session->manager, session->set.volumes[i].provider);
        if (failure->code >= 0 && (session->set.context & VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE))
                trim_start(session->manager, &session->set);
        session_end_job(session, failure, result);
}

static void on_set_merged(void *userdata) {
        Session *session = userdata;
        _cleanup_value_ vss_value *result = TAKE_PTR(session->result);
        Failure outcome = session->outcome;

        session->merge = NULL;
        session->outcome = (Failure){ 0 };
        finish_set(session, &outcome, result);
        failure_clear(&outcome);
}

static void on_set_done(void *userdata, const Failure *failure, vss_value *result) {
        Session *session = userdata;

        session->running = false;
        /* Made or not, the originals are no longer needed: they may be unmounted while the session is kept.
         */
        for (size_t i = 0; i < session->set.n_volumes; i++)
                volume_close(session->set.volumes[i].volume);
        /* That is decided, whatever becomes of the call from now on. */
        session->facts |= failure->code < 0 ? SESSION_ABORTED : SESSION_SNAPSHOT_DONE;
        if (failure->code < 0)
                failure_copy(&session->outcome, failure);
        vss_value_free(session->result);
        session->result = vss_value_copy(result);
        if (session->unwinding)
                on_set_merged(session);
        else
                session_merge(session, on_set_merged);
        if (session->unwinding)
                unwound(session);
        else
                session_release_turn(session);
}

int session_do_set(Session *session, sd_bus_message *m, sd_bus_error *error) {
        SetRunOptions options = { .mode = SET_MODE_SNAPSHOT,
                                  .session_id = session->id,
                                  .require = session->require,
                                  .done = on_set_done,
                                  .userdata = session };
        Failure failure = { 0 };
        SetRun *run;
        int r;

        if (session->manager->run)
                return bus_error_setf(error, VSS_E_SNAPSHOT_SET_IN_PROGRESS,
                                      "A freeze lease stands. End it with vss thaw.");
        r = session_begin_job(session, m, SESSION_CALL_DO_SNAPSHOT_SET);
        if (r < 0)
                return r;
        options.job = session->job;
        session->running = true;
        set_choose_writers(&session->set);
        r = set_run_start(session->manager, &session->set, &options, &run);
        if (r < 0) {
                session->running = false;
                failure_set(&failure, VSS_E_OUTOFMEMORY, "", "The set cannot be begun: %s", strerror(-r));
                session_end_job(session, &failure, NULL);
                failure_clear(&failure);
        }
        return 0;
}

/* Taking back */

static void unwound(Session *session) {
        SessionUnwound done = TAKE_PTR(session->unwound);
        Job *job = TAKE_PTR(session->abort_job);

        session->unwinding = false;
        session_release_turn(session);
        job_done(job, NULL, NULL);
        if (done)
                done(session);
}

static void on_taken_back(void *userdata) {
        unwound(userdata);
}

static void on_provider_aborted(void *userdata, const CallAnswer *answer) {
        Session *session = userdata;

        if (answer->late)
                participant_kill(answer->participant, answer->message);
        if (answer->result < 0 &&
            !set_abort_again(&session->set, &session->calls, answer, on_provider_aborted))
                log_error("%s could not take set %s back: %s", answer->participant->name, session->set.id,
                          answer->message);
}

static void tell_writers_abort(Session *session) {
        for (size_t i = 0; i < session->set.n_writers; i++) {
                SetWriter *writer = &session->set.writers[i];
                _cleanup_value_ vss_value *event = NULL;

                if (!writer->told)
                        continue;
                event = set_event(&session->set, session->id, writer, 0);
                farewell_writer(writer->participant, "Abort", event);
        }
}

/* BeginPrepareSnapshot happened at AddToSnapshotSet: providers must hear of an end before DoSnapshotSet too.
 */
static void abort_begun(Session *session) {
        /* From now on: nothing else may begin while this is under way. */
        session->facts |= SESSION_ABORTED;
        tell_writers_abort(session);
        calls_begin(&session->calls, on_taken_back, session);
        set_abort_providers(&session->set, &session->calls, on_provider_aborted);
        calls_drop(&session->calls);
}

void session_unwind(Session *session, SessionUnwound done) {
        bool begun = (session->facts & SESSION_SET_STARTED) &&
                     !(session->facts & (SESSION_SNAPSHOT_DONE | SESSION_ABORTED));
        Failure failure = { 0 };

        session->unwound = done;
        if (session->unwinding)
                return;
        session->unwinding = true;
        if (session->verifying) {
                session_stop_verifying(session, unwound);
                return;
        }
        failure_set(&failure, VSS_E_UNEXPECTED, "requester", "The session was aborted.");
        if (session->running) {
                set_run_abort(session->manager->run, &failure);
                failure_clear(&failure);
                return;
        }
        session_cancel_work(session);
        if (session->starting)
                answer_start(session, &failure);
        session_end_job(session, &failure, NULL);
        failure_clear(&failure);
        if (begun)
                abort_begun(session);
        else
                unwound(session);
}

int session_abort(Session *session, sd_bus_message *m, sd_bus_error *error) {
        bool stands = (session->facts & SESSION_SNAPSHOT_DONE) &&
                      !(session->facts & (SESSION_COMPLETE | SESSION_ABORTED));
        int r;

        if (session->abort_job)
                return bus_error_setf(error, VSS_E_BAD_STATE, "AbortBackup is under way already.");
        r = job_start(session->manager, m, NULL, NULL, &session->abort_job);
        if (r < 0)
                return r;
        /* The copies stay to the end of the session; for the writers the backup is over. */
        if (stands)
                tell_writers_abort(session);
        session_unwind(session, NULL);
        session->facts = session_after(SESSION_CALL_ABORT_BACKUP, session->facts);
        return 0;
}
