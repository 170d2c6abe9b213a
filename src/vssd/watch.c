/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shadow copies are looked after
 *
 * One timer for each provider that has copies and wants to look after them. It is not asked while a set of
 * its waits for the cut, and not while anything is held. One that hangs is killed, told of, and asked again
 * when the bus has started it anew, later and later; one that cannot be had any more is given up.
 */

#include <inttypes.h>
#include <string.h>
#include "bus/marshal.h"
#include "util/clock.h"
#include "vssd/event.h"
#include "vssd/log.h"
#include "vssd/losses.h"
#include "vssd/set-run.h"
#include "vssd/support.h"
#include "vssd/watch.h"

#define WATCH_MIN_USEC (250 * USEC_PER_MSEC)
#define WATCH_MAX_USEC (3600 * USEC_PER_SEC)
#define WATCH_RETRY_USEC (1 * USEC_PER_SEC)

/* Failures one after the other; the last wait is some minutes. */
enum { FAILURES_MAX = 10, EVENTS_MAX = 1024 };

typedef struct Watched {
        struct Watched *next;
        Manager *manager;
        Participant *provider;
        Calls calls;
        bool asked, again; /* copies were made meanwhile: what it answers is of before */
        sd_event_source *timer;
        unsigned failures;
} Watched;

static void watched_free(Watched *watched) {
        Watched **link;

        for (link = &watched->manager->watched; *link && *link != watched; link = &(*link)->next)
                ;
        if (*link)
                *link = watched->next;
        calls_cancel(&watched->calls);
        sd_event_source_disable_unref(watched->timer);
        participant_unref(watched->provider);
        free(watched);
}

static Watched *find(Manager *manager, const Participant *provider) {
        Watched *watched = manager->watched;

        while (watched && strcmp(watched->provider->bus_name, provider->bus_name) != 0)
                watched = watched->next;
        return watched;
}

/* Events */

static const struct {
        const char *event, *text; /* of the volume */
} events[] = {
        { "storage-low", "shadow copies of %s are running out of space" },
        { "storage-grown", "shadow copies of %s have been given more space" },
        { "storage-grow-failed", "shadow copies of %s need more space, and cannot have it" },
        { "snapshot-lost", "a shadow copy of %s is lost" },
        { "snapshot-deleted", "a shadow copy of %s was deleted by its provider" },
        { "suspended", "%s stood still for a moment" },
};

static void tell(Watched *watched, const char *kind, const char *format, const vss_value *event) {
        static const char *const numbers[] = { "used", "allocated", "maximum", "usec" };
        const char *volume = vss_value_get_string(event, "volume", "");
        const char *id = vss_value_get_string(event, "snapshot", "");
        const char *message = vss_value_get_string(event, "message", "");
        _cleanup_value_ vss_value *details = vss_value_new_dict();
        _cleanup_(freep) char *what = NULL;
        const char *place = strstr(format, "%s");

        if (asprintf(&what, "%.*s%s%s", (int)(place - format), format,
                     *volume ? volume : watched->provider->name, place + 2) < 0)
                what = NULL;
        (void)vss_value_set_string(details, "provider", watched->provider->name);
        (void)vss_value_set_string(details, "volume", volume);
        (void)vss_value_set_string(details, "snapshot", id);
        FOREACH_ELEMENT (number, numbers)
                if (vss_value_get(event, *number))
                        (void)vss_value_set(details, *number, vss_value_copy(vss_value_get(event, *number)));
        event_send(watched->manager, kind, details, "%s%s%s%s%s%s", what ?: kind, *id ? " (" : "", id,
                   *id ? ")" : "", *message ? ": " : "", message);
}

static void take_event(Watched *watched, const vss_value *event) {
        const char *kind = vss_value_get_string(event, "event", "");
        const char *id = vss_value_get_string(event, "snapshot", "");
        bool gone = strcmp(kind, "snapshot-lost") == 0 || strcmp(kind, "snapshot-deleted") == 0;

        /* What a loss was told by before is not told again. */
        if (gone && !losses_note(watched->manager, id, vss_value_get_string(event, "volume", ""),
                                 watched->provider->name,
                                 vss_value_get_string(event, "message", "its provider does not say why")))
                return;
        FOREACH_ELEMENT (row, events)
                if (strcmp(row->event, kind) == 0) {
                        tell(watched, kind, row->text, event);
                        return;
                }
        log_warning("%s tells of \"%s\", which is no event", watched->provider->name, kind);
}

static void take_suspended(Watched *watched, const vss_value *suspended) {
        _cleanup_value_ vss_value *event = vss_value_new_dict();
        int64_t usec = vss_value_get_integer(suspended, "usec", 0);

        (void)vss_value_set_string(event, "volume", vss_value_get_string(suspended, "what", ""));
        (void)vss_value_set_integer(event, "usec", usec);
        (void)value_set_printf(event, "message", "%s, %.1f ms", vss_value_get_string(suspended, "why", "?"),
                               (double)usec / (double)USEC_PER_MSEC);
        tell(watched, "suspended", "%s stood still for a moment", event);
}

void watch_note_lost(Manager *manager, const vss_value *snapshot) {
        const char *id = vss_value_get_string(snapshot, "id", "");
        const char *volume = vss_value_get_string(snapshot, "volume", "?");
        const char *reason = vss_value_get_string(snapshot, "reason", "its provider does not say why");

        if (losses_note(manager, id, volume, vss_value_get_string(snapshot, "provider", ""), reason))
                event_send(manager, "snapshot-lost", snapshot, "a shadow copy of %s is lost (%s): %s",
                           volume, id, reason);
}

