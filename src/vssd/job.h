/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Jobs: long calls, answered at once with an object that reports later
 */

#include <systemd/sd-bus.h>
#include "util/value.h"
#include "vssd/failure.h"

struct Manager;
typedef struct Job Job;

typedef void (*JobCancel)(void *userdata);

struct Job {
        struct Manager *manager;
        Job *next, *previous;
        char path[64];
        char *owner; /* the unique name that signals go to */
        sd_bus_slot *slot;
        JobCancel cancel; /* NULL: cannot be cancelled */
        void *userdata;
        bool cancelled;
};

/**
 * job_start() - answer @call with a new job
 * Return: 0 or a negative errno; the call is not answered then.
 */
int job_start(struct Manager *manager, sd_bus_message *call, JobCancel cancel, void *userdata,
              Job **ret_job);
void job_progress(Job *job, const char *step, const char *who);
/* Tells the owner and frees the job. NULL is accepted: work that nobody waits for. @result may be NULL. */
void job_done(Job *job, const Failure *failure, const vss_value *result);
/* As job_done() with VSS_S_ASYNC_CANCELLED if the job was cancelled, else with @failure. */
void job_failed(Job *job, const Failure *failure);
