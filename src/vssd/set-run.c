/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making a set
 *
 * The pure machine says which step comes next; here each step is carried out: calls to writers and providers
 * side by side, workers for what can block, the hold. A step ends when all of it has ended, was late or
 * failed; then the machine is asked again. Whatever goes wrong, wherever, goes through set_run_abort(): let
 * go first, tell afterwards.
 */

#include <sched.h>
#include <string.h>
#include "bus/marshal.h"
#include "util/clock.h"
#include "vssd/catalog.h"
#include "vssd/door.h"
#include "vssd/farewell.h"
#include "vssd/log.h"
#include "vssd/set-run-internal.h"

static void enter(SetRun *run, SetStep step);

void set_run_note_time(SetRun *run, const char *who, uint64_t began, uint64_t took, vss_result code) {
        vss_value *entry = vss_value_new_dict();

        (void)vss_value_set_string(entry, "step", set_step_name(run->machine.step));
        (void)vss_value_set_string(entry, "who", who);
        (void)vss_value_set_integer(entry, "at-usec", (int64_t)(began - run->began_usec));
        (void)vss_value_set_integer(entry, "took-usec", (int64_t)took);
        (void)vss_value_set_integer(entry, "code", code);
        (void)vss_value_append(value_require(run->result, "timeline", VSS_KIND_LIST), entry);
}

/* Priority */

/* While applications stand still for us, what runs on does not come first. Whoever may not have this does
 * without, and what is started meanwhile does not inherit it. Before the hold, which has the same, we do not
 * come for longer than a turn. */
static void come_first(SetRun *run) {
        static const struct sched_param first = { .sched_priority = 1 };

        run->comes_first = sched_getscheduler(0) == SCHED_OTHER &&
                           sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first) == 0;
}

static void come_as_usual(SetRun *run) {
        static const struct sched_param usual = { .sched_priority = 0 };

        if (run->comes_first)
                (void)sched_setscheduler(0, SCHED_OTHER, &usual);
        run->comes_first = false;
}

/* The end */

static SetRun *run_free(SetRun *run) {
        come_as_usual(run);
        calls_cancel(&run->calls);
        set_run_cancel_works(run);
        set_run_drop_handovers(run);
        hold_client_free(run->hold);
        sd_event_source_disable_unref(run->window);
        sd_event_source_disable_unref(run->lease);
        vss_value_free(run->result);
        failure_clear(&run->failure);
        free(run);
        return NULL;
}

static void tell_times(SetRun *run) {
        (void)vss_value_set_integer(run->result, "freeze-window-usec", (int64_t)run->window_usec);
        (void)vss_value_set_integer(run->result, "hold-usec", (int64_t)run->hold_usec);
        if (run->options.mode == SET_MODE_LEASE)
                (void)vss_value_set_integer(run->result, "held-usec", (int64_t)run->window_usec);
        (void)vss_value_set_integer(run->result, "began-usec", (int64_t)run->began_usec);
        (void)vss_value_set_integer(run->result, "total-usec", (int64_t)(now_usec() - run->began_usec));
}

static void finish(SetRun *run) {
        Manager *manager = run->manager;

        if (run->hold_open)
                set_run_hold_closed(run);
        manager->run = NULL;
        tell_times(run);
        if (run->failure.code < 0)
                (void)vss_value_set(run->result, "writers", set_writer_status(run->set));
        run->options.done(run->options.userdata, &run->failure, run->result);
        run_free(run);
}

/* The level is decided when all facts are in, and while everything can still be taken back. */
static void check_level(SetRun *run) {
        enum vss_level level = set_judge(run->set, run->result);

        if (level < run->options.require)
                failure_set_first(&run->failure, VSS_E_LEVEL_NOT_REACHED, "",
                                  "The set reached level %s, and %s was required. %s", vss_level_name(level),
                                  vss_level_name(run->options.require), set_run_worst_reason(run->result));
}

static void on_step_done(void *userdata) {
        SetRun *run = userdata;
        SetStep step = run->machine.step;

        set_run_note_time(run, "", run->step_began_usec, now_usec() - run->step_began_usec,
                          run->machine.undoing ? VSS_S_OK : run->failure.code);
        if (step == SET_STEP_THAW_FRONT_END || step == SET_STEP_UNDO_WRITERS) {
                run->window = sd_event_source_disable_unref(run->window);
                if (run->window_began_usec > 0 && run->window_usec == 0)
                        run->window_usec = now_usec() - run->window_began_usec;
                come_as_usual(run);
                set_run_release_guards(run);
        }
        if (step == SET_STEP_POST_FINAL && run->failure.code >= 0)
                check_level(run);
        enter(run, set_next(&run->machine, run->failure.code >= 0));
}