/* Asking */

static void ask_later(Watched *watched, uint64_t usec);

static uint64_t take_results(Watched *watched, const vss_value *results) {
        const vss_value *list = vss_value_get(results, "events"),
                        *suspended = vss_value_get(results, "suspended");
        int64_t next = vss_value_get_integer(results, "next-usec", 0);

        for (size_t i = 0; i < vss_value_count(list) && i < EVENTS_MAX; i++)
                take_event(watched, vss_value_at(list, i));
        for (size_t i = 0; i < vss_value_count(suspended) && i < EVENTS_MAX; i++)
                take_suspended(watched, vss_value_at(suspended, i));
        return next <= 0 ? 0 : MAX((uint64_t)next, WATCH_MIN_USEC);
}

/* The one that died, or was killed, is started anew by the bus. */
static void begin_anew(Watched *watched) {
        Participant *provider;

        if (participant_new(watched->manager, true, watched->provider->bus_name, &provider) < 0)
                return;
        participant_unref(watched->provider);
        watched->provider = provider;
}

static uint64_t note_failure(Watched *watched, const CallAnswer *answer) {
        const char *name = answer->participant->name;

        if (answer->result == VSS_E_NOT_SUPPORTED)
                return 0;
        /* A set of its waits for the cut: that is in order, and soon over. */
        if (answer->result == VSS_E_PROVIDER_VETO)
                return WATCH_RETRY_USEC;
        if (answer->late)
                participant_kill(answer->participant, answer->message);
        /* One that the bus ended for being idle is none that failed. */
        if (++watched->failures == 2 || answer->late)
                event_send(watched->manager, "storage-check-failed", NULL,
                           "%s cannot look after its shadow copies, which may run out of space untold: %s",
                           name, answer->message ?: vss_result_text(answer->result));
        if (watched->failures >= FAILURES_MAX) {
                log_error("%s is not asked any more to look after its shadow copies", name);
                return 0;
        }
        begin_anew(watched);
        return WATCH_RETRY_USEC << (watched->failures - 1);
}

static void on_checked(void *userdata, const CallAnswer *answer) {
        _cleanup_value_ vss_value *results = NULL;
        Watched *watched = userdata;
        uint64_t next = WATCH_RETRY_USEC;

        if (answer->result < 0)
                next = note_failure(watched, answer);
        else if (marshal_read_dict(answer->reply, &results) >= 0) {
                if (watched->failures > 1)
                        log_info("%s looks after its shadow copies again", watched->provider->name);
                watched->failures = 0;
                next = take_results(watched, results);
        }
        if (watched->again)
                next = WATCH_MIN_USEC;
        watched->again = false;
        if (next > 0)
                ask_later(watched, MIN(next, WATCH_MAX_USEC));
}

static void on_asked(void *userdata) {
        Watched *watched = userdata;

        watched->asked = false;
        if (!watched->timer)
                watched_free(watched);
}

static void ask(Watched *watched) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        watched->asked = true;
        calls_begin(&watched->calls, on_asked, watched);
        r = participant_message(watched->provider, "CheckStorage", &m);
        if (r >= 0)
                r = calls_add(&watched->calls, watched->provider, m,
                              watched->manager->settings.provider_usec, on_checked, NULL);
        if (r < 0) {
                log_error("%s cannot be asked to look after its shadow copies: %s", watched->provider->name,
                          strerror(-r));
                ask_later(watched, WATCH_RETRY_USEC);
        }
        calls_drop(&watched->calls);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        Watched *watched = userdata;
        Manager *manager = watched->manager;

        watched->timer = sd_event_source_disable_unref(watched->timer);
        if (!manager->run || !set_run_needs_quiet(manager->run, watched->provider)) {
                ask(watched);
                return 0;
        }
        ask_later(watched, WATCH_MIN_USEC);
        if (!watched->timer)
                watched_free(watched);
        return 0;
}

static void ask_later(Watched *watched, uint64_t usec) {
        int r;

        watched->timer = sd_event_source_disable_unref(watched->timer);
        r = sd_event_add_time_relative(watched->manager->event, &watched->timer, CLOCK_MONOTONIC, usec,
                                       usec / 8, on_time, watched);
        if (r < 0)
                log_error("%s cannot be asked to look after its shadow copies: %s", watched->provider->name,
                          strerror(-r));
}

void watch_begin(Manager *manager, Participant *provider) {
        Watched *watched;

        if (!support_can(provider, "check-storage"))
                return;
        watched = find(manager, provider);
        if (!watched) {
                watched = calloc(1, sizeof(*watched));
                if (!watched) {
                        log_error("%s cannot be asked to look after its shadow copies: out of memory",
                                  provider->name);
                        return;
                }
                *watched = (Watched){ .manager = manager,
                                      .provider = participant_ref(provider),
                                      .next = manager->watched };
                manager->watched = watched;
        }
        if (watched->asked) {
                watched->again = true;
                return;
        }
        ask_later(watched, WATCH_MIN_USEC);
        if (!watched->timer)
                watched_free(watched);
}

void watch_keep(Manager *manager, Participant *provider) {
        if (!find(manager, provider))
                watch_begin(manager, provider);
}

void watch_end(Manager *manager) {
        while (manager->watched)
                watched_free(manager->watched);
}
