/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service writer: restores
 *
 * PreRestore stops the service, by its unit; what has only a control group is stopped by whoever started it.
 * PostRestore starts what ran before.
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

static vss_result pre_restore(vss_writer_call *call, const Service *service, const vss_value *component) {
        char text[1024];
        bool active = false;
        vss_result r;

        if (!service->unit)
                return stop_group(call, service);
        r = vss_writer_call_is_unit_active(call, service->unit, &active);
        if (r >= 0 && vss_writer_call_is_dry_run(call)) {
                (void)vss_writer_call_add_note(call, "", service->name,
                                               active ? "%s would be stopped" : "%s does not run",
                                               service->unit);
                return VSS_S_OK;
        }
        if (r >= 0 && active) {
                (void)vss_writer_call_set_restore_metadata(call, "", service->name, RAN);
                r = vss_writer_call_stop_unit(call, service->unit);
                if (r >= 0)
                        (void)vss_writer_call_add_note(call, "", service->name, "%s was stopped",
                                                       service->unit);
        }
        /* Without systemd, or with a unit that is not there yet, nothing of it runs. */
        if (r == VSS_E_OBJECT_NOT_FOUND)
                return VSS_S_OK;
        if (r >= 0)
                return r;
        (void)snprintf(text, sizeof(text), "%s could not be stopped: %s", service->unit,
                       vss_writer_call_failure_text(call));
        fail_before(call, service, VSS_E_WRITERERROR_RETRYABLE, text);
        return r;
}

static vss_result post_restore(vss_writer_call *call, const Service *service, const vss_value *component) {
        bool ran = strcmp(vss_value_get_string(component, "restore-metadata", ""), RAN) == 0;
        char text[1024];
        vss_result r;

        if (!service->unit)
                return VSS_S_OK;
        if (vss_writer_call_is_dry_run(call)) {
                bool active = false;

                r = vss_writer_call_is_unit_active(call, service->unit, &active);
                if (r >= 0 && active)
                        (void)vss_writer_call_add_note(call, "", service->name, "%s would be started again",
                                                       service->unit);
                return VSS_S_OK;
        }
        if (vss_value_get_integer(component, "file-restore-status", VSS_RS_UNDEFINED) == VSS_RS_FAILED) {
                (void)vss_writer_call_set_post_restore_failure_msg(
                        call, "", service->name,
                        "old and new files of this service are mixed: restore it again; it was not started");
                return VSS_S_OK;
        }
        if (!ran) {
                (void)vss_writer_call_add_note(call, "", service->name,
                                               "%s did not run before, and was not started", service->unit);
                return VSS_S_OK;
        }
        r = vss_writer_call_start_unit(call, service->unit);
        if (r >= 0) {
                (void)vss_writer_call_add_note(call, "", service->name, "%s was started", service->unit);
                return VSS_S_OK;
        }
        (void)snprintf(text, sizeof(text), "%s could not be started: %s", service->unit,
                       vss_writer_call_failure_text(call));
        service_fail(call, service, VSS_E_WRITERERROR_NONRETRYABLE, "%s", text);
        (void)vss_writer_call_set_post_restore_failure_msg(call, "", service->name, text);
        return r;
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
