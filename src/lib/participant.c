/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The main loop that writers and providers share
 *
 * Signals are caught by handlers that wake the loop, not by a blocked mask: programs that a participant
 * starts would inherit the mask, and could not be ended by SIGTERM. A child that was forked but has not
 * executed anything yet gets the default action.
 */

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "lib/participant.h"
#include "util/clock.h"
#include "util/macro.h"

#define IDLE_USEC (180 * USEC_PER_SEC)
#define DRIVER "org.freedesktop.DBus"
#define BUS_NAME_MAX 256

static int wakeup_fd = -1;
static pid_t wakeup_pid;

static void on_signal(int number) {
        static const uint64_t one = 1;
        int saved = errno;

        if (getpid() == wakeup_pid)
                (void)!write(wakeup_fd, &one, sizeof(one));
        else {
                /* Delivered, with the default action, when this handler returns. */
                (void)signal(number, SIG_DFL);
                (void)raise(number);
        }
        errno = saved;
}

static int on_wakeup(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(source), EXIT_SUCCESS);
}

static int complain(const Participant *p, int r, const char *what) {
        fprintf(stderr, "%s %s: %s: %s\n", p->kind, p->name, what, strerror(-r));
        return r;
}

bool participant_name_is_valid(const char *name) {
        if (!name || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", name[0]) || !name[0])
                return false;
        return participant_instance_is_valid(name);
}

bool participant_instance_is_valid(const char *name) {
        return name[0] && strlen(name) <= PARTICIPANT_NAME_MAX && !(name[0] >= '0' && name[0] <= '9') &&
               strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
                       strlen(name);
}

int participant_check_abi(const char *kind, uint32_t abi, uint32_t size, uint32_t want_abi,
                          size_t required) {
        if (abi != want_abi) {
                fprintf(stderr, "%s: made for ABI %u, this liblinuxvss serves ABI %u; build it anew\n", kind,
                        abi, want_abi);
                return 2;
        }
        if (size < required) {
                fprintf(stderr,
                        "%s: a descriptor of %u bytes lacks required fields (%zu bytes); set size by the "
                        "_INIT macro\n",
                        kind, size, required);
                return 2;
        }
        return 0;
}

static int check_root(sd_bus_message *m) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        uid_t uid;
        int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);

        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, &uid);
        return r < 0 ? r : uid == 0 ? 0 : -EACCES;
}

int participant_check_sender(Participant *p, sd_bus_message *m, SenderRule rule, sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(m);

        if (sender && p->service && strcmp(sender, p->service) == 0)
                return 0;
        if (rule == SENDER_SERVICE_OR_ROOT || (rule == SENDER_SERVICE_OR_ROOT_WITHOUT && !p->service))
                if (check_root(m) >= 0)
                        return 0;
        return bus_error_setf(error, VSS_E_ACCESSDENIED, "%s %s takes calls from the owner of %s only",
                              p->kind, p->name, BUS_NAME);
}

void participant_touch(Participant *p) {
        if (p->idle)
                (void)sd_event_source_set_time(p->idle, now_usec() + IDLE_USEC);
}

/* The name goes first: what arrives after that starts the program anew, and what came before is still
 * served. */
static int on_idle(sd_event_source *source, uint64_t usec, void *userdata) {
        Participant *p = userdata;
        char name[BUS_NAME_MAX];
        int r;

        (void)sd_event_source_set_time(source, now_usec() + IDLE_USEC);
        (void)sd_event_source_set_enabled(source, SD_EVENT_ON);
        if (p->is_busy(p->userdata))
                return 0;

        (void)snprintf(name, sizeof(name), "%s%s", p->prefix, p->name);
        r = sd_bus_release_name(p->bus, name);
        while (r >= 0 && sd_bus_process(p->bus, NULL) > 0)
                ;
        if (r >= 0 && p->is_busy(p->userdata))
                return sd_bus_request_name(p->bus, name, 0);
        return sd_event_exit(p->event, EXIT_SUCCESS);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Participant *p = userdata;
        const char *name, *old, *new, *sender = sd_bus_message_get_sender(m);
        int r;

        /* Anybody can send us a signal; only the bus itself has this name. */
        if (!sender || strcmp(sender, DRIVER) != 0)
                return 0;
        r = sd_bus_message_read(m, "sss", &name, &old, &new);
        if (r < 0 || strcmp(name, BUS_NAME) != 0)
                return 0;

        if (p->service && strcmp(p->service, new) != 0) {
                free(TAKE_PTR(p->service));
                p->let_go(p->userdata, "the service left the bus");
        }
        if (new[0] && !p->service) {
                p->service = strdup(new);
                if (!p->service)
                        return sd_event_exit(p->event, EXIT_FAILURE);
        }
        return 0;
}