void set_run_fail(SetRun *run) {
        SetStep before = run->machine.step, step;

        calls_cancel(&run->calls);
        set_run_cancel_works(run);
        step = set_abort(&run->machine);
        if (step != before)
                enter(run, step);
}

void set_run_abort(SetRun *run, const Failure *why) {
        if (run->machine.undoing)
                return;
        failure_set_first(&run->failure, why->code, failure_culprit(why), "%s", failure_message(why));
        set_run_fail(run);
}

/* The limits */

static uint64_t window_limit(const SetRun *run) {
        const Settings *settings = &run->manager->settings;

        return settings->freeze_usec +
               (run->options.mode == SET_MODE_LEASE ? settings->lease_freeze_usec : 0);
}

static uint64_t hold_left(const SetRun *run) {
        uint64_t used = now_usec() - run->hold_began_usec, limit = run->manager->settings.hold_usec;

        return used < limit ? limit - used : 1;
}

uint64_t set_run_window_left(const SetRun *run) {
        uint64_t used = now_usec() - run->window_began_usec, limit = window_limit(run);

        return used < limit ? limit - used : 1;
}

/* A provider's failure fails the set; but it is to be named before the window, or the hold, is over. */
static uint64_t provider_share(uint64_t left_usec) {
        return left_usec - left_usec / 8;
}

/* Providers */

/* What one provider names of its copies. */
#define LEFT_OUT_MAX 4096u

/* What was wanted and is not in a copy: list of {snapshot, path, reason}. */
static void take_left_out(SetRun *run, const Participant *provider, const vss_value *list) {
        for (size_t i = 0; i < vss_value_count(list) && i < LEFT_OUT_MAX; i++) {
                const vss_value *left = vss_value_at(list, i);
                SetVolume *volume = set_find_snapshot(run->set, vss_value_get_string(left, "snapshot", ""));
                vss_value *told;

                if (!volume || strcmp(volume->provider->bus_name, provider->bus_name) != 0)
                        continue;
                told = vss_value_new_dict();
                (void)vss_value_set_string(told, "path", vss_value_get_string(left, "path", ""));
                (void)vss_value_set_string(told, "reason", vss_value_get_string(left, "reason", ""));
                (void)vss_value_append(value_require(volume->properties, "left-out", VSS_KIND_LIST), told);
        }
}

/* Which of its copies share one instant, and whether they are copies at all. */
static void take_instants(SetRun *run, const Participant *provider, const vss_value *results) {
        const vss_value *groups = vss_value_get(results, "one-instant");

        take_left_out(run, provider, vss_value_get(results, "left-out"));
        if (vss_value_get_boolean(results, "no-copy", false))
                for (size_t i = 0; i < run->set->n_volumes; i++)
                        if (strcmp(run->set->volumes[i].provider->bus_name, provider->bus_name) == 0)
                                run->set->volumes[i].no_copy = true;
        for (size_t i = 0; i < vss_value_count(groups); i++) {
                const vss_value *group = vss_value_at(groups, i);

                run->last_instant++;
                for (size_t k = 0; k < vss_value_count(group); k++) {
                        SetVolume *volume = set_find_snapshot(run->set,
                                                              vss_value_string(vss_value_at(group, k), ""));

                        if (volume)
                                volume->instant = run->last_instant;
                }
        }
}

/* Return: false if the run's failure says what is wrong with what it says. */
static bool take_results(SetRun *run, const CallAnswer *answer) {
        _cleanup_value_ vss_value *results = NULL;
        SetStep step = run->machine.step;

        if (step != SET_STEP_END_PREPARE && step != SET_STEP_POST_FINAL)
                return true;
        if (marshal_read_dict(answer->reply, &results) < 0) {
                failure_set_first(&run->failure, VSS_E_UNEXPECTED_PROVIDER_ERROR, answer->participant->name,
                                  "%s answered %s with what is no dictionary of results.",
                                  answer->participant->name, set_step_name(step));
                return false;
        }
        set_run_note_suspensions(run, answer, results);
        set_run_take_properties(run, answer->participant, results);
        if (step == SET_STEP_END_PREPARE)
                return set_run_take_cuts(run, answer->participant, results);
        take_instants(run, answer->participant, results);
        return true;
}

static void on_provider(void *userdata, const CallAnswer *answer) {
        SetRun *run = userdata;

        set_run_note_time(run, answer->participant->name, answer->began_usec, answer->took_usec,
                          answer->result);
        if (answer->late)
                participant_kill(answer->participant, answer->message);
        if (answer->result >= 0) {
                if (!take_results(run, answer))
                        set_run_fail(run);
                return;
        }
        if (run->machine.step == SET_STEP_UNDO_PROVIDERS &&
            set_abort_again(run->set, &run->calls, answer, on_provider))
                return;
        if (run->machine.undoing) {
                log_error("%s could not take set %s back: %s", answer->participant->name, run->set->id,
                          answer->message);
                return;
        }
        /* Its limit is the hold's, and either may be noticed first: it is one failure. */
        failure_set_first(
                &run->failure, answer->late && run->hold_open ? VSS_E_HOLD_WRITES_TIMEOUT : answer->result,
                answer->participant->name, "%s", answer->message ?: vss_result_text(answer->result));
        set_run_fail(run);
}

