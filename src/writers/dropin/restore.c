/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restores of drop-in applications
 *
 * PreRestore= is asked while the application still runs, and may refuse; then its unit is stopped.
 * Afterwards the unit is started, and PostRestore= goes on from there. Between the two nothing is
 * remembered: it may take hours.
 */

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "writers/dropin/applications.h"

/* The broker does this itself: the application's user may not, and only root's file says it. */
static void order_unit(const DropInWriter *writer, Application *application, const char *verb,
                       Command *ret_command) {
        char *unit = application->dropin->restore_unit;
        char *argv[] = { (char *)writer->systemctl,
                         (char *)"--no-ask-password",
                         (char *)verb,
                         (char *)"--",
                         unit,
                         NULL };
        char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C.UTF-8", NULL };
        int r = command_start(argv, environment, false, -1, ret_command);

        application->reply.code = VSS_S_OK;
        if (r >= 0)
                return;
        application->reply.code = VSS_E_WRITERERROR_OUTOFRESOURCES;
        (void)snprintf(application->reply.text, sizeof(application->reply.text),
                       "%s: %s of %s cannot be started: %s", application->dropin->name, verb, unit,
                       strerror(-r));
}

static void await_unit(Application *application, const char *verb, Command *command,
                       uint64_t deadline_usec) {
        int status = 0, r = command_wait(command, deadline_usec, -1, false, &status);
        const char *text = command_output_text(&command->out);

        if (r < 0 || status != 0) {
                application->reply.code = r < 0 ? VSS_E_WRITERERROR_TIMEOUT : VSS_E_WRITERERROR_NONRETRYABLE;
                (void)snprintf(application->reply.text, sizeof(application->reply.text),
                               "%s: %s of %s %s%s%s", application->dropin->name, verb,
                               application->dropin->restore_unit, r < 0 ? "did not end in time" : "failed",
                               text[0] ? ": " : "", text);
        }
        command_clear(command);
}

/* Stop or start the units of all that take part, at once. Return: 0 or -ENOMEM. */
static int run_units(DropInWriter *writer, const char *verb, uint32_t budget) {
        uint64_t now = now_usec();
        Command *commands;

        commands = calloc(DROPIN_FILES_MAX, sizeof(*commands));
        if (!commands)
                return -ENOMEM;
        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];

                commands[i] = COMMAND_NULL;
                if (application->in_set && application->reply.code >= 0 && application->dropin->restore_unit)
                        order_unit(writer, application, verb, &commands[i]);
        }
        for (size_t i = 0; i < writer->files.n; i++)
                if (commands[i].pid > 0)
                        await_unit(&writer->applications[i], verb, &commands[i],
                                   now + application_limit_ms(writer->files.items[i], budget) *
                                                   USEC_PER_MSEC);
        free(commands);
        return 0;
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
        uint64_t start = now_usec();
        uint32_t budget = event_budget_ms(call), used;
        vss_result result;
        int r;

        applications_run(writer, DROPIN_PRE_RESTORE, budget);
        used = (uint32_t)MIN((now_usec() - start) / USEC_PER_MSEC, (uint64_t)budget);
        r = run_units(writer, "stop", budget - used);
        if (r < 0)
                return applications_fail_load(call, r);
        leave_messages(writer, call, vss_writer_call_set_pre_restore_failure_msg);
        result = applications_sort_out(writer, call);
        return result;
}

static vss_result post_restore(DropInWriter *writer, vss_writer_call *call) {
        uint64_t start = now_usec();
        uint32_t budget = event_budget_ms(call), used;
        vss_result result;
        int r = run_units(writer, "start", budget);

        if (r < 0)
                return applications_fail_load(call, r);
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
        own->systemctl = writer->systemctl;
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