/* Match first, then ask: no change between the two is missed. */
static int watch_service(Participant *p) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *owner;
        int r;

        r = sd_bus_add_match(p->bus, NULL,
                             "type='signal',sender='" DRIVER "',interface='" DRIVER
                             "',member='NameOwnerChanged',arg0='" BUS_NAME "'",
                             on_owner_changed, p);
        if (r < 0)
                return r;
        r = sd_bus_call_method(p->bus, DRIVER, "/org/freedesktop/DBus", DRIVER, "GetNameOwner", &error,
                               &reply, "s", BUS_NAME);
        if (r < 0)
                return sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ? 0 : r;
        r = sd_bus_message_read(reply, "s", &owner);
        if (r < 0)
                return r;
        p->service = strdup(owner);
        return p->service ? 0 : -ENOMEM;
}

static int attach(Participant *p) {
        char name[BUS_NAME_MAX];
        int r;

        r = sd_bus_open_system(&p->bus);
        if (r < 0)
                return complain(p, r, "cannot connect to the system bus");
        r = sd_bus_attach_event(p->bus, p->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(p->bus, true);
        if (r >= 0)
                r = sd_bus_add_object_vtable(p->bus, NULL, p->path, p->interface, p->vtable, p->userdata);
        if (r < 0)
                return complain(p, r, "cannot serve its object");
        r = watch_service(p);
        if (r < 0)
                return complain(p, r, "cannot watch the service on the bus");

        (void)snprintf(name, sizeof(name), "%s%s", p->prefix, p->name);
        r = sd_bus_request_name(p->bus, name, 0);
        if (r == -EEXIST || r == -EALREADY)
                return complain(p, r, "its bus name is taken: one is running already; stop that one first");
        if (r < 0)
                return complain(
                        p, r, "may not own its bus name; its policy in dbus-1/system.d must name this user");
        return 0;
}

static bool is_bus_activated(void) {
        return getenv("DBUS_STARTER_ADDRESS") || getenv("DBUS_STARTER_BUS_TYPE");
}

static int serve(Participant *p) {
        int r;

        r = sd_event_add_io(p->event, NULL, wakeup_fd, EPOLLIN, on_wakeup, NULL);
        if (r < 0)
                return complain(p, r, "cannot set up its signals");
        r = attach(p);
        if (r < 0)
                return r;
        if (is_bus_activated()) {
                r = sd_event_add_time_relative(p->event, &p->idle, CLOCK_MONOTONIC, IDLE_USEC, USEC_PER_SEC,
                                               on_idle, p);
                if (r < 0)
                        return complain(p, r, "cannot set up its idle time");
        }

        (void)sd_notify(0, "READY=1");
        r = sd_event_loop(p->event);
        (void)sd_notify(0, "STOPPING=1");
        p->let_go(p->userdata, "the program ends");
        if (r < 0)
                return complain(p, r, "its event loop failed");
        return r;
}

static int with_signals(Participant *p) {
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, term, interrupt;
        int r;

        wakeup_pid = getpid();
        wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (wakeup_fd < 0)
                return complain(p, -errno, "cannot set up its signals");
        (void)sigaction(SIGTERM, &action, &term);
        (void)sigaction(SIGINT, &action, &interrupt);

        r = sd_event_new(&p->event);
        if (r < 0)
                (void)complain(p, r, "cannot make an event loop");
        else
                r = serve(p);

        (void)sigaction(SIGTERM, &term, NULL);
        (void)sigaction(SIGINT, &interrupt, NULL);
        (void)close(TAKE_FD(wakeup_fd));
        return r;
}

int participant_run(Participant *p) {
        int r = with_signals(p);

        p->idle = sd_event_source_disable_unref(p->idle);
        p->bus = sd_bus_flush_close_unref(p->bus);
        p->event = sd_event_unref(p->event);
        free(TAKE_PTR(p->service));
        return r < 0 ? EXIT_FAILURE : r;
}
