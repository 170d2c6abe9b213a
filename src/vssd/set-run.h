/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Making a set: the steps of model/set.h carried out
 */

#include "model/set.h"
#include "vssd/job.h"
#include "vssd/set.h"

typedef struct SetRun SetRun;

/* The end. @failure has code 0 if the set stands; @result is a dictionary in any case. The run is freed
 * afterwards. */
typedef void (*SetRunDone)(void *userdata, const Failure *failure, vss_value *result);
/* In lease mode: everything stands still. */
typedef void (*SetRunLeased)(void *userdata);

typedef struct SetRunOptions {
        SetMode mode;
        const char *session_id;
        Job *job; /* for progress; may be NULL */
        enum vss_level require;
        uint64_t lease_usec;
        SetRunDone done;
        SetRunLeased leased;
        void *userdata;
} SetRunOptions;

/* Return: 0 or a negative errno; @done is not called then. */
int set_run_start(Manager *manager, Set *set, const SetRunOptions *options, SetRun **ret_run);
/* End it now: what stands still is let go first. @done comes with @why. */
void set_run_abort(SetRun *run, const Failure *why);
/* In lease mode, while it stands still. */
void set_run_thaw(SetRun *run);
/* From now on another job, or none, is told of progress. */
void set_run_forget_job(SetRun *run);
/* In lease mode: @usec from now on. Return: 0 or a negative errno. */
int set_run_renew(SetRun *run, uint64_t usec);
bool set_run_is_leased(const SetRun *run);
/* Something is held, or a set of @provider waits for its cut, or for the end of it: it is not to be asked
 * for anything else. */
bool set_run_needs_quiet(const SetRun *run, const Participant *provider);
