/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The door
 *
 * Authorization is by the effective user that the bus's socket credentials name, never by what can be read
 * from /proc afterwards.
 */

#include <string.h>
#include "bus/marshal.h"
#include "util/clock.h"
#include "vssd/door.h"
#include "vssd/log.h"

/* Calls that wait for a hold to close; one more is refused. A hold lasts seconds, so these are many. */
enum { WAITING_MAX = 256 };

typedef struct Visitor Visitor;

struct Visitor {
        Visitor *next;
        Manager *manager;
        sd_bus_message *message;
        const char *action;
        DoorMethod method;
        bool now; /* does not wait for the hold to close */
};

struct Door {
        bool held;
        Visitor *waiting, **tail;
        size_t n_waiting;
        sd_event_source *opening;
};

static Visitor *visitor_free(Visitor *visitor) {
        if (visitor)
                sd_bus_message_unref(visitor->message);
        free(visitor);
        return NULL;
}

DEFINE_CLEANUP(Visitor *, visitor_free)

static Visitor *visitor_new(Manager *manager, sd_bus_message *m, const char *action, DoorMethod method,
                            bool now) {
        Visitor *visitor = calloc(1, sizeof(*visitor));

        if (visitor)
                *visitor = (Visitor){ .manager = manager,
                                      .message = sd_bus_message_ref(m),
                                      .action = action,
                                      .method = method,
                                      .now = now };
        return visitor;
}

struct Door *door_free(struct Door *door) {
        while (door && door->waiting) {
                Visitor *visitor = door->waiting;

                door->waiting = visitor->next;
                visitor_free(visitor);
        }
        if (door)
                sd_event_source_disable_unref(door->opening);
        free(door);
        return NULL;
}

int door_sender_uid(sd_bus_message *m, uid_t *ret_uid) {
        sd_bus_creds *creds = NULL;
        int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);

        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, ret_uid);
        sd_bus_creds_unref(creds);
        return r;
}

pid_t door_sender_pid(sd_bus_message *m) {
        sd_bus_creds *creds = NULL;
        pid_t pid = 0;

        if (sd_bus_query_sender_creds(m, SD_BUS_CREDS_PID, &creds) >= 0)
                (void)sd_bus_creds_get_pid(creds, &pid);
        sd_bus_creds_unref(creds);
        return pid;
}

static void answer_error(sd_bus_message *m, int r, sd_bus_error *error) {
        if (!sd_bus_error_is_set(error))
                (void)sd_bus_error_set_errno(error, r);
        r = sd_bus_reply_method_error(m, error);
        if (r < 0)
                log_warning("cannot answer %s: %s", sd_bus_message_get_member(m), strerror(-r));
}

/* Calls the method outside of sd-bus's own dispatch, and answers what it did not. */
static void call_now(Manager *manager, sd_bus_message *m, DoorMethod method) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = method(manager, m, &error);

        if (r < 0 || sd_bus_error_is_set(&error))
                answer_error(m, r, &error);
}

static int deny(sd_bus_message *m, const char *action, const char *why) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

        (void)bus_error_setf(
                &error, VSS_E_ACCESSDENIED,
                "%s is not allowed: %s. Be root, or have an administrator allow the polkit action %s.",
                sd_bus_message_get_member(m), why, action);
        return sd_bus_reply_method_error(m, &error);
}

static int wait_outside(Manager *manager, sd_bus_message *m, const char *action, DoorMethod method,
                        sd_bus_error *error) {
        struct Door *door = manager->door;
        Visitor *visitor;

        if (door->n_waiting >= WAITING_MAX)
                return bus_error_setf(error, VSS_E_SNAPSHOT_SET_IN_PROGRESS,
                                      "A hold stands open and %d calls wait already. Try again in a moment.",
                                      WAITING_MAX);
        visitor = visitor_new(manager, m, action, method, false);
        if (!visitor)
                return -ENOMEM;
        *door->tail = visitor;
        door->tail = &visitor->next;
        door->n_waiting++;
        return 1;
}

