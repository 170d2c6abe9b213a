/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: sets that come to no good end
 *
 * At every step: AbortSnapshots, another set, and SIGKILL, after which the new process has to be able to
 * take back what the old one has begun. What is left behind is found by the traces around each.
 */

#include <string.h>
#include "testers/provider/conformance.h"

bool sample_take(Test *test, unsigned *n_left, unsigned *n_wanted) {
        unsigned left = (*n_left)--;

        if (test->sample == 0)
                return true;
        if (*n_wanted == 0 || (unsigned)rand_r(&test->seed) % left >= *n_wanted)
                return false;
        (*n_wanted)--;
        return true;
}

void check_abort(Test *test) {
        _cleanup_(freep) char *before = traces_list(test);
        unsigned left = _STEP_N - STEP_BEGIN, wanted = test->sample;

        for (Step step = STEP_BEGIN; step < _STEP_N; step++) {
                TestSet set;

                if (!sample_take(test, &left, &wanted))
                        continue;

                if (set_init(test, 0, MIN(test->n_volumes, 2u), &set) && set_advance(&set, step)) {
                        set.hold = hold_free(set.hold);
                        (void)point_result(test, set_abort(test, set.id), VSS_S_OK,
                                           "AbortSnapshots after %s", step_name(step));
                        traces_point(test, before, "a set that ended after %s leaves nothing behind",
                                     step_name(step));
                        (void)point_result(test, set_abort(test, set.id), VSS_S_OK, "AbortSnapshots, again");
                } else
                        (void)set_abort(test, set.id);
                set_done(&set);
        }
}

void check_abandon(Test *test) {
        _cleanup_(freep) char *before = traces_list(test);
        _cleanup_value_ vss_value *list = NULL;
        TestSet first, second = { 0 };

        if (set_init(test, 0, 1, &first) && set_advance(&first, STEP_BEGIN) &&
            set_init(test, 0, 1, &second) && set_advance(&second, STEP_POST_FINAL)) {
                (void)point(test, true, "another set begins while one is prepared, and is made");
                if (provider_query(test, &list) >= 0)
                        (void)point(test, !provider_find(list, first.copies[0].id),
                                    "the first is abandoned");
                (void)point_result(test, provider_call(test, "EndPrepareSnapshots", "s", first.id),
                                   VSS_E_PROVIDER_VETO, "and cannot go on");
                (void)point_result(test, set_delete(test, second.copies[0].id), VSS_S_OK, "DeleteSnapshot");
        }
        (void)set_abort(test, first.id);
        if (second.test)
                (void)set_abort(test, second.id);
        set_done(&first);
        set_done(&second);
        traces_point(test, before, "an abandoned set leaves nothing behind");
}

/* Whatever of the set the new process lists is deleted one by one. */
static void delete_listed(Test *test, const TestSet *set) {
        _cleanup_value_ vss_value *list = NULL;

        if (!point_result(test, provider_query(test, &list), VSS_S_OK, "Query of the process after it"))
                return;
        for (size_t i = 0; i < set->n_copies; i++)
                if (provider_find(list, set->copies[i].id))
                        (void)point_result(test, set_delete(test, set->copies[i].id), VSS_S_OK,
                                           "DeleteSnapshot of the remains");
}

static void kill_after(Test *test, Step step, bool no_cut, bool by_delete) {
        _cleanup_(freep) char *before = traces_list(test);
        TestSet set;

        if (set_init(test, 0, MIN(test->n_volumes, 2u), &set)) {
                set.no_cut = no_cut;
                if (set_advance(&set, step) && point(test, provider_kill(test), "killed after %s%s",
                                                     step_name(step), no_cut ? ", before the cut" : "")) {
                        set.hold = hold_free(set.hold);
                        if (by_delete)
                                delete_listed(test, &set);
                        else
                                (void)point_result(test, set_abort(test, set.id), VSS_S_OK,
                                                   "AbortSnapshots by the process after it");
                        traces_point(test, before,
                                     "a set whose provider was killed after %s, and that was %s, leaves "
                                     "nothing behind",
                                     step_name(step), by_delete ? "deleted" : "aborted");
                }
                (void)set_abort(test, set.id);
        }
        set_done(&set);
}

void check_kill(Test *test) {
        pid_t pid = provider_pid(test);

        if (pid > 0 && provider_kill(test) && provider_get_info(test, &(vss_value *){ NULL }) < 0) {
                point_skipped(test, "the bus cannot start it again", "its process is killed at every step");
                return;
        }
        for (int by_delete = 0; by_delete <= 1; by_delete++) {
                unsigned left = _STEP_N - STEP_BEGIN + 1, wanted = test->sample;

                for (Step step = STEP_BEGIN; step < _STEP_N; step++) {
                        if (sample_take(test, &left, &wanted))
                                kill_after(test, step, false, by_delete);
                        if (step == STEP_COMMIT && sample_take(test, &left, &wanted))
                                kill_after(test, step, true, by_delete);
                }
        }
}
