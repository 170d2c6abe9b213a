/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service writer: restores
 *
 * PreRestore stops the service, by its unit; what has only a control group is stopped by whoever started it.
 * PostRestore starts what ran before. In between it is noted in a file (unfinished.h), so that a second try
 * starts what the first one has stopped and not started.
 */

#include <string.h>
#include "util/clock.h"
#include "writers/service/writer.h"

/* Left with a component in PreRestore, for PostRestore. */
#define RAN "ran-before"

typedef vss_result (*RestoreOne)(vss_writer_call *call, const Service *service, const vss_value *component);

static void fail_before(vss_writer_call *call, const Service *service, vss_result code, const char *text) {
        service_fail(call, service, code, "%s", text);
        (void)vss_writer_call_set_pre_restore_failure_msg(call, "", service->name, text);
}

static bool runs(const char *group) {
        _cleanup_(closep) int dir = group_open(group);

        return dir >= 0 && group_is_populated(dir) != 0;
}

/* Nobody but who started it knows how to stop it. */
static vss_result stop_group(vss_writer_call *call, const Service *service) {
        char text[GROUP_PATH_SIZE + 128];

        if (!runs(service->group))
                return VSS_S_OK;
        (void)snprintf(text, sizeof(text), "processes run in the control group %s: stop them, and try again",
                       service->group);
        fail_before(call, service, VSS_E_WRITERERROR_RETRYABLE, text);
        return VSS_E_WRITERERROR_RETRYABLE;
}

/* What is known of the restores of a service: the one that was begun, if it did not finish. */
static Unfinished find_unfinished(const ServiceWriter *writer, const Service *service) {
        Unfinished found = { .key = NULL };
        UnfinishedList list;

        /* What cannot be read cannot be added to either, and refuses a restore there. */
        if (unfinished_load(writer->unfinished_path, &list) >= 0) {
                const Unfinished *unfinished = unfinished_find(&list, "", service->name);

                if (unfinished)
                        found = *unfinished;
                found.key = NULL;
        }
        unfinished_clear(&list);
        return found;
}

/* Without systemd, or with a unit that is not there yet, nothing of it runs. */
static vss_result look_at_unit(vss_writer_call *call, const Service *service, bool *ret_active) {
        vss_result r = vss_writer_call_is_unit_active(call, service->unit, ret_active);

        if (r < 0)
                *ret_active = false;
        return r == VSS_E_OBJECT_NOT_FOUND ? VSS_S_OK : r;
}

static vss_result tell_dry(vss_writer_call *call, const Service *service, bool active, bool left_down) {
        (void)vss_writer_call_add_note(call, "", service->name,
                                       active      ? "%s would be stopped"
                                       : left_down ? "%s was stopped by a restore that did not finish"
                                                   : "%s does not run",
                                       service->unit);
        return VSS_S_OK;
}

/* From here on it is known that it was begun, and what ran before. */
static vss_result note_begin(vss_writer_call *call, const Service *service, bool ran) {
        const ServiceWriter *writer = vss_writer_call_userdata(call);
        char text[1024];
        int r = unfinished_begin(writer->unfinished_path, vss_writer_call_session_id(call), "",
                                 service->name, ran);

        if (r >= 0)
                return VSS_S_OK;
        (void)snprintf(text, sizeof(text), "its restore cannot be noted in %s: %s; nothing was stopped",
                       writer->unfinished_path, strerror(-r));
        fail_before(call, service, VSS_E_WRITERERROR_RETRYABLE, text);
        return VSS_E_WRITERERROR_RETRYABLE;
}

static vss_result note_end(vss_writer_call *call, const Service *service, const char *session) {
        const ServiceWriter *writer = vss_writer_call_userdata(call);
        int r = unfinished_end(writer->unfinished_path, session, "", service->name);

        if (r < 0)
                (void)vss_writer_call_add_note(call, "", service->name,
                                               "that its restore has ended cannot be noted in %s: %s",
                                               writer->unfinished_path, strerror(-r));
        return VSS_S_OK;
}

/* One that still runs has lost nothing. */
static vss_result fail_stop(vss_writer_call *call, const Service *service, vss_result why) {
        char text[1024];
        bool active = false;

        (void)snprintf(text, sizeof(text), "%s could not be stopped: %s", service->unit,
                       vss_writer_call_failure_text(call));
        if (look_at_unit(call, service, &active) >= 0 && active)
                (void)note_end(call, service, vss_writer_call_session_id(call));
        fail_before(call, service, VSS_E_WRITERERROR_RETRYABLE, text);
        return why;
}

