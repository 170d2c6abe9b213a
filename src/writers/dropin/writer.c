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
#include "writers/dropin/writer.h"

#define JUDGE_USEC (500 * USEC_PER_MSEC)
#define MARGIN_MS 500u

static const enum vss_application_level freeze_order[] = { VSS_APP_FRONT_END, VSS_APP_BACK_END,
                                                           VSS_APP_SYSTEM };

static uint32_t budget_ms(vss_writer_call *call) {
        uint32_t left = vss_writer_call_time_left_ms(call);

        return left > MARGIN_MS ? left - MARGIN_MS : 0;
}

static uint32_t limit_of(const DropIn *dropin, uint32_t budget) {
        return MIN(dropin->timeout_seconds * 1000, budget);
}

/* identify */

static bool has_files(const DropIn *dropin, size_t component) {
        for (size_t i = 0; i < dropin->n_file_sets; i++)
                if (dropin->file_sets[i].component == component && !dropin->file_sets[i].dropped)
                        return true;
        return false;
}

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

static vss_result describe_dropin(vss_metadata *metadata, const DropIn *dropin) {
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
                vss_result r;

                if (!has_files(dropin, i))
                        continue;
                r = vss_metadata_add_component(metadata, &info);
                if (r < 0)
                        return r;
        }
        return describe_files(metadata, dropin);
}

static vss_result describe(vss_metadata *metadata, const DropInSet *set) {
        for (size_t i = 0; i < set->n; i++) {
                vss_result r = describe_dropin(metadata, set->items[i]);

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < set->n_warnings; i++) {
                vss_result r = vss_metadata_add_warning(metadata, "%s", set->warnings[i]);

                if (r < 0)
                        return r;
        }
        return VSS_S_OK;
}

static int load(const DropInWriter *writer, DropInSet *ret_set) {
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

static vss_result fail_load(vss_writer_call *call, int error) {
        return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                    "the drop-in files cannot be read: %s", strerror(-error));
}

static vss_result dropin_identify(vss_writer_call *call, vss_metadata *metadata) {
        DropInWriter *writer = vss_writer_call_userdata(call);
        DropInSet set = { 0 };
        vss_result result;
        int r;

        /* Between Freeze and Thaw nothing is read and nobody is looked up. */
        if (writer->frozen)
                return describe(metadata, &writer->files);
        r = load(writer, &set);
        if (r < 0)
                return fail_load(call, r);
        result = describe(metadata, &set);
        dropin_set_clear(&set);
        return result;
}

/* Talking to guardians */

static void give_up(Application *application, vss_result code, const char *why) {
        /* It lets go by itself; a kill would prevent that. */
        child_leave(&application->guardian);
        application->reply.code = code;
        (void)snprintf(application->reply.text, sizeof(application->reply.text), "%s: %s",
                       application->dropin->name, why);
}

static void order_application(Application *application, const GuardianOrder *order) {
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

static void collect(DropInWriter *writer, uint64_t deadline_usec) {
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

static void start_guardian(DropInWriter *writer, Application *application) {
        GuardianTask task = { .dropin = application->dropin, .context = &writer->context };
        int r;

        application->reply = (GuardianReply){ .code = VSS_S_FALSE };
        r = child_start(guardian_main, &task, &application->guardian);
        if (r < 0)
                give_up(application, VSS_E_WRITERERROR_OUTOFRESOURCES,
                        "there is no process for its commands");
}

/* Sets */

static bool is_chosen(const vss_writer_call *call, const DropInComponent *component, bool succeeded_only) {
        bool selected = vss_writer_call_components_selected(call);

        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *chosen = vss_writer_call_component(call, i);

                if (strcmp(vss_value_get_string(chosen, "logical-path", ""), component->logical_path) == 0 &&
                    strcmp(vss_value_get_string(chosen, "name", ""), component->name) == 0)
                        return !succeeded_only || vss_value_get_boolean(chosen, "succeeded", false);
        }
        /* Without a selection all are meant, and only those that failed are listed. */
        return !selected;
}

static bool takes_part(const vss_writer_call *call, const DropIn *dropin) {
        for (size_t i = 0; i < dropin->n_file_sets; i++) {
                const DropInFileSet *files = &dropin->file_sets[i];

                if (!files->dropped && files->component != DROPIN_EXCLUDE &&
                    vss_writer_call_is_path_affected(call, files->path) &&
                    is_chosen(call, &dropin->components[files->component], false))
                        return true;
        }
        return false;
}

/* Nothing may be thrown away because of a backup that did not save all of the application. */
static bool all_succeeded(const vss_writer_call *call, const DropIn *dropin) {
        for (size_t i = 0; i < dropin->n_components; i++)
                if (is_chosen(call, &dropin->components[i], false) &&
                    !is_chosen(call, &dropin->components[i], true))
                        return false;
        return true;
}

static void forget_set(DropInWriter *writer) {
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

/* Read the files anew and start a guardian for each application that takes part. */
static int begin(DropInWriter *writer, vss_writer_call *call) {
        int r;

        forget_set(writer);
        r = load(writer, &writer->files);
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
                writer->applications[i].in_set = takes_part(call, writer->files.items[i]);
        }
        return 0;
}

static void fail_components(vss_writer_call *call, const Application *application) {
        const DropIn *dropin = application->dropin;

        for (size_t i = 0; i < dropin->n_components; i++)
                if (has_files(dropin, i) && is_chosen(call, &dropin->components[i], false))
                        (void)vss_writer_call_fail_component(
                                call, dropin->components[i].logical_path, dropin->components[i].name,
                                application->reply.code, "%s", application->reply.text);
}

/* Leave out who has failed. Return: VSS_S_OK if anybody is left, or if nobody was there to begin with. */
static vss_result sort_out(DropInWriter *writer, vss_writer_call *call) {
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
                fail_components(call, application);
                application->in_set = false;
                failed = application;
        }
        if (!failed || n_left > 0)
                return VSS_S_OK;
        return vss_writer_call_fail(call, failed->reply.code, "%s", failed->reply.text);
}

