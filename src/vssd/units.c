/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Units of applications; see units.h
 *
 * Three questions to systemd, one after the other: what the unit is (LoadUnit), whether it is there and
 * active, and then the job; systemd's signal says how that ended. The signal of a job may come before the
 * answer that names it.
 */

#include <string.h>
#include "bus/marshal.h"
#include "model/unit.h"
#include "util/clock.h"
#include "vssd/calls.h"
#include "vssd/judge.h"
#include "vssd/log.h"
#include "vssd/session.h"
#include "vssd/units.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD ".Manager"
#define SYSTEMD_UNIT SYSTEMD ".Unit"
#define SYSTEMD_ERROR SYSTEMD "."

enum { REQUESTS_MAX = 64, ENDED_MAX = 16 };

typedef struct Request {
        struct Request *next;
        Manager *manager;
        sd_bus_message *message;
        char *unit, *object;
        const char *verb; /* "StopUnit", "StartUnit", or NULL: only the state is asked for */
        char *job;        /* NULL until systemd has named it */
        uint64_t deadline_usec;
        sd_bus_slot *slot;
        sd_event_source *timer;
} Request;

struct Units {
        Request *requests;
        size_t n;
        sd_bus_slot *match;
        struct {
                char *job, *result;
        } ended[ENDED_MAX]; /* of the last jobs that ended, of anybody */
        size_t next;
};

static Request *request_free(Request *request) {
        Request **link;

        if (!request)
                return NULL;
        for (link = &request->manager->units->requests; *link && *link != request; link = &(*link)->next)
                ;
        if (*link) {
                *link = request->next;
                request->manager->units->n--;
        }
        sd_bus_slot_unref(request->slot);
        sd_event_source_disable_unref(request->timer);
        sd_bus_message_unref(request->message);
        free(request->unit);
        free(request->object);
        free(request->job);
        free(request);
        return NULL;
}

static void _printf_(3, 4) refuse(Request *request, vss_result code, const char *format, ...) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        char text[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)bus_error_setf(&error, code, "%s", text);
        if (sd_bus_reply_method_error(request->message, &error) < 0)
                log_warning("%s cannot be answered", sd_bus_message_get_member(request->message));
        request_free(request);
}

/* Systemd did not do what it was asked. */
static void refuse_by(Request *request, const sd_bus_error *error) {
        const char *message = error->message ?: "it does not answer";

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                refuse(request, VSS_E_OBJECT_NOT_FOUND, "%s: there is no systemd here to ask",
                       request->unit);
        else if (sd_bus_error_has_name(error, SYSTEMD_ERROR "NoSuchUnit"))
                refuse(request, VSS_E_OBJECT_NOT_FOUND, "%s: there is no such unit", request->unit);
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
                 sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT))
                refuse(request, VSS_E_WRITERERROR_TIMEOUT, "%s: systemd did not answer in time",
                       request->unit);
        else
                refuse(request, VSS_E_UNEXPECTED, "%s: systemd says: %s", request->unit, message);
}

static int ask(Request *request, const char *path, const char *interface, const char *member,
               sd_bus_message_handler_t handler, const char *first, const char *second) {
        _cleanup_message_ sd_bus_message *m = NULL;
        uint64_t now = now_usec();
        int r;

        if (now >= request->deadline_usec)
                return -ETIMEDOUT;
        r = sd_bus_message_new_method_call(request->manager->bus, &m, SYSTEMD, path, interface, member);
        /* The bus can start something of this name that is none. */
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, second ? "ss" : "s", first, second);
        request->slot = sd_bus_slot_unref(request->slot);
        return r < 0 ? r
                     : sd_bus_call_async(request->manager->bus, &request->slot, m, handler, request,
                                         request->deadline_usec - now);
}

static void go_on(Request *request, int r) {
        if (r < 0)
                refuse(request, r == -ETIMEDOUT ? VSS_E_WRITERERROR_TIMEOUT : VSS_E_UNEXPECTED,
                       "%s: systemd cannot be asked: %s", request->unit, strerror(-r));
}

/* The job */

