/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Events
 */

#include <stdarg.h>
#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "util/clock.h"
#include "util/utf8.h"
#include "vssd/door.h"
#include "vssd/event.h"
#include "vssd/log.h"

/* Connections that get events; one more is refused. */
enum { SUBSCRIBERS_MAX = 64 };

typedef struct Subscriber {
        struct Subscriber *next;
        char *name;
        sd_bus_slot *watch;
        Manager *manager;
} Subscriber;

static void subscriber_free(Subscriber *subscriber) {
        Subscriber **link;

        for (link = &subscriber->manager->subscribers; *link && *link != subscriber; link = &(*link)->next)
                ;
        if (*link)
                *link = subscriber->next;
        sd_bus_slot_unref(subscriber->watch);
        free(subscriber->name);
        free(subscriber);
}

static int on_subscriber_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *from, *to;

        if (sd_bus_message_read(m, "sss", &name, &from, &to) >= 0 && !*to)
                subscriber_free(userdata);
        return 0;
}

int event_subscribe(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Subscriber *subscriber;
        char match[256];
        size_t n = 0;
        uid_t uid;
        int r;

        for (subscriber = manager->subscribers; subscriber; subscriber = subscriber->next, n++)
                if (strcmp(subscriber->name, sd_bus_message_get_sender(m)) == 0)
                        return sd_bus_reply_method_return(m, "");
        if (n >= SUBSCRIBERS_MAX)
                return bus_error_setf(error, VSS_E_MAXIMUM_NUMBER_OF_SETS_REACHED,
                                      "There are %d subscribers already.", SUBSCRIBERS_MAX);
        subscriber = calloc(1, sizeof(*subscriber));
        if (!subscriber)
                return -ENOMEM;
        *subscriber = (Subscriber){ .manager = manager, .name = strdup(sd_bus_message_get_sender(m)) };
        (void)snprintf(match, sizeof(match),
                       "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                       "member='NameOwnerChanged',arg0='%s'",
                       sd_bus_message_get_sender(m));
        r = subscriber->name ? sd_bus_add_match_async(manager->bus, &subscriber->watch, match,
                                                      on_subscriber_changed, NULL, subscriber)
                             : -ENOMEM;
        /* Asked behind the match: whoever has left is noticed, by the signal or by there being no answer. */
        if (r >= 0)
                r = door_sender_uid(m, &uid);
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "");
        if (r < 0) {
                subscriber_free(subscriber);
                return r;
        }
        subscriber->next = manager->subscribers;
        manager->subscribers = subscriber;
        return r;
}

static void send_to(Manager *manager, const Subscriber *subscriber, const vss_value *event) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = sd_bus_message_new_signal(manager->bus, &m, BUS_PATH, BUS_MANAGER, "Event");

        if (r >= 0)
                r = sd_bus_message_set_destination(m, subscriber->name);
        if (r >= 0)
                r = marshal_append_dict(m, event);
        if (r >= 0)
                r = sd_bus_send(manager->bus, m, NULL);
        if (r < 0)
                log_warning("an event cannot be sent to %s: %s", subscriber->name, strerror(-r));
}

/* What nobody has asked for, and somebody has to know. */
static bool is_bad(const char *kind) {
        static const char *const kinds[] = { "snapshot-lost", "snapshot-deleted", "storage-low",
                                             "storage-grow-failed", "storage-check-failed" };

        FOREACH_ELEMENT (bad, kinds)
                if (strcmp(*bad, kind) == 0)
                        return true;
        return false;
}

void event_send(Manager *manager, const char *kind, const vss_value *details, const char *format, ...) {
        _cleanup_value_ vss_value *event = details ? vss_value_copy(details) : vss_value_new_dict();
        char text[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)text_make_utf8(text); /* it may have been cut in the middle of a character */
        if (is_bad(kind))
                log_warning("%s", text);
        else
                log_info("%s", text);
        (void)vss_value_set_string(event, "kind", kind);
        (void)vss_value_set_string(event, "text", text);
        value_make_utf8(event);
        (void)vss_value_set_integer(event, "time-usec", (int64_t)clock_usec(CLOCK_REALTIME));
        for (Subscriber *subscriber = manager->subscribers; subscriber; subscriber = subscriber->next)
                send_to(manager, subscriber, event);
}

void event_forget_all(Manager *manager) {
        while (manager->subscribers)
                subscriber_free(manager->subscribers);
}