/* A command of each application that takes part, all at once. */
static void run_all(DropInWriter *writer, DropInCommand command, uint32_t budget) {
        uint64_t deadline = now_usec() + budget * USEC_PER_MSEC;

        for (size_t i = 0; i < writer->files.n; i++)
                if (writer->applications[i].in_set && writer->applications[i].guardian.pid <= 0)
                        start_guardian(writer, &writer->applications[i]);
        collect(writer, deadline);
        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];
                GuardianOrder order = { .order = GUARDIAN_RUN, .command = command };

                order.limit_ms = limit_of(application->dropin, budget);
                if (application->in_set && application->reply.code >= 0)
                        order_application(application, &order);
        }
        /* A command gives up at the limit by itself; its answer needs a moment. */
        collect(writer, deadline + MARGIN_MS / 2 * USEC_PER_MSEC);
}

static vss_result dropin_prepare_snapshot(vss_writer_call *call) {
        DropInWriter *writer = vss_writer_call_userdata(call);
        vss_result result;
        int r;

        r = begin(writer, call);
        if (r < 0) {
                forget_set(writer);
                return fail_load(call, r);
        }
        run_all(writer, DROPIN_PREPARE, budget_ms(call));
        result = sort_out(writer, call);
        if (result < 0)
                forget_set(writer);
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
                        order_application(application, &order);
        }
        collect(writer, deadline_usec);

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

                        start_guardian(writer, application);
                        collect(writer, deadline_usec);
                        if (application->reply.code >= 0)
                                order_application(application, &order);
                        collect(writer, deadline_usec);
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
        uint64_t deadline = now_usec() + budget_ms(call) * USEC_PER_MSEC;
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
                        order.limit_ms = limit_of(application->dropin, left);
                        application->frozen = true;
                        order_application(application, &order);
                }
                collect(writer, deadline + MARGIN_MS / 2 * USEC_PER_MSEC);
        }
        /* Who failed to freeze has thawed itself. */
        for (size_t i = 0; i < writer->files.n; i++)
                if (writer->applications[i].in_set && writer->applications[i].reply.code < 0)
                        writer->applications[i].frozen = false;
        result = sort_out(writer, call);
        if (result < 0) {
                (void)thaw_all(writer, 0);
                forget_set(writer);
        }
        return result;
}

static vss_result dropin_thaw(vss_writer_call *call) {
        DropInWriter *writer = vss_writer_call_userdata(call);
        const Application *failed = thaw_all(writer, budget_ms(call));
        vss_result result = VSS_S_OK;

        if (failed)
                result = vss_writer_call_fail(call, failed->reply.code, "%s", failed->reply.text);
        forget_set(writer);
        return result;
}

static vss_result dropin_abort(vss_writer_call *call) {
        DropInWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (!writer->session_id || strcmp(writer->session_id, vss_writer_call_session_id(call)) != 0)
                return VSS_S_OK;
        (void)thaw_all(writer, budget_ms(call));
        forget_set(writer);
        return VSS_S_OK;
}

static vss_result run_afterwards(DropInWriter *writer, vss_writer_call *call, DropInCommand command) {
        vss_result result = VSS_S_OK;
        size_t n_failed = 0;
        int r;

        r = begin(writer, call);
        if (r < 0)
                return fail_load(call, r);
        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];

                application->in_set = application->in_set && application->dropin->commands[command];
                if (command == DROPIN_BACKUP_COMPLETE)
                        application->in_set = application->in_set &&
                                              all_succeeded(call, application->dropin);
        }
        run_all(writer, command, budget_ms(call));
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
                return fail_load(call, -ENOMEM);
        own->directories = writer->directories;
        own->n_directories = writer->n_directories;
        result = run_afterwards(own, call, command);
        forget_set(own);
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
};