/* One call each, for all its volumes. */
static void call_providers(SetRun *run, const char *member, uint64_t limit_usec) {
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                Participant *provider = run->set->volumes[i].provider;
                _cleanup_message_ sd_bus_message *m = NULL;
                int r;

                if (!set_is_first_of_provider(run->set, i))
                        continue;
                r = participant_message(provider, member, &m);
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", run->set->id);
                if (r >= 0 && run->machine.step == SET_STEP_POST_COMMIT)
                        r = sd_bus_message_append(m, "u", (uint32_t)run->set->n_volumes);
                if (r >= 0)
                        r = calls_add_step(&run->calls, provider, run->set->id, m, limit_usec, on_provider,
                                           NULL);
                if (r < 0)
                        failure_set_first(&run->failure, VSS_E_UNEXPECTED, provider->name,
                                          "%s cannot be called: %s", provider->name, strerror(-r));
        }
}

/* The freeze window */

static int on_window_over(sd_event_source *source, uint64_t usec, void *userdata) {
        SetRun *run = userdata;
        const char *step = set_step_name(run->machine.step);
        Failure failure = { 0 };
        char late[256];

        calls_name_pending(&run->calls, late, sizeof(late));
        failure_set(
                &failure, VSS_E_WRITERERROR_TIMEOUT, *late ? late : step,
                "The freeze window was over after %.0f s, in %s%s%s; everything was thawed. Try again at "
                "less load.",
                (double)run->manager->settings.freeze_usec / (double)USEC_PER_SEC, step,
                *late ? ", which was not answered by " : "", late);
        set_run_abort(run, &failure);
        failure_clear(&failure);
        return 0;
}

static void open_window(SetRun *run) {
        int r;

        come_first(run);
        run->window_began_usec = now_usec();
        r = sd_event_add_time_relative(run->manager->event, &run->window, CLOCK_MONOTONIC, window_limit(run),
                                       10 * USEC_PER_MSEC, on_window_over, run);
        if (r < 0)
                failure_set_first(&run->failure, VSS_E_OUTOFMEMORY, "",
                                  "The freeze window cannot be timed: %s", strerror(-r));
}

/* Lease mode */

static int on_lease_over(sd_event_source *source, uint64_t usec, void *userdata) {
        SetRun *run = userdata;

        (void)vss_value_set_boolean(run->result, "held-to-the-end", false);
        log_warning("the lease of a freeze is over; everything is thawed");
        set_run_thaw(run);
        return 0;
}

int set_run_renew(SetRun *run, uint64_t usec) {
        int r;

        run->lease = sd_event_source_disable_unref(run->lease);
        r = sd_event_add_time_relative(run->manager->event, &run->lease, CLOCK_MONOTONIC, usec,
                                       10 * USEC_PER_MSEC, on_lease_over, run);
        if (r >= 0 && run->hold_open)
                r = hold_client_renew(run->hold, usec);
        return r;
}

static void begin_lease(SetRun *run) {
        int r = set_run_renew(run, run->options.lease_usec);

        if (r < 0) {
                failure_set_first(&run->failure, VSS_E_OUTOFMEMORY, "", "The lease cannot be timed: %s",
                                  strerror(-r));
                set_run_fail(run);
                return;
        }
        (void)vss_value_set_boolean(run->result, "held-to-the-end", true);
        run->options.leased(run->options.userdata);
}

void set_run_thaw(SetRun *run) {
        if (run->machine.step != SET_STEP_LEASED)
                return;
        run->lease = sd_event_source_disable_unref(run->lease);
        on_step_done(run);
}

bool set_run_is_leased(const SetRun *run) {
        return run->machine.step == SET_STEP_LEASED;
}

bool set_run_needs_quiet(const SetRun *run, const Participant *provider) {
        SetStep step = run->machine.step;

        if (run->hold_open || set_step_in_hold(step))
                return true;
        if (!run->machine.undoing && (step < SET_STEP_END_PREPARE || step > SET_STEP_POST_COMMIT))
                return false;
        for (size_t i = 0; i < run->set->n_volumes; i++)
                if (run->set->volumes[i].provider &&
                    strcmp(run->set->volumes[i].provider->bus_name, provider->bus_name) == 0)
                        return true;
        return false;
}

