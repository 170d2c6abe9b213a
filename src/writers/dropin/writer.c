/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The drop-in writer: applications said in files
 *
 * Each file is an application with a guardian of its own; they go in parallel, level by level as their files
 * say. A failing command costs the components of its file only, and what it wrote is in the message.
 */

#include <string.h>
#include "config.h"
#include "util/clock.h"
#include "writers/dropin/applications.h"

static const enum vss_application_level freeze_order[] = { VSS_APP_FRONT_END, VSS_APP_BACK_END,
                                                           VSS_APP_SYSTEM };

/* identify */

static vss_result describe_files(vss_metadata *metadata, const DropIn *dropin) {
        for (size_t i = 0; i < dropin->n_file_sets; i++) {
                const DropInFileSet *files = &dropin->file_sets[i];
                const DropInComponent *component;
                vss_result r;

                if (files->dropped)
                        continue;
                if (files->component == DROPIN_EXCLUDE) {
                        r = vss_metadata_add_exclude(metadata, files->path, files->filespec,
                                                     files->recursive);
                } else if (files->component == DROPIN_EXCLUDE_FROM_SNAPSHOT) {
                        r = vss_metadata_add_exclude_from_snapshot(metadata, files->path, files->filespec,
                                                                   files->recursive);
                } else {
                        component = &dropin->components[files->component];
                        r = vss_metadata_add_files(metadata, component->logical_path, component->name,
                                                   files->path, files->filespec, files->recursive);
                }
                if (r < 0 && r != VSS_E_OBJECT_ALREADY_EXISTS)
                        return r;
        }
        return VSS_S_OK;
}

static vss_result describe_dependencies(vss_metadata *metadata, const DropIn *dropin) {
        for (size_t i = 0; i < dropin->n_dependencies; i++) {
                const DropInDependency *d = &dropin->dependencies[i];
                const DropInComponent *component = &dropin->components[d->component];
                vss_result r;

                if (!dropin_has_files(dropin, d->component))
                        continue;
                r = vss_metadata_add_dependency(metadata, component->logical_path, component->name,
                                                d->writer_id, d->logical_path, d->name);
                if (r == VSS_E_INVALIDARG)
                        r = vss_metadata_add_warning(
                                metadata, "%s: DependsOn=%s %s%s%s is nothing to depend on, and left out",
                                dropin->path, d->writer_id, d->logical_path, d->logical_path[0] ? "/" : "",
                                d->name);
                if (r < 0 && r != VSS_E_OBJECT_ALREADY_EXISTS)
                        return r;
        }
        return VSS_S_OK;
}

static vss_result describe_dropin(vss_metadata *metadata, const DropIn *dropin) {
        vss_result r;

        for (size_t i = 0; i < dropin->n_components; i++) {
                struct vss_component_info info = {
                        .size = sizeof(info),
                        .type = VSS_CT_FILEGROUP,
                        .logical_path = dropin->components[i].logical_path,
                        .name = dropin->components[i].name,
                        .caption = dropin->path,
                        .selectable = true,
                        .selectable_for_restore = true,
                        .owner = dropin->user,
                        .crash_only = dropin_has_no_hold(dropin)
                                              ? "its drop-in file has no Prepare=, Hold= or Freeze="
                                              : NULL,
                };

                if (!dropin_has_files(dropin, i))
                        continue;
                r = vss_metadata_add_component(metadata, &info);
                if (r < 0)
                        return r;
        }
        r = describe_files(metadata, dropin);
        return r < 0 ? r : describe_dependencies(metadata, dropin);
}

static vss_result describe(vss_metadata *metadata, const DropInSet *set) {
        vss_result result;

        /* One for all applications: who must be at rest is stopped by the events, which may also refuse. */
        result = vss_metadata_set_restore_method(metadata, VSS_RME_RESTORE_IF_CAN_REPLACE, NULL, NULL,
                                                 VSS_WRE_ALWAYS, false);
        if (result < 0)
                return result;
        for (size_t i = 0; i < set->n; i++) {
                vss_result r = describe_dropin(metadata, set->items[i]);

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < set->warnings.n; i++) {
                vss_result r = vss_metadata_add_warning(metadata, "%s", set->warnings.items[i]);

                if (r < 0)
                        return r;
        }
        return VSS_S_OK;
}

