/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One event of a writer: what came with it, and what the writer said about it
 */

#include <linuxvss/writer.h>
#include "util/value.h"

struct vss_writer_call {
        void *userdata;
        const vss_value *event; /* borrowed */
        uint64_t deadline_usec; /* monotonic */
        vss_value *mounts;      /* PostSnapshot: volume and path of its shadow copy; NULL if there is none */
        bool may_fail_components;
        char *message;
        vss_value *failed; /* list of components, NULL while there is none */
};

void writer_call_done(vss_writer_call *call);
