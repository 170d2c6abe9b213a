/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Making a set: what set-run.c (the steps) and the files of its parts share
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
        void *data;  /* of who made it */
        void *owned; /* freed with it */
        uint64_t began_usec;
};

/* A mount of a shadow copy for a writer, or for the service itself. */
typedef struct Handed {
        size_t volume; /* index */
        int fd;        /* -1: there is none (yet) */
        int root;      /* the volume's root in it, where that is not its own; -1: it is */
        bool writable; /* until the copy is complete */
} Handed;

/* What one writer is handed in PostSnapshot. As many as one message of the bus carries; a worker may answer
 * two descriptors for each. */
enum { HANDED_MAX = 16 };

typedef struct Handover {
        struct Handover *next;
        SetRun *run;
        SetWriter *writer;
        size_t n;
        Handed mounts[HANDED_MAX];
} Handover;

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

        /* The time in which the copies can be written to. */
        Handover *handovers;
        Handed own[VSS_VOLUMES_MAX]; /* for what is excluded from the shadow copy */
        size_t n_own;
        size_t n_handed; /* mounts that writers can write to */
        unsigned seal_tries;

        HoldClient *hold;
        bool hold_open;
        bool comes_first; /* before what is not in real time */
        sd_event_source *window, *lease;

        uint64_t began_usec, step_began_usec;
        uint64_t window_began_usec, hold_began_usec, window_usec, hold_usec;
};

void set_run_note_time(SetRun *run, const char *who, uint64_t began, uint64_t took, vss_result code);
uint64_t set_run_window_left(const SetRun *run);
StepWork *set_run_work_new(SetRun *run, size_t index);
/* Takes @work over. A worker that cannot be started fails the set. */
void set_run_work_start(StepWork *work, WorkerMain run_main, void *arg, uint64_t limit_usec,
                        WorkerDone done);
/* First thing in a WorkerDone; the work's end is set_run_work_free(). */
void set_run_work_unlink(StepWork *work);
void set_run_work_free(StepWork *work);

/* set-run-writers.c */
void set_run_prepare_writers(SetRun *run);
void set_run_freeze_writers(SetRun *run, enum vss_application_level level);
void set_run_thaw_writers(SetRun *run, enum vss_application_level level);
void set_run_abort_writers(SetRun *run);
/* If one was lost while it was frozen: what processes of it held that were lost with it. */
void set_run_release_guards(SetRun *run);
/* @handover: with PostSnapshot; may be NULL. */
void set_run_call_writer(SetRun *run, SetWriter *writer, const char *member, uint64_t limit_usec,
                         const Handover *handover);
/* Why is in its failure. @late: it did not answer, and may still do something. */
void set_run_writer_failed(SetRun *run, SetWriter *writer, bool late);

/* set-run-recovery.c: from PreFinal to PostFinal; before all that, who will need it */
void set_run_foresee(SetRun *run);
void set_run_open_copies(SetRun *run);
void set_run_post_writers(SetRun *run);
void set_run_exclude(SetRun *run);
void set_run_drop_handovers(SetRun *run);

/* set-run-cut.c: results of providers. Return: false if the run's failure says what is wrong with them. */
bool set_run_take_cuts(SetRun *run, const Participant *provider, const vss_value *results);
void set_run_take_properties(SetRun *run, const Participant *provider, const vss_value *results);
/* What was suspended by other means than the cut, into the timeline. */
void set_run_note_suspensions(SetRun *run, const CallAnswer *answer, const vss_value *results);
void set_run_note_suspended(SetRun *run, const char *what, uint64_t began, uint64_t took, const char *why);

/* set-run-hold.c */
void set_run_arm(SetRun *run);
void set_run_hold(SetRun *run);
/* Or, where there are devices, cut. */
void set_run_release(SetRun *run);
/* The hold no longer stands. */
void set_run_hold_closed(SetRun *run);

/* set-run-storage.c */
void set_run_sync(SetRun *run);
void set_run_mount(SetRun *run);
/* Told to its provider. The answer: with @volume as its cookie. */
int set_run_set_properties(SetRun *run, SetVolume *volume, const vss_value *properties,
                           CallAnswered answered);
void set_run_unmount(SetRun *run);
void set_run_cancel_works(SetRun *run);
/* Turns to the undo steps because of run->failure. The run may be gone afterwards. */
void set_run_fail(SetRun *run);
/* A sentence about what lowered the level most. */
const char *set_run_worst_reason(const vss_value *result);
bool set_step_ends_freeze(SetStep step);
/* Stops or ends the service at a step, in test builds that are asked to. */
void set_run_test_stop(SetStep step);