static vss_result dropin_identify(vss_writer_call *call, vss_metadata *metadata) {
        DropInWriter *writer = vss_writer_call_userdata(call);
        DropInSet set = { 0 };
        vss_result result;
        int r;

        /* Between Freeze and Thaw nothing is read and nobody is looked up. */
        if (writer->frozen)
                return describe(metadata, &writer->files);
        r = applications_load(writer, &set);
        if (r < 0)
                return applications_fail_load(call, r);
        result = describe(metadata, &set);
        dropin_set_clear(&set);
        return result;
}

static vss_result dropin_prepare_snapshot(vss_writer_call *call) {
        DropInWriter *writer = vss_writer_call_userdata(call);
        vss_result result;
        int r;

        r = applications_begin(writer, call, APPLICATIONS_BACKUP);
        if (r < 0) {
                applications_forget(writer);
                return applications_fail_load(call, r);
        }
        applications_run(writer, DROPIN_PREPARE, event_budget_ms(call));
        result = applications_sort_out(writer, call);
        if (result < 0)
                applications_forget(writer);
        return result;
}

/* Thaw a level. Return: the first application that could not thaw well; NULL if all did. */
static const Application *thaw_level(DropInWriter *writer, enum vss_application_level level,
                                     uint64_t deadline_usec) {
        const Application *failed = NULL;
        GuardianOrder order = { .order = GUARDIAN_THAW };

        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];

                if (application->frozen && application->dropin->level == level)
                        application_order(application, &order);
        }
        applications_collect(writer, deadline_usec);

        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];

                if (!application->frozen || application->dropin->level != level)
                        continue;
                application->frozen = false;
                if (application->reply.code >= 0)
                        continue;
                failed = failed ?: application;
                /* Its guardian was killed: another one runs Thaw=, and needs no freeze for that. */
                if (application->guardian.pid <= 0 &&
                    application->reply.code == VSS_E_WRITERERROR_RETRYABLE) {
                        GuardianReply reply = application->reply;

                        application_start(writer, application);
                        applications_collect(writer, deadline_usec);
                        if (application->reply.code >= 0)
                                application_order(application, &order);
                        applications_collect(writer, deadline_usec);
                        application->reply = reply;
                }
        }
        return failed;
}

static const Application *thaw_all(DropInWriter *writer, uint32_t budget) {
        uint64_t deadline = now_usec() + budget * USEC_PER_MSEC;
        const Application *failed = NULL;

        for (size_t i = ELEMENTS(freeze_order); i > 0; i--) {
                const Application *application = thaw_level(writer, freeze_order[i - 1], deadline);

                failed = failed ?: application;
        }
        writer->frozen = false;
        return failed;
}

static vss_result dropin_freeze(vss_writer_call *call) {
        DropInWriter *writer = vss_writer_call_userdata(call);
        uint64_t deadline = now_usec() + event_budget_ms(call) * USEC_PER_MSEC;
        vss_result result;

        writer->frozen = true;
        FOREACH_ELEMENT (level, freeze_order) {
                uint64_t now = now_usec();
                uint32_t left = now < deadline ? (uint32_t)((deadline - now) / 1000) : 0;

                for (size_t i = 0; i < writer->files.n; i++) {
                        Application *application = &writer->applications[i];
                        GuardianOrder order = { .order = GUARDIAN_FREEZE,
                                                .lease_ms = GUARDIAN_LEASE_SECONDS * 1000 };

                        if (!application->in_set || application->dropin->level != *level)
                                continue;
                        order.limit_ms = application_limit_ms(application->dropin, left);
                        application->frozen = true;
                        application_order(application, &order);
                }
                applications_collect(writer, deadline + EVENT_MARGIN_MS / 2 * USEC_PER_MSEC);
        }
        /* Who failed to freeze has thawed itself. */
        for (size_t i = 0; i < writer->files.n; i++)
                if (writer->applications[i].in_set && writer->applications[i].reply.code < 0)
                        writer->applications[i].frozen = false;
        result = applications_sort_out(writer, call);
        if (result < 0) {
                (void)thaw_all(writer, 0);
                applications_forget(writer);
        }
        return result;
}

