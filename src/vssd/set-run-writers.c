/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making a set: the writers
 */

#include <string.h>
#include "bus/marshal.h"
#include "vssd/answer.h"
#include "vssd/farewell.h"
#include "vssd/log.h"
#include "vssd/needed.h"
#include "vssd/set-run-internal.h"

static const char *event_name(SetStep step) {
        switch (step) {
        case SET_STEP_PREPARE_SNAPSHOT:
                return "PrepareForSnapshot";
        case SET_STEP_FREEZE_FRONT_END:
        case SET_STEP_FREEZE_BACK_END:
        case SET_STEP_FREEZE_SYSTEM:
        case SET_STEP_FREEZE_SYSTEM_RM:
                return "Freeze";
        case SET_STEP_POST_SNAPSHOT:
                return "PostSnapshot";
        default:
                return "Thaw";
        }
}

static enum vss_writer_state failed_state(SetStep step) {
        switch (step) {
        case SET_STEP_PREPARE_SNAPSHOT:
                return VSS_WS_FAILED_AT_PREPARE_SNAPSHOT;
        case SET_STEP_FREEZE_FRONT_END:
        case SET_STEP_FREEZE_BACK_END:
        case SET_STEP_FREEZE_SYSTEM:
        case SET_STEP_FREEZE_SYSTEM_RM:
                return VSS_WS_FAILED_AT_FREEZE;
        case SET_STEP_POST_SNAPSHOT:
                return VSS_WS_FAILED_AT_POST_SNAPSHOT;
        default:
                return VSS_WS_FAILED_AT_THAW;
        }
}

/* A writer that fails before Thaw is aborted alone; the set goes on without its word. Where nothing is held,
 * and it knows by itself that it failed, there is nothing to abort. */
void set_run_writer_failed(SetRun *run, SetWriter *writer, bool late) {
        enum vss_writer_state state = failed_state(run->machine.step);
        bool held = state == VSS_WS_FAILED_AT_FREEZE || state == VSS_WS_FAILED_AT_THAW;
        _cleanup_value_ vss_value *event = NULL;

        writer->state = state;
        writer->frozen = false;
        if (held || late) {
                event = set_event(run->set, run->options.session_id, writer, 0);
                farewell_writer(writer->participant, "Abort", event);
        }
        /* It hangs and may hold an application: what it holds ends with it. */
        if (held && late)
                participant_kill(writer->participant, failure_message(&writer->failure));
}

static void writer_succeeded(SetRun *run, SetWriter *writer) {
        switch (run->machine.step) {
        case SET_STEP_PREPARE_SNAPSHOT:
                writer->state = VSS_WS_WAITING_FOR_FREEZE;
                break;
        case SET_STEP_FREEZE_FRONT_END:
        case SET_STEP_FREEZE_BACK_END:
        case SET_STEP_FREEZE_SYSTEM:
        case SET_STEP_FREEZE_SYSTEM_RM:
                writer->state = VSS_WS_WAITING_FOR_THAW;
                writer->frozen = true;
                break;
        case SET_STEP_THAW_SYSTEM_RM:
        case SET_STEP_THAW_SYSTEM:
        case SET_STEP_THAW_BACK_END:
        case SET_STEP_THAW_FRONT_END:
                writer->state = VSS_WS_WAITING_FOR_POST_SNAPSHOT;
                writer->was_frozen = true;
                writer->frozen = false;
                break;
        case SET_STEP_POST_SNAPSHOT:
                writer->state = VSS_WS_WAITING_FOR_BACKUP_COMPLETE;
                break;
        default: /* aborted */
                writer->state = writer->failure.code < 0 ? writer->state : VSS_WS_STABLE;
                writer->frozen = false;
        }
}

static void on_writer(void *userdata, const CallAnswer *answer) {
        SetRun *run = userdata;
        SetWriter *writer = answer->cookie;

        set_run_note_time(run, writer->participant->name, answer->began_usec, answer->took_usec,
                          answer->result);
        /* Held as an application sees it: from when it was asked to freeze to when it said it had thawed. */
        if (writer->frozen_usec > 0 && set_step_ends_freeze(run->machine.step))
                writer->held_usec = now_usec() - writer->frozen_usec;
        if (run->machine.step == SET_STEP_UNDO_WRITERS && answer->late)
                participant_kill(writer->participant, answer->message);
        else if (run->machine.step == SET_STEP_UNDO_WRITERS ||
                 answer_take(writer, event_name(run->machine.step), answer))
                writer_succeeded(run, writer);
        else
                set_run_writer_failed(run, writer, answer->late);
}

