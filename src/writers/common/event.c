/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What writers do in every event
 */

#include "util/clock.h"
#include "util/macro.h"
#include "writers/common/event.h"

uint32_t event_budget_ms(const vss_writer_call *call) {
        uint32_t left = vss_writer_call_time_left_ms(call);

        return left > EVENT_MARGIN_MS ? left - EVENT_MARGIN_MS : 0;
}

uint64_t event_deadline(const vss_writer_call *call, uint64_t at_most_usec) {
        uint64_t usec = event_budget_ms(call) * USEC_PER_MSEC;

        return now_usec() + MIN(usec, at_most_usec);
}

bool event_is_chosen(const vss_writer_call *call, const char *logical_path, const char *name) {
        return !vss_writer_call_components_selected(call) ||
               vss_writer_call_find_component(call, logical_path, name);
}

void event_failures_add(EventFailures *failures, vss_writer_call *call, const char *logical_path,
                        const char *name, vss_result code, const char *why, bool was_told) {
        failures->n++;
        if (code >= 0)
                return;
        if (failures->n_failed++ == 0) {
                failures->code = code;
                failures->why = why;
        }
        if (!was_told)
                (void)vss_writer_call_fail_component(call, logical_path, name, code, "%s", why);
}

vss_result event_failures_end(const EventFailures *failures, vss_writer_call *call, const char *noun) {
        if (failures->n_failed == 0 || failures->n_failed < failures->n)
                return VSS_S_OK;
        return failures->n_failed == 1 ? vss_writer_call_fail(call, failures->code, "%s", failures->why)
                                       : vss_writer_call_fail(call, failures->code, "%s (and %zu more %s)",
                                                              failures->why, failures->n_failed - 1, noun);
}