static vss_result dropin_thaw(vss_writer_call *call) {
        DropInWriter *writer = vss_writer_call_userdata(call);
        const Application *failed = thaw_all(writer, event_budget_ms(call));
        vss_result result = VSS_S_OK;

        if (failed)
                result = vss_writer_call_fail(call, failed->reply.code, "%s", failed->reply.text);
        applications_forget(writer);
        return result;
}

static vss_result dropin_abort(vss_writer_call *call) {
        DropInWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (!writer->session_id || strcmp(writer->session_id, vss_writer_call_session_id(call)) != 0)
                return VSS_S_OK;
        (void)thaw_all(writer, event_budget_ms(call));
        applications_forget(writer);
        return VSS_S_OK;
}

static vss_result run_afterwards(DropInWriter *writer, vss_writer_call *call, DropInCommand command) {
        vss_result result = VSS_S_OK;
        size_t n_failed = 0;
        int r;

        r = applications_begin(writer, call, APPLICATIONS_BACKUP);
        if (r < 0)
                return applications_fail_load(call, r);
        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];

                application->in_set = application->in_set && application->dropin->commands[command];
                if (command == DROPIN_BACKUP_COMPLETE)
                        application->in_set = application->in_set &&
                                              application_all_succeeded(call, application->dropin);
        }
        applications_run(writer, command, event_budget_ms(call));
        for (size_t i = 0; i < writer->files.n; i++)
                if (writer->applications[i].in_set && writer->applications[i].reply.code < 0 &&
                    n_failed++ == 0)
                        result = vss_writer_call_fail(call, writer->applications[i].reply.code, "%s",
                                                      writer->applications[i].reply.text);
        return result;
}

/*
 * These come long after Thaw, perhaps to another process than the one that froze, and perhaps while another
 * session is prepared: nothing is remembered for them, and they leave what is remembered alone.
 */
static vss_result run_event(vss_writer_call *call, DropInCommand command) {
        const DropInWriter *writer = vss_writer_call_userdata(call);
        _cleanup_(freep) DropInWriter *own = calloc(1, sizeof(*own));
        vss_result result;

        if (!own)
                return applications_fail_load(call, -ENOMEM);
        own->directories = writer->directories;
        own->n_directories = writer->n_directories;
        result = run_afterwards(own, call, command);
        applications_forget(own);
        return result;
}

static vss_result dropin_post_snapshot(vss_writer_call *call) {
        return run_event(call, DROPIN_POST_SNAPSHOT);
}

static vss_result dropin_backup_complete(vss_writer_call *call) {
        return run_event(call, DROPIN_BACKUP_COMPLETE);
}

const struct vss_writer dropin_writer = {
        VSS_WRITER_INIT,
        .name = "DropIn",
        .id = "b7d4e1a9-62c8-4f0d-9a35-0c8e57f1d264",
        .friendly_name = "Drop-in applications",
        .version = LINUXVSS_VERSION,
        .usage = VSS_UT_USERDATA,
        .source = VSS_ST_OTHER,
        .level = VSS_APP_FRONT_END,
        .freeze_timeout_ms = GUARDIAN_LEASE_SECONDS * 1000,
        .identify = dropin_identify,
        .prepare_snapshot = dropin_prepare_snapshot,
        .freeze = dropin_freeze,
        .thaw = dropin_thaw,
        .abort = dropin_abort,
        .post_snapshot = dropin_post_snapshot,
        .backup_complete = dropin_backup_complete,
        .pre_restore = dropin_pre_restore,
        .post_restore = dropin_post_restore,
        .verify = dropin_verify,
        .knows_dry_run = true,
};