static void job_ended(Request *request, const char *result) {
        if (strcmp(result, "done") != 0) {
                refuse(request,
                       strcmp(result, "timeout") == 0 ? VSS_E_WRITERERROR_TIMEOUT : VSS_E_UNEXPECTED,
                       "%s: systemd's %s ended as \"%s\". See journalctl --unit=%s.", request->unit,
                       request->verb, result, request->unit);
                return;
        }
        log_info("%s: %s, for a writer", request->unit,
                 strcmp(request->verb, "StopUnit") == 0 ? "stopped" : "started");
        if (sd_bus_reply_method_return(request->message, "") < 0)
                log_warning("%s cannot be answered", sd_bus_message_get_member(request->message));
        request_free(request);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct Units *units = userdata;
        const char *job, *unit, *result;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) < 0)
                return 0;
        for (Request *request = units->requests; request; request = request->next)
                if (request->job && strcmp(request->job, job) == 0) {
                        job_ended(request, result);
                        return 0;
                }
        free(units->ended[units->next].job);
        free(units->ended[units->next].result);
        units->ended[units->next].job = strdup(job);
        units->ended[units->next].result = strdup(result);
        units->next = (units->next + 1) % ENDED_MAX;
        return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
        Request *request = userdata;

        refuse(request, VSS_E_WRITERERROR_TIMEOUT, "%s: systemd's %s did not end in time", request->unit,
               request->verb);
        return 0;
}

static int on_job(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Request *request = userdata;
        struct Units *units = request->manager->units;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        const char *job;
        int r;

        if (error) {
                refuse_by(request, error);
                return 0;
        }
        r = sd_bus_message_read(m, "o", &job);
        if (r >= 0)
                r = (request->job = strdup(job)) ? 0 : -ENOMEM;
        if (r >= 0)
                r = sd_event_add_time(request->manager->event, &request->timer, CLOCK_MONOTONIC,
                                      request->deadline_usec, 10 * USEC_PER_MSEC, on_late, request);
        if (r < 0) {
                go_on(request, r);
                return 0;
        }
        FOREACH_ELEMENT (ended, units->ended)
                if (ended->job && ended->result && strcmp(ended->job, request->job) == 0) {
                        job_ended(request, ended->result);
                        break;
                }
        return 0;
}

/* What the unit is */

static int read_property(sd_bus_message *m, const char **ret_text) {
        return sd_bus_message_read(m, "v", "s", ret_text);
}

static bool is_as_wanted(const Request *request, const char *state) {
        if (strcmp(request->verb, "StartUnit") == 0)
                return strcmp(state, "active") == 0;
        return strcmp(state, "inactive") == 0 || strcmp(state, "failed") == 0;
}

static int on_active(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Request *request = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        const char *state;
        int r;

        if (error) {
                refuse_by(request, error);
                return 0;
        }
        r = read_property(m, &state);
        if (r >= 0 && !request->verb)
                r = sd_bus_reply_method_return(request->message, "s", state);
        else if (r >= 0 && is_as_wanted(request, state))
                r = sd_bus_reply_method_return(request->message, "");
        else if (r >= 0) {
                r = ask(request, SYSTEMD_PATH, SYSTEMD_MANAGER, request->verb, on_job, request->unit,
                        "replace");
                go_on(request, r);
                return 0;
        }
        if (r < 0)
                go_on(request, r);
        else
                request_free(request);
        return 0;
}

static int on_load_state(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Request *request = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        const char *state;
        int r;

        if (error) {
                refuse_by(request, error);
                return 0;
        }
        r = read_property(m, &state);
        if (r >= 0 && strcmp(state, "not-found") == 0) {
                refuse(request, VSS_E_OBJECT_NOT_FOUND, "%s: there is no such unit", request->unit);
                return 0;
        }
        if (r >= 0)
                r = ask(request, request->object, "org.freedesktop.DBus.Properties", "Get", on_active,
                        SYSTEMD_UNIT, "ActiveState");
        go_on(request, r);
        return 0;
}

static int on_loaded(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Request *request = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        const char *object;
        int r;

        if (error) {
                refuse_by(request, error);
                return 0;
        }
        r = sd_bus_message_read(m, "o", &object);
        if (r >= 0)
                r = (request->object = strdup(object)) ? 0 : -ENOMEM;
        if (r >= 0)
                r = ask(request, object, "org.freedesktop.DBus.Properties", "Get", on_load_state,
                        SYSTEMD_UNIT, "LoadState");
        go_on(request, r);
        return 0;
}

/* Requests */

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return 0;
}

/* Systemd sends its signals to whom has subscribed: anew each time, for it may have been started anew. Where
 * there is none, the next call says so. */
