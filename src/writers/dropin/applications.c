/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The applications of the drop-in files during an event: who takes part, and orders to all their guardians
 */

#include <string.h>
#include "util/clock.h"
#include "writers/dropin/applications.h"

#define JUDGE_USEC (500 * USEC_PER_MSEC)

uint32_t application_limit_ms(const DropIn *dropin, uint32_t budget) {
        return MIN(dropin->timeout_seconds * 1000, budget);
}

bool dropin_has_files(const DropIn *dropin, size_t component) {
        for (size_t i = 0; i < dropin->n_file_sets; i++)
                if (dropin->file_sets[i].component == component && !dropin->file_sets[i].dropped)
                        return true;
        return false;
}

int applications_load(const DropInWriter *writer, DropInSet *ret_set) {
        DropInSet set = { 0 };
        int r = dropin_set_load(writer->directories, writer->n_directories, &set);

        if (r < 0)
                return r;
        r = dropin_judge(&set, now_usec() + JUDGE_USEC);
        if (r < 0) {
                dropin_set_clear(&set);
                return r;
        }
        *ret_set = set;
        return 0;
}

vss_result applications_fail_load(vss_writer_call *call, int error) {
        return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                    "the drop-in files cannot be read: %s", strerror(-error));
}

/* Talking to guardians */

static void give_up(Application *application, vss_result code, const char *why) {
        /* It lets go by itself; a kill would prevent that. */
        child_leave(&application->guardian);
        application->reply.code = code;
        (void)snprintf(application->reply.text, sizeof(application->reply.text), "%s: %s",
                       application->dropin->name, why);
}

void application_order(Application *application, const GuardianOrder *order) {
        application->reply.code = VSS_S_FALSE;
        if (child_send(application->guardian.fd, order, sizeof(*order)) < 0)
                give_up(application, VSS_E_WRITERERROR_RETRYABLE,
                        "the process that runs its commands has ended");
}

static void receive_reply(Application *application) {
        GuardianReply reply;
        ssize_t n = child_receive(application->guardian.fd, &reply, sizeof(reply) - 1, 0);

        if (n == -EAGAIN)
                return;
        if (n < (ssize_t)offsetof(GuardianReply, text)) {
                give_up(application, VSS_E_WRITERERROR_RETRYABLE,
                        "the process that runs its commands has ended");
                return;
        }
        ((char *)&reply)[n] = '\0';
        application->reply = reply;
}

void applications_collect(DropInWriter *writer, uint64_t deadline_usec) {
        for (;;) {
                bool ready[DROPIN_FILES_MAX] = { 0 };
                int fds[DROPIN_FILES_MAX], r;
                size_t n_awaited = 0;

                for (size_t i = 0; i < writer->files.n; i++) {
                        bool awaited = writer->applications[i].reply.code == VSS_S_FALSE;

                        fds[i] = awaited ? writer->applications[i].guardian.fd : -1;
                        n_awaited += awaited;
                }
                if (n_awaited == 0)
                        return;
                r = poll_any(fds, writer->files.n, deadline_usec, ready);
                for (size_t i = 0; i < writer->files.n; i++)
                        if (r < 0 && fds[i] >= 0)
                                give_up(&writer->applications[i], VSS_E_WRITERERROR_TIMEOUT,
                                        "its command did not end in time");
                        else if (ready[i])
                                receive_reply(&writer->applications[i]);
        }
}

void application_start(DropInWriter *writer, Application *application) {
        GuardianTask task = { .dropin = application->dropin, .context = &writer->context };
        int r;

        application->reply = (GuardianReply){ .code = VSS_S_FALSE };
        writer->context.restored = application->restored;
        writer->context.scratch = application->scratch[0] ? application->scratch : NULL;
        r = child_start(guardian_main, &task, &application->guardian);
        if (r < 0)
                give_up(application, VSS_E_WRITERERROR_OUTOFRESOURCES,
                        "there is no process for its commands");
}