static vss_result pre_restore(vss_writer_call *call, const Service *service, const vss_value *component) {
        const ServiceWriter *writer = vss_writer_call_userdata(call);
        bool active = false, left_down;
        vss_result r;

        if (!service->unit) {
                r = stop_group(call, service);
                return r < 0 || vss_writer_call_is_dry_run(call) ? r : note_begin(call, service, false);
        }
        left_down = find_unfinished(writer, service).ran;
        r = look_at_unit(call, service, &active);
        if (r < 0)
                return fail_stop(call, service, r);
        if (vss_writer_call_is_dry_run(call))
                return tell_dry(call, service, active, left_down);
        if (active || left_down)
                (void)vss_writer_call_set_restore_metadata(call, "", service->name, RAN);
        r = note_begin(call, service, active);
        if (r < 0 || !active)
                return r;
        r = vss_writer_call_stop_unit(call, service->unit);
        if (r < 0)
                return fail_stop(call, service, r);
        (void)vss_writer_call_add_note(call, "", service->name, "%s was stopped", service->unit);
        return VSS_S_OK;
}

/* Nothing of this restore was put back: then what one before it has left is still there. */
static bool is_mixed(vss_writer_call *call, const Service *service, const vss_value *component) {
        int64_t status = vss_value_get_integer(component, "file-restore-status", VSS_RS_UNDEFINED);
        Unfinished unfinished = find_unfinished(vss_writer_call_userdata(call), service);

        return status == VSS_RS_FAILED ||
               (status == VSS_RS_NONE && unfinished.session[0] &&
                strcmp(unfinished.session, vss_writer_call_session_id(call)) != 0);
}

static vss_result start(vss_writer_call *call, const Service *service) {
        vss_result r = vss_writer_call_start_unit(call, service->unit);
        char text[1024];

        if (r >= 0) {
                (void)vss_writer_call_add_note(call, "", service->name, "%s was started", service->unit);
                return note_end(call, service, NULL);
        }
        (void)snprintf(text, sizeof(text), "%s could not be started: %s", service->unit,
                       vss_writer_call_failure_text(call));
        service_fail(call, service, VSS_E_WRITERERROR_NONRETRYABLE, "%s", text);
        (void)vss_writer_call_set_post_restore_failure_msg(call, "", service->name, text);
        return r;
}

static vss_result post_restore(vss_writer_call *call, const Service *service, const vss_value *component) {
        bool ran = strcmp(vss_value_get_string(component, "restore-metadata", ""), RAN) == 0;

        if (vss_writer_call_is_dry_run(call)) {
                bool active = false;

                if (service->unit && look_at_unit(call, service, &active) >= 0 &&
                    (active || find_unfinished(vss_writer_call_userdata(call), service).ran))
                        (void)vss_writer_call_add_note(call, "", service->name, "%s would be started again",
                                                       service->unit);
                return VSS_S_OK;
        }
        if (is_mixed(call, service, component)) {
                (void)vss_writer_call_set_post_restore_failure_msg(
                        call, "", service->name,
                        "old and new files of this service are mixed: restore it again; it was not started");
                return VSS_S_OK;
        }
        if (ran && service->unit)
                return start(call, service);
        if (service->unit)
                (void)vss_writer_call_add_note(call, "", service->name,
                                               "%s did not run before, and was not started", service->unit);
        return note_end(call, service, NULL);
}

static vss_result each_restored(vss_writer_call *call, RestoreOne one) {
        const ServiceWriter *writer = vss_writer_call_userdata(call);
        ServiceList services = { 0 };
        size_t n = 0, n_failed = 0;

        /* It may be another session that is frozen: what is remembered is left alone. */
        if (service_list_load(writer->conf_path, &services) < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                            "there is no memory for the services");
        for (size_t i = 0; i < services.n; i++) {
                const vss_value *component = vss_writer_call_find_component(call, "",
                                                                            services.items[i].name);

                if (!component || !vss_value_get_boolean(component, "selected-for-restore", false))
                        continue;
                n++;
                n_failed += one(call, &services.items[i], component) < 0;
        }
        service_list_clear(&services);
        if (n == 0 || n_failed < n)
                return VSS_S_OK;
        return service_fail_all(call, n);
}

vss_result service_pre_restore(vss_writer_call *call) {
        return each_restored(call, pre_restore);
}

vss_result service_post_restore(vss_writer_call *call) {
        return each_restored(call, post_restore);
}