static int subscribe(Manager *manager) {
        _cleanup_message_ sd_bus_message *m = NULL;
        struct Units *units = manager->units;
        int r = 0;

        if (!units->match)
                r = sd_bus_add_match_async(manager->bus, &units->match,
                                           "type='signal',sender='" SYSTEMD "',path='" SYSTEMD_PATH
                                           "',interface='" SYSTEMD_MANAGER "',member='JobRemoved'",
                                           on_job_removed, NULL, units);
        if (r >= 0)
                r = sd_bus_message_new_method_call(manager->bus, &m, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                                   "Subscribe");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        return r < 0 ? r : sd_bus_call_async(manager->bus, NULL, m, on_subscribed, NULL, 0);
}

static int start(Manager *manager, sd_bus_message *m, const char *verb, const char *unit,
                 uint64_t limit_usec, sd_bus_error *error) {
        Request *request;
        int r;

        if (!unit_is_valid(unit))
                return bus_error_setf(error, VSS_E_INVALIDARG, "\"%.128s\" is no name of a unit.", unit);
        if (!manager->units)
                manager->units = calloc(1, sizeof(*manager->units));
        if (!manager->units)
                return -ENOMEM;
        /* Anybody may ask for states: that leaves room for those who have something to do. */
        if (manager->units->n >= (verb ? REQUESTS_MAX : REQUESTS_MAX / 2))
                return bus_error_setf(error, VSS_E_WRITERERROR_RETRYABLE,
                                      "%d units are asked about already.", REQUESTS_MAX);
        r = verb ? subscribe(manager) : 0;
        request = r >= 0 ? calloc(1, sizeof(*request)) : NULL;
        if (!request)
                return r < 0 ? r : -ENOMEM;
        *request = (Request){ .manager = manager,
                              .next = manager->units->requests,
                              .message = sd_bus_message_ref(m),
                              .unit = strdup(unit),
                              .verb = verb,
                              .deadline_usec = now_usec() + limit_usec };
        manager->units->requests = request;
        manager->units->n++;
        r = request->unit ? ask(request, SYSTEMD_PATH, SYSTEMD_MANAGER, "LoadUnit", on_loaded, unit, NULL)
                          : -ENOMEM;
        if (r < 0)
                request_free(request);
        return r < 0 ? r : 1;
}

/* The writer that is asked by a session now, in PreRestore or PostRestore, and has this connection. */
static const SetWriter *find_writer(const Manager *manager, const char *sender,
                                    const Session **ret_session) {
        for (Session *session = manager->sessions; session; session = session->next) {
                bool restores = session->job && (session->job_call == SESSION_CALL_PRE_RESTORE ||
                                                 session->job_call == SESSION_CALL_POST_RESTORE);

                for (size_t i = 0; restores && i < session->set.n_writers; i++) {
                        const SetWriter *writer = &session->set.writers[i];

                        if (writer->asked && writer->participant->unique &&
                            strcmp(writer->participant->unique, sender) == 0) {
                                *ret_session = session;
                                return writer;
                        }
                }
        }
        return NULL;
}

int units_control(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        const char *unit, *member = sd_bus_message_get_member(m);
        const Session *session = NULL;
        const SetWriter *writer;
        int r = sd_bus_message_read(m, "s", &unit);

        if (r < 0)
                return r;
        writer = find_writer(manager, sd_bus_message_get_sender(m), &session);
        if (!writer)
                return bus_error_setf(error, VSS_E_ACCESSDENIED,
                                      "%s is for writers, in their PreRestore and PostRestore.", member);
        if (session->set.dry_run)
                return bus_error_setf(error, VSS_E_BAD_STATE, "%s: this is a dry run.", member);
        if (!judge_has_unit(writer->participant->descriptor, unit)) {
                log_warning("%s: %s of %.256s is refused: it is not among the units of its descriptor",
                            writer->participant->name, member, unit);
                return bus_error_setf(
                        error, VSS_E_ACCESSDENIED,
                        "%.256s is not among the units of the descriptor of writer %s (Units=).", unit,
                        writer->participant->name);
        }
        return start(manager, m, strcmp(member, "StopUnit") == 0 ? "StopUnit" : "StartUnit", unit,
                     manager->settings.restore_usec, error);
}

int units_state(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        const char *unit;
        int r = sd_bus_message_read(m, "s", &unit);

        return r < 0 ? r : start(manager, m, NULL, unit, manager->settings.writer_usec, error);
}

void units_end(Manager *manager) {
        struct Units *units = manager->units;

        if (!units)
                return;
        while (units->requests)
                request_free(units->requests);
        sd_bus_slot_unref(units->match);
        FOREACH_ELEMENT (ended, units->ended) {
                free(ended->job);
                free(ended->result);
        }
        free(TAKE_PTR(manager->units));
}