/* The mounts that go with PostSnapshot: roots of volumes, and what was opened for this writer. */
static int append_mounts(sd_bus_message *m, const SetRun *run, const Handover *handover) {
        int r = sd_bus_message_open_container(m, 'a', "{sh}");

        for (size_t i = 0; r >= 0 && handover && i < handover->n; i++) {
                const Handed *handed = &handover->mounts[i];

                if (handed->fd >= 0)
                        r = sd_bus_message_append(m, "{sh}", run->set->volumes[handed->volume].volume->path,
                                                  handed->root >= 0 ? handed->root : handed->fd);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

void set_run_call_writer(SetRun *run, SetWriter *writer, const char *member, uint64_t limit_usec,
                         const Handover *handover) {
        _cleanup_value_ vss_value *event = set_event(run->set, run->options.session_id, writer, limit_usec);
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = event ? participant_message(writer->participant, member, &m) : -ENOMEM;

        /* How long it may hold at most, if nobody ever says Thaw. */
        if (r >= 0 && set_step_in_freeze_window(run->machine.step))
                r = vss_value_set_integer(event, "lease-ms",
                                          (int64_t)(set_run_window_left(run) / USEC_PER_MSEC + 1));
        /* Whom it must not stop, whatever it stops. */
        if (r >= 0 && run->machine.step == SET_STEP_PREPARE_SNAPSHOT)
                r = vss_value_set(event, "needed", needed_list(run->set)) < 0 ? -ENOMEM : 0;
        if (r >= 0)
                r = marshal_append_dict(m, event);
        if (r >= 0 && run->machine.step == SET_STEP_POST_SNAPSHOT)
                r = append_mounts(m, run, handover);
        if (r >= 0)
                r = calls_add(&run->calls, writer->participant, m, limit_usec, on_writer, writer);
        if (r < 0) {
                failure_set_first(&writer->failure, VSS_E_UNEXPECTED, writer->participant->name,
                                  "%s cannot be called: %s", writer->participant->name, strerror(-r));
                set_run_writer_failed(run, writer, false);
        }
        writer->told = true;
}

/* A writer that hangs must be given up alone, while the window still has time for all the others. Near the
 * end it is the window's timer that acts: nobody is late, and killed, for having been asked late. */
static uint64_t writer_share(uint64_t left_usec) {
        return left_usec / 2 >= SET_RUN_SHARE_MIN_USEC ? left_usec / 2 : SET_RUN_UNDO_USEC;
}

static uint64_t freeze_limit(const SetRun *run, const SetWriter *writer) {
        int64_t own_ms = vss_value_get_integer(writer->participant->info, "freeze-timeout-ms", 0);
        uint64_t left = writer_share(MIN(set_run_window_left(run), run->manager->settings.freeze_usec));

        return own_ms > 0 ? MIN((uint64_t)own_ms * 1000, left) : left;
}

void set_run_prepare_writers(SetRun *run) {
        for (size_t i = 0; i < run->set->n_writers; i++) {
                SetWriter *writer = &run->set->writers[i];

                if (set_calls_writer(writer) && writer->failure.code >= 0)
                        set_run_call_writer(run, writer, "PrepareForSnapshot",
                                            run->manager->settings.writer_usec, NULL);
        }
}

void set_run_freeze_writers(SetRun *run, enum vss_application_level level) {
        for (size_t i = 0; i < run->set->n_writers; i++) {
                SetWriter *writer = &run->set->writers[i];

                if (!set_calls_writer(writer) || writer->failure.code < 0 || writer->level != level)
                        continue;
                writer->frozen_usec = now_usec();
                set_run_call_writer(run, writer, "Freeze", freeze_limit(run, writer), NULL);
        }
}

void set_run_thaw_writers(SetRun *run, enum vss_application_level level) {
        for (size_t i = 0; i < run->set->n_writers; i++) {
                SetWriter *writer = &run->set->writers[i];

                if (writer->frozen && writer->level == level)
                        set_run_call_writer(run, writer, "Thaw", writer_share(set_run_window_left(run)),
                                            NULL);
        }
}

void set_run_release_guards(SetRun *run) {
        for (size_t i = 0; i < run->set->n_writers; i++) {
                enum vss_writer_state state = run->set->writers[i].state;

                if (state != VSS_WS_FAILED_AT_FREEZE && state != VSS_WS_FAILED_AT_THAW)
                        continue;
                if (hold_release_guards(run->manager) < 0)
                        log_error("what %s held cannot be looked at",
                                  run->set->writers[i].participant->name);
                return;
        }
}

/* All that heard of this set: one that failed already was told alone. */
void set_run_abort_writers(SetRun *run) {
        for (size_t i = 0; i < run->set->n_writers; i++) {
                SetWriter *writer = &run->set->writers[i];

                if (writer->takes_part && writer->told && writer->failure.code >= 0)
                        set_run_call_writer(run, writer, "Abort", SET_RUN_UNDO_USEC, NULL);
        }
}
