/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Jobs
 *
 * A job lives from the call that made it to its Done signal. It ends when the work has ended, not when its
 * owner is gone: sessions see to that.
 */

#include <inttypes.h>
#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "vssd/job.h"
#include "vssd/log.h"
#include "vssd/manager.h"

enum { JOBS_MAX = 64 };

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Job *job = userdata;

        if (strcmp(sd_bus_message_get_sender(m), job->owner) != 0)
                return bus_error_setf(error, VSS_E_ACCESSDENIED, "Only the owner of a job may cancel it.");
        if (!job->cancel)
                return bus_error_setf(error, VSS_E_NOT_SUPPORTED,
                                      "This job is short and cannot be cancelled.");
        if (!job->cancelled) {
                job->cancelled = true;
                job->cancel(job->userdata);
        }
        return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Cancel", "", "", method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_NAMES("Progress", "a{sv}", SD_BUS_PARAM(progress), 0),
        SD_BUS_SIGNAL_WITH_NAMES(
                "Done", "issa{sv}",
                SD_BUS_PARAM(code) SD_BUS_PARAM(culprit) SD_BUS_PARAM(message) SD_BUS_PARAM(result), 0),
        SD_BUS_VTABLE_END,
};

static Job *job_free(Job *job) {
        if (!job)
                return NULL;
        if (job->previous)
                job->previous->next = job->next;
        else if (job->manager->jobs == job)
                job->manager->jobs = job->next;
        if (job->next)
                job->next->previous = job->previous;
        sd_bus_slot_unref(job->slot);
        free(job->owner);
        free(job);
        return NULL;
}

DEFINE_CLEANUP(Job *, job_free)

/* What one connection may have under way: each job has workers and calls of its own. */
static bool has_enough(const struct Manager *manager, const char *owner) {
        size_t n = 0;

        for (const Job *job = manager->jobs; job; job = job->next)
                n += strcmp(job->owner, owner) == 0;
        return n >= JOBS_MAX;
}

int job_start(struct Manager *manager, sd_bus_message *call, JobCancel cancel, void *userdata,
              Job **ret_job) {
        _cleanup_(job_freep) Job *job = calloc(1, sizeof(*job));
        int r;

        if (!job)
                return -ENOMEM;
        *job = (Job){ .manager = manager, .cancel = cancel, .userdata = userdata };
        if (has_enough(manager, sd_bus_message_get_sender(call)))
                return -EBUSY;
        (void)snprintf(job->path, sizeof(job->path), BUS_PATH_JOB "/%" PRIu64, ++manager->last_job);
        job->owner = strdup(sd_bus_message_get_sender(call));
        if (!job->owner)
                return -ENOMEM;
        r = sd_bus_add_object_vtable(manager->bus, &job->slot, job->path, BUS_JOB, job_vtable, job);
        if (r >= 0)
                r = sd_bus_reply_method_return(call, "o", job->path);
        if (r < 0)
                return r;

        job->next = manager->jobs;
        if (job->next)
                job->next->previous = job;
        manager->jobs = job;
        *ret_job = TAKE_PTR(job);
        return 0;
}

/* Signals go to the owner alone: they may name paths that are nobody else's business. */
static int signal_new(Job *job, const char *member, sd_bus_message **ret) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = sd_bus_message_new_signal(job->manager->bus, &m, job->path, BUS_JOB, member);

        if (r >= 0)
                r = sd_bus_message_set_destination(m, job->owner);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

void job_progress(Job *job, const char *step, const char *who) {
        _cleanup_value_ vss_value *progress = vss_value_new_dict();
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        if (!job)
                return;
        (void)vss_value_set_string(progress, "step", step);
        (void)vss_value_set_string(progress, "who", who);
        r = signal_new(job, "Progress", &m);
        if (r >= 0)
                r = marshal_append_dict(m, progress);
        if (r >= 0)
                r = sd_bus_send(job->manager->bus, m, NULL);
        if (r < 0)
                log_warning("%s: cannot report progress: %s", job->path, strerror(-r));
}

static int send_done(Job *job, const Failure *failure, const vss_value *result) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = signal_new(job, "Done", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "iss", (int32_t)failure->code, failure_culprit(failure),
                                          failure->code < 0 ? failure_message(failure) : "");
        if (r >= 0)
                r = marshal_append_dict(m, result);
        return r < 0 ? r : sd_bus_send(job->manager->bus, m, NULL);
}

void job_done(Job *job, const Failure *failure, const vss_value *result) {
        static const Failure none;
        static const Failure untold = {
                .code = VSS_E_UNEXPECTED,
                .culprit = (char *)"the service",
                .message = (char *)"The work has ended, but its result cannot be sent. See the service's "
                                   "journal.",
        };
        _cleanup_value_ vss_value *copy = vss_value_copy(result);
        int r;

        if (!job)
                return;
        if (!failure)
                failure = &none;
        value_make_utf8(copy);
        r = send_done(job, failure, copy);
        if (r < 0) {
                log_error("%s: cannot report the end: %s", job->path, strerror(-r));
                /* Its owner would wait for ever. */
                (void)send_done(job, failure->code < 0 ? failure : &untold, NULL);
        }
        job_free(job);
}

void job_failed(Job *job, const Failure *failure) {
        static const Failure cancelled = { .code = VSS_S_ASYNC_CANCELLED };

        if (job)
                job_done(job, job->cancelled ? &cancelled : failure, NULL);
}
