/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Farewells
 */

#include <string.h>
#include "bus/marshal.h"
#include "util/clock.h"
#include "vssd/farewell.h"
#include "vssd/log.h"

#define FAREWELL_USEC (5 * USEC_PER_SEC)

static void on_answer(void *userdata, const CallAnswer *answer) {
        if (answer->late)
                participant_kill(answer->participant, "it does not even answer that it is over");
}

static void on_done(void *userdata) {
        free(userdata);
}

void farewell_writer(Participant *writer, const char *member, const vss_value *event) {
        _cleanup_message_ sd_bus_message *m = NULL;
        Calls *calls = calloc(1, sizeof(*calls));
        int r = -ENOMEM;

        if (!calls) {
                log_error("%s cannot be told %s: out of memory", writer->name, member);
                return;
        }
        calls_begin(calls, on_done, calls);
        r = participant_message(writer, member, &m);
        if (r >= 0)
                r = marshal_append_dict(m, event);
        if (r >= 0)
                r = calls_add(calls, writer, m, FAREWELL_USEC, on_answer, NULL);
        if (r < 0)
                log_error("%s cannot be told %s: %s", writer->name, member, strerror(-r));
        calls_drop(calls);
}
