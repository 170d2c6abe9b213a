/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fake-systemd: what of systemd the service asks for, on a bus where there is none
 *
 *   fake-systemd [DIRECTORY]
 *
 * Unit NAME is the executable DIRECTORY/NAME (default /run/units), which is called as root with "start",
 * "stop" or "status" (exit status 0: it is active). Each job ends when its program has, as "done" or
 * "failed". What it was asked to do is a line of DIRECTORY/.log, "start NAME". Of the interface there is
 * LoadUnit, GetUnit, StartUnit, StopUnit, Subscribe, JobRemoved, and LoadState and ActiveState of units; EnableUnitFiles,
 * DisableUnitFiles and Reload do nothing but fail where DIRECTORY/.refuse is.
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>
#include "util/macro.h"

#define NAME "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define UNIT_PATH PATH "/unit"
#define JOB_PATH PATH "/job"

static const char *directory = "/run/units";
static sd_bus *bus;
static sd_event *event;
static unsigned last_job;

typedef struct Job {
        unsigned id;
        char path[64], unit[256];
} Job;

static const char *path_of(const char *unit) {
        static char path[4096];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, unit);
        return path;
}

static bool exists(const char *unit) {
        return !strchr(unit, '/') && unit[0] != '.' && access(path_of(unit), X_OK) == 0;
}

static void note(const char *verb, const char *unit) {
        FILE *log = fopen(path_of(".log"), "ae");

        if (log) {
                (void)fprintf(log, "%s %s\n", verb, unit);
                (void)fclose(log);
        }
}

static pid_t run(const char *unit, const char *verb) {
        pid_t pid = fork();

        if (pid == 0) {
                sigset_t none;

                (void)sigemptyset(&none);
                (void)sigprocmask(SIG_SETMASK, &none, NULL);
                (void)setsid();
                (void)execl(path_of(unit), unit, verb, (char *)NULL);
                _exit(127);
        }
        return pid;
}

static int no_such_unit(sd_bus_error *error, const char *unit) {
        return sd_bus_error_setf(error, NAME ".NoSuchUnit", "Unit %s not found.", unit);
}

static int reply_unit(sd_bus_message *m, const char *unit) {
        _cleanup_(freep) char *path = NULL;
        int r = sd_bus_path_encode(UNIT_PATH, unit, &path);

        return r < 0 ? r : sd_bus_reply_method_return(m, "o", path);
}

/* Units that are not there can be loaded, too; their LoadState says so. */
static int on_load(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *unit;
        int r = sd_bus_message_read(m, "s", &unit);

        if (r < 0)
                return r;
        return strcmp(sd_bus_message_get_member(m), "GetUnit") == 0 && !exists(unit)
                       ? no_such_unit(error, unit)
                       : reply_unit(m, unit);
}

static int on_ended(sd_event_source *source, const siginfo_t *si, void *userdata) {
        _cleanup_(freep) Job *job = userdata;
        bool done = si->si_code == CLD_EXITED && si->si_status == 0;

        (void)sd_event_source_unref(source);
        return sd_bus_emit_signal(bus, PATH, NAME ".Manager", "JobRemoved", "uoss", job->id, job->path,
                                  job->unit, done ? "done" : "failed");
}

static int on_control(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *unit, *mode,
                *verb = strcmp(sd_bus_message_get_member(m), "StopUnit") == 0 ? "stop" : "start";
        sd_event_source *source;
        Job *job;
        int r = sd_bus_message_read(m, "ss", &unit, &mode);

        if (r < 0)
                return r;
        if (!exists(unit))
                return no_such_unit(error, unit);
        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        job->id = ++last_job;
        (void)snprintf(job->path, sizeof(job->path), JOB_PATH "/%u", job->id);
        (void)snprintf(job->unit, sizeof(job->unit), "%s", unit);
        note(verb, unit);
        r = sd_event_add_child(event, &source, run(unit, verb), WEXITED, on_ended, job);
        return r < 0 ? r : sd_bus_reply_method_return(m, "o", job->path);
}

static int on_files(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        bool enable = strcmp(sd_bus_message_get_member(m), "EnableUnitFiles") == 0;
        const char *unit;
        int r = sd_bus_message_enter_container(m, 'a', "s");

        if (access(path_of(".refuse"), F_OK) == 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "It is refused.");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &unit)) > 0)
                note(enable ? "enable" : "disable", unit);
        if (r < 0)
                return r;
        return enable ? sd_bus_reply_method_return(m, "ba(sss)", true, 0) : sd_bus_reply_method_return(m, "a(sss)", 0);
}

static int on_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        note("reload", "");
        return sd_bus_reply_method_return(m, "");
}

static int on_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "");
}

static int find_unit(sd_bus *b, const char *path, const char *interface, void *userdata, void **ret_found,
                     sd_bus_error *error) {
        return 1;
}

static int get_state(sd_bus *b, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_(freep) char *unit = NULL;
        const char *state = "inactive";
        int status = 1, r = sd_bus_path_decode(path, UNIT_PATH, &unit);

        if (r < 0)
                return r;
        if (strcmp(property, "LoadState") == 0)
                return sd_bus_message_append(reply, "s", exists(unit) ? "loaded" : "not-found");
        if (exists(unit) && waitpid(run(unit, "status"), &status, 0) > 0 && status == 0)
                state = "active";
        return sd_bus_message_append(reply, "s", state);
}

static const sd_bus_vtable manager[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("LoadUnit", "s", "o", on_load, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetUnit", "s", "o", on_load, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartUnit", "ss", "o", on_control, 0),
        SD_BUS_METHOD("StopUnit", "ss", "o", on_control, 0),
        SD_BUS_METHOD("EnableUnitFiles", "asbb", "ba(sss)", on_files, 0),
        SD_BUS_METHOD("DisableUnitFiles", "asb", "a(sss)", on_files, 0),
        SD_BUS_METHOD("Reload", "", "", on_reload, 0),
        SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable unit_properties[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("LoadState", "s", get_state, 0, 0),
        SD_BUS_PROPERTY("ActiveState", "s", get_state, 0, 0),
        SD_BUS_VTABLE_END,
};

int main(int argc, char **argv) {
        sigset_t mask;
        int r;

        if (argc > 1)
                directory = argv[1];
        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &mask, NULL);
        r = sd_event_default(&event);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, PATH, NAME ".Manager", manager, NULL);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, UNIT_PATH, NAME ".Unit", unit_properties,
                                               find_unit, NULL);
        if (r >= 0)
                r = sd_bus_request_name(bus, NAME, 0);
        if (r >= 0)
                r = sd_event_loop(event);
        if (r < 0)
                (void)fprintf(stderr, "fake-systemd: %s\n", strerror(-r));
        return r < 0;
}
