/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The snapshot-set state machine: which step comes next
 *
 * Pure: the service tells how a step ended, the machine answers which one to run. Forward steps come in the
 * order of the contract; a failure that fails the set turns to the undo steps: first whatever stands still
 * is let go, then the writers are told, then the providers. Steps with nobody to call are skipped by the
 * service answering at once.
 */

#include <stdbool.h>
#include <stdint.h>

typedef enum SetStep {
        SET_STEP_IDLE,
        SET_STEP_PREPARE_SNAPSHOT, /* writers */
        SET_STEP_END_PREPARE,      /* providers */
        SET_STEP_ARM,              /* hold: started, descriptors open, memory locked */
        SET_STEP_SYNC,             /* volumes: syncfs rounds */
        SET_STEP_FREEZE_FRONT_END, /* writers; the freeze window opens */
        SET_STEP_FREEZE_BACK_END,
        SET_STEP_FREEZE_SYSTEM,
        SET_STEP_FREEZE_SYSTEM_RM,
        SET_STEP_PRE_COMMIT, /* providers */
        SET_STEP_HOLD,       /* hold opens */
        SET_STEP_COMMIT,     /* providers: the point in time */
        SET_STEP_LEASED,  /* lease mode instead of providers' steps: wait for Thaw or the end of the lease */
        SET_STEP_RELEASE, /* hold closes */
        SET_STEP_POST_COMMIT,
        SET_STEP_THAW_SYSTEM_RM, /* writers, in reverse */
        SET_STEP_THAW_SYSTEM,
        SET_STEP_THAW_BACK_END,
        SET_STEP_THAW_FRONT_END, /* the freeze window closes */
        SET_STEP_PRE_FINAL,
        SET_STEP_OPEN_COPIES,   /* those that writers need to write to: a file system has one superblock, so
                                   first */
        SET_STEP_MOUNT,         /* device objects */
        SET_STEP_POST_SNAPSHOT, /* writers */
        SET_STEP_EXCLUDE,       /* nobody writes to the copies any more; what does not belong in them goes */
        SET_STEP_POST_FINAL,
        SET_STEP_DONE,
        SET_STEP_UNDO_RELEASE,
        SET_STEP_UNDO_WRITERS, /* Abort */
        SET_STEP_UNDO_MOUNT,
        SET_STEP_UNDO_PROVIDERS, /* AbortSnapshots */
        SET_STEP_FAILED,
        _SET_STEP_N,
} SetStep;

typedef enum SetMode {
        SET_MODE_SNAPSHOT, /* all but LEASED */
        SET_MODE_LEASE,    /* vss freeze: no providers, no mounts, no PostSnapshot */
} SetMode;

typedef struct SetMachine {
        SetMode mode;
        SetStep step;
        bool undoing;
        uint32_t begun; /* bit per forward step that was entered */
} SetMachine;

#define SET_MACHINE_INIT(m) \
        { .mode = (m), .step = SET_STEP_IDLE }

/* As in timelines: "PrepareForSnapshot", "EndPrepareSnapshots", "arm", "sync", "Freeze (front-end)", "hold",
 * ... */
const char *set_step_name(SetStep step);
/* Does the freeze window / the hold stand open while @step runs? (Or may it: in undo steps.) */
bool set_step_in_freeze_window(SetStep step);
bool set_step_in_hold(SetStep step);

/**
 * set_next() - go on
 * @ok: did the step that was running do what the set needs? (A writer that failed alone is ok.)
 *
 * From IDLE @ok must be true. DONE and FAILED are final. Undo steps go on whatever @ok says; those whose
 * forward step was never begun are left out (providers began with AddToSnapshotSet, so a set always has
 * theirs). Return: the step to run now.
 */
SetStep set_next(SetMachine *machine, bool ok);

/* The set is to end now, whatever is running (cancel, death of the requester, window over): the first undo
 * step. In DONE, FAILED or while undoing nothing changes. */
SetStep set_abort(SetMachine *machine);
