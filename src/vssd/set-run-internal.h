/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Making a set: what set-run.c (steps, writers, providers) and set-run-storage.c (hold, volumes) share
 */

#include "util/clock.h"
#include "vssd/hold-client.h"
#include "vssd/mounts.h"
#include "vssd/set-run.h"
#include "vssd/worker.h"

/* Undoing: how long a writer may take to answer Abort before it is killed. */
#define SET_RUN_UNDO_USEC (5 * USEC_PER_SEC)
/* A share of the freeze window that is worth being called a limit. */
#define SET_RUN_SHARE_MIN_USEC (500 * USEC_PER_MSEC)

/* A worker of the step that runs. */
typedef struct StepWork StepWork;

struct StepWork {
        StepWork *next;
        SetRun *run;
        size_t index; /* of the volume */
        Worker *worker;
        int fd;
        MountArgs mount;
        uint64_t began_usec;
};

struct SetRun {
        Manager *manager;
        Set *set;
        SetRunOptions options;
        SetMachine machine;
        Calls calls;
        StepWork *works;
        Failure failure;
        vss_value *result;
        int last_instant;

        HoldClient *hold;
        bool hold_open;
        sd_event_source *window, *lease;

        uint64_t began_usec, step_began_usec;
        uint64_t window_began_usec, hold_began_usec, window_usec, hold_usec;
};

void set_run_arm(SetRun *run);
void set_run_sync(SetRun *run);
void set_run_hold(SetRun *run);
void set_run_release(SetRun *run);
void set_run_mount(SetRun *run);
void set_run_unmount(SetRun *run);
void set_run_cancel_works(SetRun *run);
/* The hold no longer stands. */
void set_run_hold_closed(SetRun *run);
/* Turns to the undo steps because of run->failure. The run may be gone afterwards. */
void set_run_fail(SetRun *run);
/* A sentence about what lowered the level most. */
const char *set_run_worst_reason(const vss_value *result);
bool set_step_ends_freeze(SetStep step);
/* Stops or ends the service at a step, in test builds that are asked to. */
void set_run_test_stop(SetStep step);
