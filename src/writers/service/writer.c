/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service writer: applications that have no writer, by their control groups
 *
 * One component for each service of services.conf. What it holds is in hold.c.
 */

#include <stdarg.h>
#include <string.h>
#include "config.h"
#include "util/clock.h"
#include "writers/service/writer.h"

bool service_is_chosen(const vss_writer_call *call, const Service *service) {
        return event_is_chosen(call, "", service->name);
}

/* One event at a time. */
static char last_failure[1024];

void service_fail(vss_writer_call *call, const Service *service, vss_result code, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(last_failure, sizeof(last_failure), format, args);
        va_end(args);
        (void)vss_writer_call_fail_component(call, "", service->name, code, "%s", last_failure);
}

vss_result service_fail_all(vss_writer_call *call, size_t n) {
        return n == 1 ? vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE, "%s", last_failure)
                      : vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE, "%s (and %zu more services)",
                                             last_failure, n - 1);
}

/* ---- Identify */

/* NULL: it can be held. */
static const char *refuse(const Service *service) {
        char path[GROUP_PATH_SIZE];
        _cleanup_(closep) int dir = -1;
        int r = service->unit ? group_find(service->unit, path) : 0;

        if (r == -EOPNOTSUPP)
                return "there is no cgroup v2 on this machine: nothing holds the service";
        if (r < 0)
                return r == -ENOENT ? NULL : "its control group cannot be found";
        dir = group_open(service->unit ? path : service->group);
        if (dir == -EOPNOTSUPP)
                return "there is no cgroup v2 on this machine: nothing holds the service";
        if (dir >= 0 && !group_can_freeze(dir))
                return "its control group cannot be frozen: this wants cgroup v2 of Linux 5.2 or later";
        if (vss_writer_call_group_is_needed(NULL, service->unit ? path : service->group))
                return "this writer is in its control group, and would be stopped with it";
        return NULL;
}

/* @unfinished: restores; NULL: nobody looks. */
static vss_result describe_service(vss_metadata *metadata, const ServiceWriter *writer,
                                   const Service *service, const UnfinishedList *unfinished) {
        const Unfinished *broken = unfinished ? unfinished_find(unfinished, "", service->name) : NULL;
        char text[512];
        struct vss_component_info info = {
                .size = sizeof(info),
                .type = VSS_CT_FILEGROUP,
                .logical_path = "",
                .name = service->name,
                .caption = service->unit ?: service->group,
                .selectable = true,
                .selectable_for_restore = true,
                .owner = service->user,
        };
        vss_result r;

        if (broken)
                info.crash_only = unfinished_text(broken, writer->unfinished_path, text, sizeof(text));
        else if (unfinished)
                info.crash_only = refuse(service);
        r = vss_metadata_add_component(metadata, &info);

        for (size_t i = 0; r >= 0 && i < service->n_paths; i++) {
                r = vss_metadata_add_files(metadata, "", service->name, service->paths[i], "*", true);
                if (r == VSS_E_OBJECT_ALREADY_EXISTS)
                        r = VSS_S_OK;
        }
        for (size_t i = 0; r >= 0 && i < service->n_excludes; i++) {
                r = vss_metadata_add_exclude(metadata, service->excludes[i].path,
                                             service->excludes[i].filespec, true);
                if (r == VSS_E_OBJECT_ALREADY_EXISTS)
                        r = VSS_S_OK;
        }
        return r;
}

/* One for all services. Units are stopped and started by the events, which may also refuse. */
static vss_result describe_restore(vss_metadata *metadata) {
        return vss_metadata_set_restore_method(
                metadata, VSS_RME_RESTORE_IF_CAN_REPLACE, NULL,
                "Without the writer: stop each service, put its files back, start it.", VSS_WRE_ALWAYS,
                false);
}

static vss_result describe(vss_metadata *metadata, const ServiceWriter *writer, const ServiceList *services,
                           const UnfinishedList *unfinished) {
        vss_result r = describe_restore(metadata);

        for (size_t i = 0; r >= 0 && i < services->n; i++)
                r = describe_service(metadata, writer, &services->items[i], unfinished);
        for (size_t i = 0; r >= 0 && i < services->warnings.n; i++)
                r = vss_metadata_add_warning(metadata, "%s", services->warnings.items[i]);
        return r;
}

static vss_result fail_load(vss_writer_call *call) {
        return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                    "there is no memory for the services");
}

static vss_result service_identify(vss_writer_call *call, vss_metadata *metadata) {
        ServiceWriter *writer = vss_writer_call_userdata(call);
        ServiceList services = { 0 };
        UnfinishedList unfinished = { 0 };
        vss_result result;
        int r;

        /* Between Freeze and Thaw nothing is read. */
        if (writer->frozen)
                return describe(metadata, writer, &writer->services, NULL);
        if (service_list_load(writer->conf_path, &services) < 0)
                return fail_load(call);
        r = unfinished_load(writer->unfinished_path, &unfinished);
        result = describe(metadata, writer, &services, &unfinished);
        if (r < 0 && result >= 0)
                result = vss_metadata_add_warning(metadata, "%s cannot be read: %s", writer->unfinished_path,
                                                  strerror(-r));
        unfinished_clear(&unfinished);
        service_list_clear(&services);
        return result;
}

/* ---- the set */

static vss_result service_prepare_snapshot(vss_writer_call *call) {
        ServiceWriter *writer = vss_writer_call_userdata(call);

        hold_let_go(writer);
        (void)snprintf(writer->session, sizeof(writer->session), "%s", vss_writer_call_session_id(call));
        if (service_list_load(writer->conf_path, &writer->services) < 0)
                return fail_load(call);
        return hold_prepare(writer, call);
}

static vss_result service_freeze(vss_writer_call *call) {
        return hold_freeze(vss_writer_call_userdata(call), call);
}

static vss_result service_thaw(vss_writer_call *call) {
        return hold_thaw(vss_writer_call_userdata(call), call);
}

static vss_result service_abort(vss_writer_call *call) {
        ServiceWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (strcmp(writer->session, vss_writer_call_session_id(call)) == 0)
                hold_let_go(writer);
        return VSS_S_OK;
}

const struct vss_writer service_writer = {
        VSS_WRITER_INIT,
        .name = "Service",
        .id = "f9d69d97-0bf1-4799-868b-f448c226986e",
        .friendly_name = "Services without a writer",
        .version = LINUXVSS_VERSION,
        .usage = VSS_UT_USERDATA,
        .source = VSS_ST_OTHER,
        .level = VSS_APP_FRONT_END,
        .freeze_timeout_ms = 60000,
        .identify = service_identify,
        .prepare_snapshot = service_prepare_snapshot,
        .freeze = service_freeze,
        .thaw = service_thaw,
        .abort = service_abort,
        .pre_restore = service_pre_restore,
        .post_restore = service_post_restore,
        .verify = service_verify,
        .knows_dry_run = true,
};
