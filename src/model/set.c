/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The snapshot-set state machine: the steps in their order, one row each
 *
 * The enumeration is in the order of the contract, forward steps first, undo steps behind. So going on is to
 * take the next row that the mode has (forward) or that has something to undo.
 */

#include "model/set.h"
#include "util/macro.h"

typedef struct Row {
        const char *name;
        bool lease; /* forward: also without providers */
        bool only_lease;
        SetStep undoes;    /* undo: the first forward step that leaves something to undo */
        bool window, hold; /* stands open while the step runs, or may (undo steps) */
} Row;

static const Row rows[_SET_STEP_N] = {
        [SET_STEP_IDLE] = { .name = "idle" },
        [SET_STEP_PREPARE_SNAPSHOT] = { .name = "PrepareForSnapshot", .lease = true },
        [SET_STEP_END_PREPARE] = { .name = "EndPrepareSnapshots" },
        [SET_STEP_ARM] = { .name = "arm", .lease = true },
        [SET_STEP_SYNC] = { .name = "sync", .lease = true },
        [SET_STEP_FREEZE_FRONT_END] = { .name = "Freeze (front-end)", .lease = true, .window = true },
        [SET_STEP_FREEZE_BACK_END] = { .name = "Freeze (back-end)", .lease = true, .window = true },
        [SET_STEP_FREEZE_SYSTEM] = { .name = "Freeze (system)", .lease = true, .window = true },
        [SET_STEP_FREEZE_SYSTEM_RM] = { .name = "Freeze (resource managers)",
                                        .lease = true,
                                        .window = true },
        [SET_STEP_PRE_COMMIT] = { .name = "PreCommitSnapshots", .window = true },
        [SET_STEP_HOLD] = { .name = "hold", .lease = true, .window = true, .hold = true },
        [SET_STEP_COMMIT] = { .name = "CommitSnapshots", .window = true, .hold = true },
        [SET_STEP_LEASED] = { .name = "leased",
                              .lease = true,
                              .only_lease = true,
                              .window = true,
                              .hold = true },
        [SET_STEP_RELEASE] = { .name = "release", .lease = true, .window = true, .hold = true },
        [SET_STEP_POST_COMMIT] = { .name = "PostCommitSnapshots", .window = true },
        [SET_STEP_THAW_SYSTEM_RM] = { .name = "Thaw (resource managers)", .lease = true, .window = true },
        [SET_STEP_THAW_SYSTEM] = { .name = "Thaw (system)", .lease = true, .window = true },
        [SET_STEP_THAW_BACK_END] = { .name = "Thaw (back-end)", .lease = true, .window = true },
        [SET_STEP_THAW_FRONT_END] = { .name = "Thaw (front-end)", .lease = true, .window = true },
        [SET_STEP_PRE_FINAL] = { .name = "PreFinalCommitSnapshots" },
        [SET_STEP_OPEN_COPIES] = { .name = "open for writers" },
        [SET_STEP_MOUNT] = { .name = "mount" },
        [SET_STEP_POST_SNAPSHOT] = { .name = "PostSnapshot" },
        [SET_STEP_EXCLUDE] = { .name = "exclude" },
        [SET_STEP_POST_FINAL] = { .name = "PostFinalCommitSnapshots" },
        [SET_STEP_DONE] = { .name = "done", .lease = true },
        [SET_STEP_UNDO_RELEASE] = { .name = "release (undo)",
                                    .undoes = SET_STEP_ARM,
                                    .window = true,
                                    .hold = true },
        [SET_STEP_UNDO_WRITERS] = { .name = "Abort", .undoes = SET_STEP_PREPARE_SNAPSHOT, .window = true },
        [SET_STEP_UNDO_MOUNT] = { .name = "unmount", .undoes = SET_STEP_OPEN_COPIES },
        /* Providers began with AddToSnapshotSet, before the machine. */
        [SET_STEP_UNDO_PROVIDERS] = { .name = "AbortSnapshots", .undoes = SET_STEP_IDLE },
        [SET_STEP_FAILED] = { .name = "failed" },
};

const char *set_step_name(SetStep step) {
        return (size_t)step < ELEMENTS(rows) ? rows[step].name : "unknown step";
}

bool set_step_in_freeze_window(SetStep step) {
        return (size_t)step < ELEMENTS(rows) && rows[step].window;
}

bool set_step_in_hold(SetStep step) {
        return (size_t)step < ELEMENTS(rows) && rows[step].hold;
}

static bool is_final(const SetMachine *machine) {
        return machine->step == SET_STEP_DONE || machine->step == SET_STEP_FAILED;
}

static bool in_mode(SetMode mode, SetStep step) {
        return mode == SET_MODE_LEASE ? rows[step].lease : !rows[step].only_lease;
}

static bool to_undo(const SetMachine *machine, SetStep step) {
        if (rows[step].undoes == SET_STEP_IDLE)
                return machine->mode == SET_MODE_SNAPSHOT;
        return machine->begun & (UINT32_C(1) << rows[step].undoes);
}

/* The next undo step behind @step. */
static SetStep undo_from(SetMachine *machine, SetStep step) {
        do
                step++;
        while (step < SET_STEP_FAILED && !to_undo(machine, step));
        machine->step = step;
        return step;
}

SetStep set_abort(SetMachine *machine) {
        if (is_final(machine) || machine->undoing)
                return machine->step;
        machine->undoing = true;
        return undo_from(machine, SET_STEP_DONE);
}

SetStep set_next(SetMachine *machine, bool ok) {
        SetStep step = machine->step;

        if (is_final(machine))
                return step;
        if (machine->undoing)
                return undo_from(machine, step);
        if (!ok)
                return set_abort(machine);

        do
                step++;
        while (!in_mode(machine->mode, step));
        machine->step = step;
        machine->begun |= UINT32_C(1) << step;
        return step;
}
