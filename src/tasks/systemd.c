/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is asked of systemd
 */

#include <string.h>
#include <systemd/sd-bus.h>
#include "tasks/systemd.h"
#include "util/clock.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER SYSTEMD ".Manager"
#define SYSTEMD_TIMER SYSTEMD ".Timer"
#define NO_SUCH_UNIT SYSTEMD ".NoSuchUnit"
#define NOT_LOADED SYSTEMD ".UnitNotLoaded"

#define CALL_LIMIT_USEC (60 * USEC_PER_SEC) /* a reload of many units takes its time */

struct Systemd {
        sd_bus *bus;
};

static int fail(Why *why, int r, const char *what, const sd_bus_error *error) {
        const char *text = error && error->message ? error->message : strerror(-r);

        (void)why_set(why, VSS_S_OK, "systemd: %s: %s", what, text);
        return r;
}

int systemd_open(Why *why, Systemd **ret_systemd) {
        _cleanup_(systemd_closep) Systemd *systemd = calloc(1, sizeof(*systemd));
        int r;

        if (!systemd)
                return -ENOMEM;
        r = sd_bus_open_system(&systemd->bus);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(systemd->bus, CALL_LIMIT_USEC);
        if (r < 0) {
                (void)why_set(why, VSS_S_OK, "The system bus cannot be reached: %s.", strerror(-r));
                return r;
        }
        *ret_systemd = TAKE_PTR(systemd);
        return 0;
}

Systemd *systemd_close(Systemd *systemd) {
        if (!systemd)
                return NULL;
        (void)sd_bus_flush_close_unref(systemd->bus);
        free(systemd);
        return NULL;
}

static int new_call(Systemd *systemd, const char *member, sd_bus_message **ret_call) {
        return sd_bus_message_new_method_call(systemd->bus, ret_call, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                              member);
}

/* Takes @call. @otherwise: names of errors that are none, NULL-terminated; may be NULL. */
static int finish_call(Systemd *systemd, sd_bus_message *call, int r, const char *what,
                       const char *const *otherwise, Why *why) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (r >= 0)
                r = sd_bus_call(systemd->bus, call, CALL_LIMIT_USEC, &error, NULL);
        for (; r < 0 && otherwise && *otherwise; otherwise++)
                if (sd_bus_error_has_name(&error, *otherwise))
                        r = 0;
        r = r < 0 ? fail(why, r, what, &error) : 0;
        sd_bus_error_free(&error);
        sd_bus_message_unref(call);
        return r;
}

int systemd_reload(Systemd *systemd, Why *why) {
        sd_bus_message *call = NULL;
        int r = new_call(systemd, "Reload", &call);

        return finish_call(systemd, call, r, "its units cannot be read anew", NULL, why);
}

int systemd_enable(Systemd *systemd, const char *const *units, Why *why) {
        sd_bus_message *call = NULL;
        int r = new_call(systemd, "EnableUnitFiles", &call);

        if (r >= 0)
                r = sd_bus_message_append_strv(call, (char **)units);
        if (r >= 0)
                r = sd_bus_message_append(call, "bb", false, false);
        return finish_call(systemd, call, r, "the timers cannot be enabled", NULL, why);
}

int systemd_disable(Systemd *systemd, const char *const *units, Why *why) {
        sd_bus_message *call = NULL;
        int r = new_call(systemd, "DisableUnitFiles", &call);

        if (r >= 0)
                r = sd_bus_message_append_strv(call, (char **)units);
        if (r >= 0)
                r = sd_bus_message_append(call, "b", false);
        return finish_call(systemd, call, r, "the timers cannot be disabled", NULL, why);
}

static int control(Systemd *systemd, const char *member, const char *unit, const char *const *otherwise,
                   Why *why) {
        sd_bus_message *call = NULL;
        int r = new_call(systemd, member, &call);

        if (r >= 0)
                r = sd_bus_message_append(call, "ss", unit, "replace");
        return finish_call(systemd, call, r, unit, otherwise, why);
}

int systemd_start(Systemd *systemd, const char *unit, Why *why) {
        return control(systemd, "StartUnit", unit, NULL, why);
}

int systemd_stop(Systemd *systemd, const char *unit, Why *why) {
        static const char *const not_there[] = { NO_SUCH_UNIT, NOT_LOADED, NULL };

        return control(systemd, "StopUnit", unit, not_there, why);
}

uint64_t systemd_next_usec(Systemd *systemd, const char *timer) {
        _cleanup_(freep) char *path = NULL;
        uint64_t usec = 0;

        if (sd_bus_path_encode(SYSTEMD_PATH "/unit", timer, &path) < 0 ||
            sd_bus_get_property_trivial(systemd->bus, SYSTEMD, path, SYSTEMD_TIMER, "NextElapseUSecRealtime",
                                        NULL, 't', &usec) < 0)
                return 0;
        return usec == UINT64_MAX ? 0 : usec;
}
