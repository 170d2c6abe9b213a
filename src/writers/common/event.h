/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What writers do in every event: keep to its time, and tell which of many failed
 */

#include <linuxvss/writer.h>

/* What an event leaves of its time for the answer. */
#define EVENT_MARGIN_MS 500u

/* The time that an event has, without the margin. */
uint32_t event_budget_ms(const vss_writer_call *call);

/* When what an event waits for must be over: in @at_most_usec, or when the event has no more time. */
uint64_t event_deadline(const vss_writer_call *call, uint64_t at_most_usec);

/* Is this component meant? Without a selection all are. */
bool event_is_chosen(const vss_writer_call *call, const char *logical_path, const char *name);

/* Of many that are held side by side, those that failed. */
typedef struct EventFailures {
        size_t n, n_failed;
        vss_result code; /* of the first */
        const char *why; /* borrowed until the end */
} EventFailures;

/* One more of them: how it went. Its component fails, unless that @was_told. */
void event_failures_add(EventFailures *failures, vss_writer_call *call, const char *logical_path,
                        const char *name, vss_result code, const char *why, bool was_told);
/* Return: VSS_S_OK if any is left, or there was none to begin with; else the event has failed. @noun is
 * their plural. */
vss_result event_failures_end(const EventFailures *failures, vss_writer_call *call, const char *noun);
