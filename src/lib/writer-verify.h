/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verify: the one event that runs in a process of its own
 *
 * It takes as long as starting an application and reading all of its data, and no other session's freeze
 * waits for that. Three processes: the writer, which goes on; a guardian, its child; and the guardian's
 * child, in which the handler runs. The guardian ends when the handler has, when the time is over, when the
 * service lets go of its lifeline (a socket), and when the writer does, or dies; before it ends it kills
 * whatever was started, since all of that comes to it.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include "lib/writer-call.h"

typedef struct Verify Verify;
typedef struct Verifies Verifies;

struct Verifies {
        sd_event *event;
        Verify *first;
        /* Answers @message. @result: of the handler; @more: what else it said. */
        void (*answer)(sd_bus_message *message, vss_result result, const char *text, const vss_value *more);
};

/* Begins it for @message, which is answered later. @lifeline: borrowed. Return: 0 or a negative errno;
 * -EALREADY if one of this session is under way. */
int verify_start(Verifies *verifies, vss_writer_call *call, vss_result (*handler)(vss_writer_call *call),
                 sd_bus_message *message, int lifeline);
/* Ends that of a session, or all (NULL), without an answer of theirs. */
void verify_cancel(Verifies *verifies, const char *session);
