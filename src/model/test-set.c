/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the snapshot-set state machine: every walk there is
 */

#include "model/set.h"
#include "util/macro.h"
#include "util/test.h"

/* The walks as the contract has them, by the names that timelines show. */
static const char snapshot_walk[] =
        "PrepareForSnapshot, EndPrepareSnapshots, arm, sync, Freeze (front-end), Freeze (back-end), Freeze "
        "(system), Freeze (resource managers), "
        "PreCommitSnapshots, hold, CommitSnapshots, release, PostCommitSnapshots, Thaw (resource managers), "
        "Thaw (system), Thaw (back-end), "
        "Thaw (front-end), PreFinalCommitSnapshots, open for writers, mount, PostSnapshot, exclude, "
        "PostFinalCommitSnapshots, done, ";
static const char lease_walk[] =
        "PrepareForSnapshot, arm, sync, Freeze (front-end), Freeze (back-end), "
        "Freeze (system), Freeze (resource managers), hold, leased, "
        "release, Thaw (resource managers), Thaw (system), Thaw (back-end), Thaw (front-end), done, ";

static void add_step(char *walk, size_t size, SetStep step) {
        size_t n = strlen(walk);

        (void)snprintf(walk + n, size - n, "%s, ", set_step_name(step));
}

static void test_forward(SetMode mode, const char *label, const char *want) {
        SetMachine m = SET_MACHINE_INIT(mode);
        char walk[1024] = "";

        while (m.step != SET_STEP_DONE)
                add_step(walk, sizeof(walk), set_next(&m, true));
        expect_str(label, walk, want);
        expect_true("done stays done", set_next(&m, true) == SET_STEP_DONE &&
                                               set_next(&m, false) == SET_STEP_DONE &&
                                               set_abort(&m) == SET_STEP_DONE);
}

static bool begun(SetMode mode, SetStep reached, SetStep step) {
        SetMachine m = SET_MACHINE_INIT(mode);

        while (m.step != reached)
                if (set_next(&m, true) == step)
                        return true;
        return false;
}

/* What must be undone once @reached was entered. */
static void wanted_undo(SetMode mode, SetStep reached, char *walk, size_t size) {
        if (begun(mode, reached, SET_STEP_ARM))
                add_step(walk, size, SET_STEP_UNDO_RELEASE);
        if (begun(mode, reached, SET_STEP_PREPARE_SNAPSHOT))
                add_step(walk, size, SET_STEP_UNDO_WRITERS);
        if (begun(mode, reached, SET_STEP_OPEN_COPIES))
                add_step(walk, size, SET_STEP_UNDO_MOUNT);
        if (mode == SET_MODE_SNAPSHOT)
                add_step(walk, size, SET_STEP_UNDO_PROVIDERS);
        add_step(walk, size, SET_STEP_FAILED);
}

/* Goes to @reached, fails there (or is aborted), and goes on, with every undo step ending as @undo_ok says.
 */
static void test_undo(SetMode mode, SetStep reached, bool by_abort, bool undo_ok) {
        SetMachine m = SET_MACHINE_INIT(mode);
        char walk[512] = "", want[512] = "", label[128];
        SetStep step;

        while (m.step != reached)
                (void)set_next(&m, true);
        step = by_abort ? set_abort(&m) : set_next(&m, false);
        for (size_t i = 0; i < _SET_STEP_N; i++) {
                add_step(walk, sizeof(walk), step);
                if (step == SET_STEP_FAILED)
                        break;
                /* A second abort is no new one. */
                if (set_abort(&m) != step)
                        add_step(walk, sizeof(walk), SET_STEP_IDLE);
                step = set_next(&m, undo_ok);
        }
        wanted_undo(mode, reached, want, sizeof(want));
        (void)snprintf(label, sizeof(label), "%s in %s, %s, undo %s", by_abort ? "abort" : "failure",
                       set_step_name(reached), mode == SET_MODE_LEASE ? "lease" : "snapshot",
                       undo_ok ? "ok" : "fails");
        expect_str(label, walk, want);
        expect_true("failed stays failed", set_next(&m, true) == SET_STEP_FAILED &&
                                                   set_next(&m, false) == SET_STEP_FAILED &&
                                                   set_abort(&m) == SET_STEP_FAILED);
}

static void test_undos(SetMode mode) {
        SetMachine m = SET_MACHINE_INIT(mode);

        for (; m.step != SET_STEP_DONE; (void)set_next(&m, true))
                for (unsigned how = 0; how < 4; how++)
                        test_undo(mode, m.step, how & 1, how & 2);
}

/* Written out once more, so that a wrong table does not agree with itself. */
static void test_undo_order(void) {
        SetMachine m = SET_MACHINE_INIT(SET_MODE_SNAPSHOT);

        while (m.step != SET_STEP_POST_FINAL)
                (void)set_next(&m, true);
        expect_int("release first", set_next(&m, false), SET_STEP_UNDO_RELEASE);
        expect_int("then writers", set_next(&m, true), SET_STEP_UNDO_WRITERS);
        expect_int("then mounts", set_next(&m, true), SET_STEP_UNDO_MOUNT);
        expect_int("then providers", set_next(&m, true), SET_STEP_UNDO_PROVIDERS);
        expect_int("then it has failed", set_next(&m, true), SET_STEP_FAILED);

        m = (SetMachine)SET_MACHINE_INIT(SET_MODE_SNAPSHOT);
        (void)set_next(&m, true);
        expect_int("no hold, no release", set_abort(&m), SET_STEP_UNDO_WRITERS);
        expect_int("no mount, no unmount", set_next(&m, true), SET_STEP_UNDO_PROVIDERS);
        m = (SetMachine)SET_MACHINE_INIT(SET_MODE_SNAPSHOT);
        expect_int("volumes were added before the machine began", set_abort(&m), SET_STEP_UNDO_PROVIDERS);
        m = (SetMachine)SET_MACHINE_INIT(SET_MODE_LEASE);
        expect_int("a lease has nothing before it began", set_abort(&m), SET_STEP_FAILED);
}

static void test_windows(void) {
        for (SetStep step = 0; step < _SET_STEP_N; step++) {
                bool window = step >= SET_STEP_FREEZE_FRONT_END && step <= SET_STEP_THAW_FRONT_END;
                bool hold = step >= SET_STEP_HOLD && step <= SET_STEP_RELEASE;

                window = window || step == SET_STEP_UNDO_RELEASE || step == SET_STEP_UNDO_WRITERS;
                hold = hold || step == SET_STEP_UNDO_RELEASE;
                expect_int(set_step_name(step), set_step_in_freeze_window(step), window);
                expect_int("  hold", set_step_in_hold(step), hold);
                for (SetStep other = 0; other < step; other++)
                        if (strcmp(set_step_name(step), set_step_name(other)) == 0)
                                expect_true("  has a name of its own", false);
        }
}

int main(void) {
        test_forward(SET_MODE_SNAPSHOT, "snapshot", snapshot_walk);
        test_forward(SET_MODE_LEASE, "lease", lease_walk);
        test_undos(SET_MODE_SNAPSHOT);
        test_undos(SET_MODE_LEASE);
        test_undo_order();
        test_windows();
        return test_end();
}