/* Sets */

/* Is @path what @chosen is called, or below it? */
static bool comes_with(const char *path, const char *name, const vss_value *chosen) {
        const char *above = vss_value_get_string(chosen, "logical-path", "");
        const char *above_name = vss_value_get_string(chosen, "name", "");
        size_t n = strlen(above);

        if (strcmp(path, above) == 0 && strcmp(name, above_name) == 0)
                return true;
        if (n > 0 && (strncmp(path, above, n) != 0 || path[n++] != '/'))
                return false;
        path += n;
        n = strlen(above_name);
        return strncmp(path, above_name, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The one that was chosen and that the component comes with, itself at first. NULL if it was not. */
static const vss_value *find_chosen(const vss_writer_call *call, const DropInComponent *component) {
        const vss_value *found = NULL;

        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *chosen = vss_writer_call_component(call, i);

                if (comes_with(component->logical_path, component->name, chosen) &&
                    (!found || strcmp(vss_value_get_string(chosen, "name", ""), component->name) == 0))
                        found = chosen;
        }
        return found;
}

static bool is_chosen(const vss_writer_call *call, const DropInComponent *component) {
        /* Without a selection all are meant, and only those that failed are listed. */
        return !vss_writer_call_components_selected(call) || find_chosen(call, component);
}

static bool has_succeeded(const vss_writer_call *call, const DropInComponent *component) {
        const vss_value *chosen = find_chosen(call, component);

        return chosen ? vss_value_get_boolean(chosen, "succeeded", false)
                      : !vss_writer_call_components_selected(call);
}

/* With subcomponents named, only they are restored. */
bool application_is_restored(const vss_writer_call *call, const DropInComponent *component) {
        const vss_value *chosen = find_chosen(call, component);
        const vss_value *subcomponents = vss_value_get(chosen, "restore-subcomponents");

        if (!vss_value_get_boolean(chosen, "selected-for-restore", false))
                return false;
        for (size_t i = 0; i < vss_value_count(subcomponents); i++)
                if (comes_with(component->logical_path, component->name, vss_value_at(subcomponents, i)))
                        return true;
        return vss_value_count(subcomponents) == 0;
}

static bool takes_part(const vss_writer_call *call, const DropIn *dropin, ApplicationsUse use) {
        for (size_t i = 0; i < dropin->n_file_sets; i++) {
                const DropInFileSet *files = &dropin->file_sets[i];
                const DropInComponent *component;

                if (files->dropped || files->component >= dropin->n_components)
                        continue;
                component = &dropin->components[files->component];
                if (use == APPLICATIONS_RESTORE ? application_is_restored(call, component)
                                                : vss_writer_call_is_path_affected(call, files->path) &&
                                                          is_chosen(call, component))
                        return true;
        }
        return false;
}

/* Nothing may be thrown away because of a backup that did not save all of the application. */
bool application_all_succeeded(const vss_writer_call *call, const DropIn *dropin) {
        for (size_t i = 0; i < dropin->n_components; i++)
                if (is_chosen(call, &dropin->components[i]) && !has_succeeded(call, &dropin->components[i]))
                        return false;
        return true;
}

void applications_forget(DropInWriter *writer) {
        for (size_t i = 0; i < writer->files.n; i++)
                child_leave(&writer->applications[i].guardian);
        memset(writer->applications, 0, sizeof(writer->applications));
        for (size_t i = 0; i < DROPIN_FILES_MAX; i++)
                writer->applications[i].guardian = CHILD_NULL;
        dropin_set_clear(&writer->files);
        free(writer->session_id);
        free(writer->set_id);
        free(writer->volumes);
        writer->session_id = writer->set_id = writer->volumes = NULL;
        writer->frozen = false;
}

static int append(char **text, const char *more) {
        char *joined = NULL;

        if (asprintf(&joined, "%s%s%s", *text ?: "", *text ? ":" : "", more) < 0)
                return -ENOMEM;
        free(*text);
        *text = joined;
        return 0;
}

static const char *backup_type_name(enum vss_backup_type type) {
        static const char *const names[] = {
                [VSS_BT_UNDEFINED] = "undefined",
                [VSS_BT_FULL] = "full",
                [VSS_BT_INCREMENTAL] = "incremental",
                [VSS_BT_DIFFERENTIAL] = "differential",
                [VSS_BT_LOG] = "log",
                [VSS_BT_COPY] = "copy",
                [VSS_BT_OTHER] = "other",
        };

        return (unsigned)type < ELEMENTS(names) ? names[type] : "other";
}

int applications_begin(DropInWriter *writer, vss_writer_call *call, ApplicationsUse use) {
        int r;

        applications_forget(writer);
        writer->use = use;
        r = applications_load(writer, &writer->files);
        if (r < 0)
                return r;
        writer->session_id = strdup(vss_writer_call_session_id(call));
        writer->set_id = strdup(vss_writer_call_set_id(call));
        if (!writer->session_id || !writer->set_id)
                return -ENOMEM;
        for (size_t i = 0; i < vss_writer_call_volume_count(call); i++)
                if (append(&writer->volumes, vss_writer_call_volume(call, i)) < 0)
                        return -ENOMEM;
        writer->context = (GuardianContext){
                .session_id = writer->session_id,
                .set_id = writer->set_id,
                .volumes = writer->volumes ?: "",
                .backup_type = backup_type_name(vss_writer_call_backup_type(call)),
        };
        for (size_t i = 0; i < writer->files.n; i++) {
                writer->applications[i].dropin = writer->files.items[i];
                writer->applications[i].in_set = takes_part(call, writer->files.items[i], use);
        }
        return 0;
}

static void fail_components(const DropInWriter *writer, vss_writer_call *call,
                            const Application *application) {
        const DropIn *dropin = application->dropin;

        for (size_t i = 0; i < dropin->n_components; i++) {
                const DropInComponent *component = &dropin->components[i];

                if (dropin_has_files(dropin, i) &&
                    (writer->use == APPLICATIONS_RESTORE ? application_is_restored(call, component)
                                                         : is_chosen(call, component)))
                        (void)vss_writer_call_fail_component(call, component->logical_path, component->name,
                                                             application->reply.code, "%s",
                                                             application->reply.text);
        }
}

vss_result applications_sort_out(DropInWriter *writer, vss_writer_call *call) {
        const Application *failed = NULL;
        size_t n_left = 0;

        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];

                if (!application->in_set)
                        continue;
                if (application->reply.code >= 0) {
                        n_left++;
                        continue;
                }
                fail_components(writer, call, application);
                application->in_set = false;
                failed = application;
        }
        if (!failed || n_left > 0)
                return VSS_S_OK;
        return vss_writer_call_fail(call, failed->reply.code, "%s", failed->reply.text);
}

void applications_run(DropInWriter *writer, DropInCommand command, uint32_t budget) {
        uint64_t deadline = now_usec() + budget * USEC_PER_MSEC;

        for (size_t i = 0; i < writer->files.n; i++)
                if (writer->applications[i].in_set && writer->applications[i].guardian.pid <= 0)
                        application_start(writer, &writer->applications[i]);
        applications_collect(writer, deadline);
        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];
                GuardianOrder order = { .order = GUARDIAN_RUN, .command = command };

                /* Timeout= is for what others wait for. */
                order.limit_ms = command == DROPIN_VERIFY
                                         ? budget
                                         : application_limit_ms(application->dropin, budget);
                if (application->in_set && application->reply.code >= 0)
                        application_order(application, &order);
        }
        /* A command gives up at the limit by itself; its answer needs a moment. */
        applications_collect(writer, deadline + EVENT_MARGIN_MS / 2 * USEC_PER_MSEC);
}