/* A hold may have opened while polkit was asked. */
static void let_in(const Visitor *visitor) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!visitor->manager->door->held || visitor->now) {
                call_now(visitor->manager, visitor->message, visitor->method);
                return;
        }
        r = wait_outside(visitor->manager, visitor->message, NULL, visitor->method, &error);
        if (r < 0)
                answer_error(visitor->message, r, &error);
}

static int on_polkit(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(visitor_freep) Visitor *visitor = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        int authorized = 0, challenge = 0, r;

        if (error)
                return deny(visitor->message, visitor->action,
                            sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN)
                                    ? "there is no polkit to ask"
                                    : error->message);
        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r < 0)
                return deny(visitor->message, visitor->action, "polkit's answer cannot be read");
        if (!authorized)
                return deny(visitor->message, visitor->action,
                            challenge ? "it needs an authentication" : "polkit says no");
        let_in(visitor);
        return 0;
}

static int ask_polkit(Visitor *visitor) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(visitor->manager->bus, &m, "org.freedesktop.PolicyKit1",
                                               "/org/freedesktop/PolicyKit1/Authority",
                                               "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");

        if (r >= 0)
                r = sd_bus_message_append(
                        m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                        sd_bus_message_get_sender(visitor->message), visitor->action, 0,
                        sd_bus_message_get_allow_interactive_authorization(visitor->message) > 0, "");
        if (r >= 0)
                r = sd_bus_call_async(visitor->manager->bus, NULL, m, on_polkit, visitor, 60 * USEC_PER_SEC);
        return r;
}

static int authorize(Manager *manager, sd_bus_message *m, const char *action, DoorMethod method, bool now,
                     bool *ret_pending) {
        Visitor *visitor;
        uid_t uid;
        int r;

        *ret_pending = false;
        if (!action)
                return 0;
        r = door_sender_uid(m, &uid);
        if (r < 0 || uid == 0)
                return r;
        visitor = visitor_new(manager, m, action, method, now);
        if (!visitor)
                return -ENOMEM;
        r = ask_polkit(visitor);
        if (r < 0) {
                visitor_free(visitor);
                return r;
        }
        *ret_pending = true;
        return 0;
}

static int enter(Manager *manager, sd_bus_message *m, const char *action, DoorMethod method, bool now) {
        bool pending;
        int r = authorize(manager, m, action, method, now, &pending);

        if (r < 0)
                return r;
        if (!pending)
                call_now(manager, m, method);
        return 1;
}

/* While a hold stands open it is not even asked who it is: that is left for later, too. */
int door_enter(Manager *manager, sd_bus_message *m, const char *action, DoorMethod method,
               sd_bus_error *error) {
        return manager->door->held ? wait_outside(manager, m, action, method, error)
                                   : enter(manager, m, action, method, false);
}

int door_enter_now(Manager *manager, sd_bus_message *m, const char *action, DoorMethod method,
                   sd_bus_error *error) {
        return enter(manager, m, action, method, true);
}

/* Whoever waited is let in from the event loop, not from within whatever has just closed the hold. */
static int on_open(sd_event_source *source, void *userdata) {
        Manager *manager = userdata;
        struct Door *door = manager->door;

        while (!door->held && door->waiting) {
                _cleanup_(visitor_freep) Visitor *visitor = door->waiting;
                _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
                int r;

                door->waiting = visitor->next;
                if (!door->waiting)
                        door->tail = &door->waiting;
                door->n_waiting--;
                r = enter(manager, visitor->message, visitor->action, visitor->method, false);
                if (r < 0)
                        answer_error(visitor->message, r, &error);
        }
        return 0;
}

void door_hold(Manager *manager, bool held) {
        struct Door *door = manager->door;
        int r;

        log_hold(held);
        door->held = held;
        if (held)
                return;
        door->opening = sd_event_source_disable_unref(door->opening);
        r = sd_event_add_defer(manager->event, &door->opening, on_open, manager);
        if (r < 0)
                log_error("calls that waited for the hold to close cannot be let in: %s", strerror(-r));
}

int door_new(struct Door **ret_door) {
        struct Door *door = calloc(1, sizeof(*door));

        if (!door)
                return -ENOMEM;
        door->tail = &door->waiting;
        *ret_door = door;
        return 0;
}
