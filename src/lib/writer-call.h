/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One event of a writer: what came with it, and what the writer said about it
 */

#include "lib/participant.h"
#include "lib/session-slots.h"
#include "util/value.h"

struct vss_writer_call {
        void *userdata;
        WriterEvent kind;
        enum vss_application_level level;
        const char *instance_id;
        const char *writer; /* its name */
        uint32_t backup_schema;
        const vss_value *event; /* borrowed */
        uint64_t deadline_usec; /* monotonic */
        Participant *service;   /* how the service is asked; NULL where it must not be */
        vss_value *mounts;      /* PostSnapshot: volume and path of its shadow copy; NULL if there is none */

        vss_result veto; /* a failure, or VSS_S_OK */
        char *message;   /* of fail or veto */
        int32_t application_code;
        char *application_message; /* NULL: no failure of the application */
        vss_value *failed;         /* list of components, NULL while there is none */
        vss_value *notes;          /* for people; likewise */
        vss_value *components;     /* those that the writer said something of, as it left them; likewise */
};

void writer_call_done(vss_writer_call *call);
/* What the answer carries; NULL without memory. @result: of the handler. */
vss_value *writer_call_result(vss_writer_call *call, vss_result result);
/* A failure that a writer may set. */
bool writer_call_is_writer_error(vss_result result);
/* May @event be failed for single components? */
bool writer_call_may_fail_components(WriterEvent event);
/* What the writer said of its components in this event, each with the keys that changed. NULL without
 * memory.
 */
vss_value *writer_component_changes(const vss_writer_call *call);
