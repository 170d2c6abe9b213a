/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores of drop-in applications
 *
 * PreRestore= is asked while the application still runs, and may refuse; then its unit is stopped.
 * Afterwards the unit is started, and PostRestore= goes on from there. Between the two nothing is
 * remembered: it may take hours.
 */

#include <string.h>
#include "util/clock.h"
#include "writers/dropin/applications.h"

/* The service does it, for any that root's files name (AnyService= of the descriptor). One after the other:
 * systemd's own limits are each unit's, and all have the time of the event. */
static void run_units(DropInWriter *writer, vss_writer_call *call, bool stop) {
        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];
                const DropIn *dropin = application->dropin;
                vss_result r;

                if (!application->in_set || application->reply.code < 0 || !dropin->restore_unit)
                        continue;
                r = stop ? vss_writer_call_stop_unit(call, dropin->restore_unit)
                         : vss_writer_call_start_unit(call, dropin->restore_unit);
                application->reply.code = r >= 0                           ? VSS_S_OK
                                          : r == VSS_E_WRITERERROR_TIMEOUT ? VSS_E_WRITERERROR_TIMEOUT
                                                                           : VSS_E_WRITERERROR_NONRETRYABLE;
                if (r < 0)
                        (void)snprintf(application->reply.text, sizeof(application->reply.text),
                                       "%s: %s could not be %s: %s", dropin->name, dropin->restore_unit,
                                       stop ? "stopped" : "started", vss_writer_call_failure_text(call));
        }
}

/* What people read in the document, too. */
static void leave_messages(const DropInWriter *writer, vss_writer_call *call,
                           vss_result (*set)(vss_writer_call *call, const char *logical_path,
                                             const char *name, const char *message)) {
        for (size_t i = 0; i < writer->files.n; i++) {
                const Application *application = &writer->applications[i];
                const DropIn *dropin = application->dropin;

                for (size_t j = 0; application->reply.code < 0 && j < dropin->n_components; j++)
                        if (application_is_restored(call, &dropin->components[j]))
                                (void)set(call, dropin->components[j].logical_path,
                                          dropin->components[j].name, application->reply.text);
        }
}

/* What the requester says of all components of the application together. */
static const char *restored(const vss_writer_call *call, const DropIn *dropin) {
        static const char *const words[] = { "unknown", "none", "all", "failed" };
        int64_t all = -1;

        for (size_t i = 0; i < dropin->n_components; i++) {
                const DropInComponent *component = &dropin->components[i];
                const vss_value *chosen = vss_writer_call_find_component(call, component->logical_path,
                                                                         component->name);
                int64_t status = vss_value_get_integer(chosen, "file-restore-status", VSS_RS_UNDEFINED);

                if (!vss_value_get_boolean(chosen, "selected-for-restore", false))
                        continue;
                if (status < VSS_RS_UNDEFINED || status > VSS_RS_FAILED)
                        status = VSS_RS_UNDEFINED;
                /* Some and others: a mix. */
                all = all < 0 || all == status ? status : VSS_RS_FAILED;
        }
        return words[MAX(all, 0)];
}

static vss_result pre_restore(DropInWriter *writer, vss_writer_call *call) {
        applications_run(writer, DROPIN_PRE_RESTORE, event_budget_ms(call));
        run_units(writer, call, true);
        leave_messages(writer, call, vss_writer_call_set_pre_restore_failure_msg);
        return applications_sort_out(writer, call);
}

static vss_result post_restore(DropInWriter *writer, vss_writer_call *call) {
        uint64_t start = now_usec();
        uint32_t budget = event_budget_ms(call), used;
        vss_result result;

        run_units(writer, call, false);
        leave_messages(writer, call, vss_writer_call_set_post_restore_failure_msg);
        result = applications_sort_out(writer, call);
        if (result < 0)
                return result;
        for (size_t i = 0; i < writer->files.n; i++)
                writer->applications[i].restored = restored(call, writer->files.items[i]);
        used = (uint32_t)MIN((now_usec() - start) / USEC_PER_MSEC, (uint64_t)budget);
        applications_run(writer, DROPIN_POST_RESTORE, budget - used);
        leave_messages(writer, call, vss_writer_call_set_post_restore_failure_msg);
        return applications_sort_out(writer, call);
}

/* Whether a command would refuse is known to nobody but itself, and it does more than that. */
static vss_result tell(const DropInWriter *writer, vss_writer_call *call, DropInCommand command) {
        bool before = command == DROPIN_PRE_RESTORE;

        for (size_t i = 0; i < writer->files.n; i++) {
                const DropIn *dropin = writer->files.items[i];
                char *const *words = dropin->commands[command];

                if (!writer->applications[i].in_set)
                        continue;
                if (before && words)
                        (void)vss_writer_call_add_note(call, NULL, NULL,
                                                       "%s: %s would be run, and may refuse", dropin->name,
                                                       words[0]);
                if (dropin->restore_unit)
                        (void)vss_writer_call_add_note(call, NULL, NULL, "%s: %s would be %s", dropin->name,
                                                       dropin->restore_unit, before ? "stopped" : "started");
                if (!before && words)
                        (void)vss_writer_call_add_note(call, NULL, NULL, "%s: %s would be run", dropin->name,
                                                       words[0]);
        }
        return VSS_S_OK;
}

static vss_result run_restore(vss_writer_call *call, DropInCommand command) {
        const DropInWriter *writer = vss_writer_call_userdata(call);
        _cleanup_(freep) DropInWriter *own = calloc(1, sizeof(*own));
        vss_result result;
        int r;

        if (!own)
                return applications_fail_load(call, -ENOMEM);
        own->directories = writer->directories;
        own->n_directories = writer->n_directories;
        r = applications_begin(own, call, APPLICATIONS_RESTORE);
        for (size_t i = 0; r >= 0 && i < own->files.n; i++) {
                const DropIn *dropin = own->files.items[i];

                own->applications[i].in_set = own->applications[i].in_set &&
                                              (dropin->commands[command] || dropin->restore_unit);
        }
        if (r < 0)
                result = applications_fail_load(call, r);
        else if (vss_writer_call_is_dry_run(call))
                result = tell(own, call, command);
        else
                result = command == DROPIN_PRE_RESTORE ? pre_restore(own, call) : post_restore(own, call);
        applications_forget(own);
        return result;
}

vss_result dropin_pre_restore(vss_writer_call *call) {
        return run_restore(call, DROPIN_PRE_RESTORE);
}

vss_result dropin_post_restore(vss_writer_call *call) {
        return run_restore(call, DROPIN_POST_RESTORE);
}