void set_run_forget_job(SetRun *run) {
        run->options.job = NULL;
}

/* Steps */

static void carry_out(SetRun *run, SetStep step) {
        const Settings *settings = &run->manager->settings;

        switch (step) {
        case SET_STEP_PREPARE_SNAPSHOT:
                set_run_prepare_writers(run);
                set_run_foresee(run);
                break;
        case SET_STEP_END_PREPARE:
                call_providers(run, "EndPrepareSnapshots", settings->provider_usec);
                break;
        case SET_STEP_ARM:
                set_run_arm(run);
                break;
        case SET_STEP_SYNC:
                set_run_sync(run);
                break;
        case SET_STEP_FREEZE_FRONT_END:
                open_window(run);
                set_run_freeze_writers(run, VSS_APP_FRONT_END);
                break;
        case SET_STEP_FREEZE_BACK_END:
                set_run_freeze_writers(run, VSS_APP_BACK_END);
                break;
        case SET_STEP_FREEZE_SYSTEM:
                set_run_freeze_writers(run, VSS_APP_SYSTEM);
                break;
        case SET_STEP_FREEZE_SYSTEM_RM:
                set_run_freeze_writers(run, VSS_APP_SYSTEM_RM);
                break;
        case SET_STEP_PRE_COMMIT:
                call_providers(run, "PreCommitSnapshots", provider_share(set_run_window_left(run)));
                break;
        case SET_STEP_HOLD:
                set_run_hold(run);
                break;
        case SET_STEP_COMMIT:
                call_providers(run, "CommitSnapshots",
                               provider_share(run->hold_open ? hold_left(run) : set_run_window_left(run)));
                break;
        case SET_STEP_RELEASE:
        case SET_STEP_UNDO_RELEASE:
                set_run_release(run);
                break;
        case SET_STEP_POST_COMMIT:
                call_providers(run, "PostCommitSnapshots", provider_share(set_run_window_left(run)));
                break;
        case SET_STEP_THAW_SYSTEM_RM:
                set_run_thaw_writers(run, VSS_APP_SYSTEM_RM);
                break;
        case SET_STEP_THAW_SYSTEM:
                set_run_thaw_writers(run, VSS_APP_SYSTEM);
                break;
        case SET_STEP_THAW_BACK_END:
                set_run_thaw_writers(run, VSS_APP_BACK_END);
                break;
        case SET_STEP_THAW_FRONT_END:
                set_run_thaw_writers(run, VSS_APP_FRONT_END);
                break;
        case SET_STEP_PRE_FINAL:
                call_providers(run, "PreFinalCommitSnapshots", settings->provider_usec);
                break;
        case SET_STEP_OPEN_COPIES:
                set_run_open_copies(run);
                break;
        case SET_STEP_MOUNT:
                set_run_mount(run);
                break;
        case SET_STEP_POST_SNAPSHOT:
                set_run_post_writers(run);
                break;
        case SET_STEP_EXCLUDE:
                set_run_exclude(run);
                break;
        case SET_STEP_POST_FINAL:
                set_run_drop_handovers(run);
                call_providers(run, "PostFinalCommitSnapshots", settings->provider_usec);
                break;
        case SET_STEP_UNDO_WRITERS:
                set_run_abort_writers(run);
                break;
        case SET_STEP_UNDO_MOUNT:
                set_run_unmount(run);
                break;
        case SET_STEP_UNDO_PROVIDERS:
                set_abort_providers(run->set, &run->calls, on_provider);
                break;
        default:
                break;
        }
}

static void enter(SetRun *run, SetStep step) {
        if (step == SET_STEP_DONE || step == SET_STEP_FAILED) {
                finish(run);
                return;
        }
        run->step_began_usec = now_usec();
        if (step == SET_STEP_LEASED) {
                begin_lease(run);
                return;
        }
        /* Between Freeze and Thaw the requester can wait for its progress. */
        if (!set_step_in_freeze_window(step))
                job_progress(run->options.job, set_step_name(step), "");
        set_run_test_stop(step);
        calls_begin(&run->calls, on_step_done, run);
        carry_out(run, step);
        calls_drop(&run->calls);
}

int set_run_start(Manager *manager, Set *set, const SetRunOptions *options, SetRun **ret_run) {
        SetRun *run = calloc(1, sizeof(*run));

        if (!run)
                return -ENOMEM;
        *run = (SetRun){ .manager = manager,
                         .set = set,
                         .options = *options,
                         .machine = SET_MACHINE_INIT(options->mode),
                         .result = vss_value_new_dict(),
                         .began_usec = now_usec() };
        if (!run->result) {
                run_free(run);
                return -ENOMEM;
        }
        manager->run = run;
        *ret_run = run;
        enter(run, set_next(&run->machine, true));
        return 0;
}
