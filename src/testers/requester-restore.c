/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The test requester restores: from its documents and its store, with the writers that run, and without
 * those that do not
 *
 * What each component may become is decided by the plan (model/restore-plan.h), all of it or nothing;
 * writers hear of it before and after, and are told what became of their files.
 */

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "model/backup-components.h"
#include "model/component.h"
#include "model/selection.h"
#include "restore/unit-control.h"
#include "testers/requester-restore.h"

DEFINE_CLEANUP(RestorePlan *, restore_plan_free)

typedef struct Restore {
        Requester *requester;
        vss_value *document, *saved; /* the documents: of the components; of the writers, a list */
        Store store;
        WriterRestore *writers;
        size_t n;
        bool anybody_present;
} Restore;

static int fail(const char *what, const char *why) {
        (void)fprintf(stderr, "vss-test-requester: %s: %s\n", what, why);
        return EXIT_FAILED;
}

static void clear_writer(WriterRestore *w) {
        for (size_t i = 0; i < w->n_files; i++)
                list_entry_clear(&w->files[i].entry);
        free(w->files);
        store_components_free(w->stored, w->n_stored);
        vss_value_free(w->components);
        vouch_clear(&w->vouch);
        if (w->root_fd >= 0)
                (void)close(w->root_fd);
        if (w->staging_fd >= 0)
                (void)close(w->staging_fd);
}

static void clear_restore(Restore *restore) {
        for (size_t i = 0; i < restore->n; i++)
                clear_writer(&restore->writers[i]);
        free(restore->writers);
        vss_value_free(restore->document);
        vss_value_free(restore->saved);
        store_close(&restore->store);
}

static const vss_value *find_writer(const vss_value *writers, const char *name) {
        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (strcmp(vss_value_get_string(vss_value_at(writers, i), "name", ""), name) == 0)
                        return vss_value_at(writers, i);
        return NULL;
}

/* ---- the documents
 * ------------------------------------------------------------------------------------------- */

static void tell_dropped(Requester *requester, const vss_value *result) {
        const vss_value *dropped = vss_value_get(result, "dropped");

        for (size_t i = 0; i < vss_value_count(dropped); i++) {
                const vss_value *d = vss_value_at(dropped, i);

                requester_complain(requester, "%s: %s: the service does not believe the document: %s",
                                   vss_value_get_string(d, "writer", "?"),
                                   vss_value_get_string(d, "path", "?"),
                                   vss_value_get_string(d, "reason", ""));
        }
}

static int begin_session(Requester *requester, const char *text, size_t size) {
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status = requester_connect(requester);

        if (status != EXIT_DONE)
                return status;
        r = vss_session_initialize_for_restore(requester->session, text, size, &async);
        status = requester_await(requester, r, async, "InitializeForRestore", NULL);
        if (status != EXIT_DONE)
                return status;
        r = vss_session_set_restore_state(requester->session, VSS_RTYPE_BY_COPY);
        if (r < 0)
                return requester_fail(requester, r, "SetRestoreState");
        async = NULL;
        r = vss_session_gather_writer_metadata(requester->session, &async);
        status = requester_await(requester, r, async, "GatherWriterMetadata", &result);
        if (status != EXIT_DONE)
                return status;
        tell_dropped(requester, result);
        r = vss_session_get_writer_metadata(requester->session, &requester->metadata);
        return r < 0 ? requester_fail(requester, r, "GetWriterMetadata") : EXIT_DONE;
}

static int add_writer(Restore *restore, const vss_value *in_document) {
        Requester *requester = restore->requester;
        const char *name = vss_value_get_string(in_document, "name", "");
        const vss_value *running = requester_metadata(requester, name);
        WriterRestore *w = array_add(&restore->writers, &restore->n, sizeof(*restore->writers),
                                     BC_WRITERS_MAX);
        int status;

        if (!w)
                return fail(name, "there are too many writers in the document, or there is no memory");
        *w = (WriterRestore){ .requester = requester, .name = name, .root_fd = -1, .staging_fd = -1 };
        w->metadata = find_writer(restore->saved, name);
        w->components = vss_value_copy(vss_value_get(in_document, "components"));
        if (!w->components || vouch_init(&w->vouch, name, running, requester->conf->trust_documents) < 0)
                return fail(name, "out of memory");
        if (!w->metadata) {
                requester_complain(requester,
                                   "%s: there is no metadata document of it in %s, so nothing of it can be "
                                   "restored",
                                   name, requester->conf->documents);
                return EXIT_DONE;
        }
        status = restore_load_files(w, &restore->store);
        w->root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return status == EXIT_DONE && w->root_fd < 0 ? fail("/", strerror(errno)) : status;
}

static int load(Restore *restore) {
        Requester *requester = restore->requester;
        const RequesterConf *conf = requester->conf;
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;
        const vss_value *writers;
        int status, r;

        status = requester_load_document(requester, conf->documents, &text, &size, &restore->document);
        if (status == EXIT_DONE)
                status = requester_load_metadata(requester, conf->documents, &restore->saved);
        if (status != EXIT_DONE)
                return status;
        r = store_open(conf->store, &restore->store);
        if (r < 0)
                return fail(conf->store, strerror(-r));
        if (!conf->without_writers)
                status = begin_session(requester, text, size);
        writers = vss_value_get(restore->document, "writers");
        for (size_t i = 0; status == EXIT_DONE && i < vss_value_count(writers); i++)
                status = add_writer(restore, vss_value_at(writers, i));
        return status;
}

/* ---- selection
 * ----------------------------------------------------------------------------------------------- */

static BcWriter bc_writer(const WriterRestore *w) {
        return (BcWriter){ .name = w->name,
                           .metadata = w->metadata,
                           .components = w->components,
                           .schema = (uint32_t)vss_value_get_integer(w->metadata, "backup-schema", 0) };
}

/* A setting is made where the plan finds it, and told to the service if the writer hears of this. */
#define SET(w, call, local, remote)                                                                   \
        do {                                                                                          \
                Why _why = { 0 };                                                                     \
                vss_result _r = local;                                                                \
                if (_r < 0 && _r != VSS_E_OBJECT_ALREADY_EXISTS) {                                    \
                        requester_complain((w)->requester, "%s: %s: %s", (w)->name, call, _why.text); \
                        return EXIT_DONE;                                                             \
                }                                                                                     \
                _r = (w)->present ? remote : VSS_S_OK;                                                \
                if (_r < 0 && _r != VSS_E_OBJECT_ALREADY_EXISTS)                                      \
                        return requester_fail((w)->requester, _r, call);                              \
        } while (false)

/* Selects an explicit component. */
static int select_component(WriterRestore *w, vss_value *c) {
        const char *path = component_logical_path(c), *name = component_name(c);
        Requester *requester = w->requester;
        Why why = { 0 };
        vss_result r;

        if (vss_value_get_boolean(c, "selected-for-restore", false))
                return EXIT_DONE;
        if (bc_set_selected_for_restore(c, true, &why) < 0)
                return fail(w->name, why.text);
        if (!requester->session)
                return EXIT_DONE;
        r = vss_session_set_selected_for_restore(requester->session, w->name, path, name, true);
        if (r == VSS_E_OBJECT_NOT_FOUND) {
                requester_say(requester, "%s does not run: its files are restored by its documents alone",
                              w->name);
                return EXIT_DONE;
        }
        if (r < 0)
                return requester_fail(requester, r, "SetSelectedForRestore");
        w->present = true;
        return EXIT_DONE;
}

static int set_targets(WriterRestore *w, vss_value *c, const RequesterComponent *settings) {
        const char *path = component_logical_path(c), *name = component_name(c);
        vss_session *session = w->requester->session;
        const BcWriter bc = bc_writer(w);

        for (size_t i = 0; i < settings->n_subcomponents; i++) {
                const RequesterSubcomponent *sub = &settings->subcomponents[i];

                SET(w, "AddRestoreSubcomponent",
                    bc_add_restore_subcomponent(&bc, c, sub->logical_path, sub->name, &_why),
                    vss_session_add_restore_subcomponent(session, w->name, path, name, sub->logical_path,
                                                         sub->name));
        }
        for (size_t i = 0; i < settings->n_targets; i++) {
                const RequesterTarget *t = &settings->targets[i];

                SET(w, "AddNewTarget",
                    bc_add_new_target(&bc, c, t->path, t->filespec, t->recursive, t->alternate_path, &_why),
                    vss_session_add_new_target(session, w->name, path, name, t->path, t->filespec,
                                               t->recursive, t->alternate_path));
        }
        return EXIT_DONE;
}

static int set_restore_options(WriterRestore *w, vss_value *c, const RequesterComponent *settings) {
        const char *path = component_logical_path(c), *name = component_name(c);
        vss_session *session = w->requester->session;
        const BcWriter bc = bc_writer(w);

        if (w->requester->conf->additional_restores || (settings && settings->additional_restores))
                SET(w, "SetAdditionalRestores", bc_set_additional_restores(c, true, &_why),
                    vss_session_set_additional_restores(session, w->name, path, name, true));
        if (!settings)
                return EXIT_DONE;
        if (settings->restore_options)
                SET(w, "SetRestoreOptions", bc_set_restore_options(c, settings->restore_options, &_why),
                    vss_session_set_restore_options(session, w->name, path, name,
                                                    settings->restore_options));
        if (settings->restore_name)
                SET(w, "SetRestoreName", bc_set_restore_name(&bc, c, settings->restore_name, &_why),
                    vss_session_set_restore_name(session, w->name, path, name, settings->restore_name));
        if (settings->authoritative)
                SET(w, "SetAuthoritativeRestore", bc_set_authoritative_restore(&bc, c, true, &_why),
                    vss_session_set_authoritative_restore(session, w->name, path, name, true));
        if (settings->roll_forward)
                SET(w, "SetRollForward",
                    bc_set_roll_forward(&bc, c, (uint32_t)settings->roll_forward,
                                        settings->roll_forward_point ?: "", &_why),
                    vss_session_set_roll_forward(session, w->name, path, name,
                                                 (enum vss_rollforward_type)settings->roll_forward,
                                                 settings->roll_forward_point ?: ""));
        return set_targets(w, c, settings);
}

/* One that was an explicit component at the backup, or came with one. */
static int select_named(WriterRestore *w, const RequesterComponent *wanted) {
        const vss_value *found = NULL;
        const BcWriter bc = bc_writer(w);
        vss_value *c = NULL;
        bool sub = false;
        Why why = { 0 };
        int status;

        if (selection_find_for_restore(w->metadata, w->components, wanted->logical_path, wanted->name,
                                       &found, &sub, &why) < 0 ||
            bc_find(&bc, component_logical_path(found), component_name(found), &c, &why) < 0) {
                requester_complain(w->requester, "%s:%s cannot be restored: %s", w->name,
                                   component_label(wanted->logical_path, wanted->name).text, why.text);
                return EXIT_DONE;
        }
        status = select_component(w, c);
        if (status != EXIT_DONE || !sub)
                return status;
        SET(w, "AddRestoreSubcomponent",
            bc_add_restore_subcomponent(&bc, c, wanted->logical_path, wanted->name, &_why),
            vss_session_add_restore_subcomponent(w->requester->session, w->name, component_logical_path(c),
                                                 component_name(c), wanted->logical_path, wanted->name));
        return EXIT_DONE;
}

/* What is wanted of one writer: named components, all of it, or, where nothing is named, everything. */
static int select_of_writer(WriterRestore *w) {
        const RequesterConf *conf = w->requester->conf;
        bool anything = false;
        int status = EXIT_DONE;

        for (size_t i = 0; status == EXIT_DONE && i < conf->n_components; i++) {
                const RequesterComponent *wanted = &conf->components[i];

                anything = anything || wanted->select;
                if (!wanted->select || strcasecmp(wanted->writer, w->name) != 0)
                        continue;
                if (wanted->name) {
                        status = select_named(w, wanted);
                        continue;
                }
                for (size_t j = 0; status == EXIT_DONE && j < vss_value_count(w->components); j++)
                        status = select_component(w, value_at_mutable(w->components, j));
        }
        for (size_t j = 0;
             status == EXIT_DONE && !anything && conf->n_paths == 0 && j < vss_value_count(w->components);
             j++)
                status = select_component(w, value_at_mutable(w->components, j));
        for (size_t j = 0; status == EXIT_DONE && j < vss_value_count(w->components); j++) {
                vss_value *c = value_at_mutable(w->components, j);

                if (vss_value_get_boolean(c, "selected-for-restore", false))
                        status = set_restore_options(w, c,
                                                     requester_conf_component(conf, w->name,
                                                                              component_logical_path(c),
                                                                              component_name(c)));
        }
        return status;
}

/* Names of writers are compared without regard to case. */
static bool has_writer(const Restore *restore, const char *name) {
        for (size_t i = 0; i < restore->n; i++)
                if (strcasecmp(restore->writers[i].name, name) == 0)
                        return true;
        return false;
}

static int select_all(Restore *restore) {
        const RequesterConf *conf = restore->requester->conf;
        int status = EXIT_DONE;

        for (size_t i = 0; i < conf->n_components; i++) {
                const RequesterComponent *wanted = &conf->components[i];

                if (wanted->select && !has_writer(restore, wanted->writer))
                        requester_complain(
                                restore->requester,
                                "%s: the backup has nothing of such a writer; its documents are of "
                                "those named in %s",
                                wanted->writer, conf->documents);
        }
        for (size_t i = 0; status == EXIT_DONE && i < restore->n; i++)
                if (restore->writers[i].metadata) {
                        status = select_of_writer(&restore->writers[i]);
                        restore->anybody_present = restore->anybody_present || restore->writers[i].present;
                }
        return status;
}

/* ---- before and after
 * ---------------------------------------------------------------------------------------- */

/* What writers said in an event has changed the document. */
static int read_back(Restore *restore) {
        int status = requester_read_components(restore->requester);

        for (size_t i = 0; status == EXIT_DONE && i < restore->n; i++) {
                WriterRestore *w = &restore->writers[i];
                const vss_value *now = find_writer(restore->requester->components, w->name);

                if (!w->present || !now)
                        continue;
                vss_value_free(w->components);
                w->components = vss_value_copy(vss_value_get(now, "components"));
                if (!w->components)
                        return fail(w->name, "out of memory");
        }
        return status;
}

/* What writers did, or would do. */
static void tell_notes(const vss_value *result) {
        const vss_value *notes = vss_value_get(result, "notes");

        for (size_t i = 0; i < vss_value_count(notes); i++) {
                const vss_value *note = vss_value_at(notes, i);
                const char *name = component_name(note);

                printf("%s%s%s: %s\n", vss_value_get_string(note, "writer", "?"), *name ? ":" : "",
                       *name ? component_label(component_logical_path(note), name).text : "",
                       vss_value_get_string(note, "text", ""));
        }
}

static int pre_restore(Restore *restore) {
        _cleanup_value_ vss_value *result = NULL;
        Requester *requester = restore->requester;
        vss_async *async = NULL;
        vss_result r;
        int status;

        if (!restore->anybody_present)
                return EXIT_DONE;
        if (requester->conf->dry_run) {
                r = vss_session_set_dry_run(requester->session, true);
                if (r < 0)
                        return requester_fail(requester, r, "SetDryRun");
        }
        r = vss_session_pre_restore(requester->session, &async);
        status = requester_await(requester, r, async, "PreRestore", &result);
        tell_notes(result);
        if (status == EXIT_DONE)
                status = requester_check_status(requester, "PreRestore", false);
        for (size_t i = 0; status == EXIT_DONE && i < restore->n; i++)
                restore->writers[i].refused = restore->writers[i].present &&
                                              requester_writer_failure(requester, restore->writers[i].name);
        return status == EXIT_DONE ? read_back(restore) : status;
}

static void tell_messages(Restore *restore, const char *key) {
        for (size_t i = 0; i < restore->n; i++) {
                const WriterRestore *w = &restore->writers[i];

                for (size_t j = 0; j < vss_value_count(w->components); j++) {
                        const vss_value *c = vss_value_at(w->components, j);
                        const char *message = vss_value_get_string(c, key, "");

                        if (*message)
                                requester_complain(
                                        restore->requester, "%s:%s: %s", w->name,
                                        component_label(component_logical_path(c), component_name(c)).text,
                                        message);
                }
        }
}

static int post_restore(Restore *restore) {
        _cleanup_value_ vss_value *result = NULL;
        Requester *requester = restore->requester;
        vss_async *async = NULL;
        vss_result r;
        int status;

        if (!restore->anybody_present)
                return EXIT_DONE;
        r = vss_session_post_restore(requester->session, &async);
        status = requester_await(requester, r, async, "PostRestore", &result);
        tell_notes(result);
        if (status == EXIT_DONE)
                status = requester_check_status(requester, "PostRestore", false);
        if (status == EXIT_DONE)
                status = read_back(restore);
        tell_messages(restore, "post-restore-failure");
        return status;
}

/* ---- units
 * --------------------------------------------------------------------------------------------------- */

static void control_unit(WriterRestore *w, const char *verb, const char *unit) {
        int r;

        if (!unit || !*unit)
                return;
        if (w->requester->conf->dry_run) {
                printf("%s: systemctl %s %s would be run\n", w->name, verb, unit);
                return;
        }
        if (!vouch_has_unit(&w->vouch, unit))
                requester_complain(w->requester,
                                   "%s: %s %s: its descriptor (Units=) does not have this unit; it is left alone",
                                   w->name, verb, unit);
        else if ((r = unit_control(verb, unit)) == -ENOENT)
                requester_complain(w->requester, "%s: %s %s by hand: systemd does not run here", w->name,
                                   verb, unit);
        else if (r < 0)
                requester_complain(w->requester, "%s: systemctl %s %s has failed", w->name, verb, unit);
        else
                requester_say(w->requester, "%s: systemctl %s %s", w->name, verb, unit);
}

/* ---- files
 * --------------------------------------------------------------------------------------------------- */

/* Which file sets went to a mapping, and where the ranges of partial files lie now. */
static int tell_places(WriterRestore *w, const RestorePlan *plan, const RestoreStep *step) {
        const char *path = component_logical_path(step->component), *name = component_name(step->component);
        const vss_value *partial = vss_value_get(step->component, "partial-files");
        vss_session *session = w->requester->session;
        vss_result r = VSS_S_OK;

        for (size_t i = step->first; r >= 0 && i < step->first + step->n; i++) {
                const RestoreAction *a = restore_plan_action(plan, i);

                if (a->place == RESTORE_PLACE_MAPPING)
                        r = vss_session_add_alternative_location_mapping(
                                session, w->name, path, name, vss_value_get_string(a->set, "path", ""),
                                a->filespec, a->recursive, a->destination);
        }
        if (r < 0 && r != VSS_E_OBJECT_ALREADY_EXISTS)
                return requester_fail(w->requester, r, "AddAlternativeLocationMapping");
        for (size_t i = 0; i < vss_value_count(partial); i++) {
                const char *ranges = vss_value_get_string(vss_value_at(partial, i), "ranges", "");
                const SavedFile *file = strncmp(ranges, "File=", 5) == 0 ? restore_find_file(w, ranges + 5)
                                                                         : NULL;

                if (!file || restore_put_back(w, file) < 0)
                        continue;
                r = vss_session_set_ranges_file_path(session, w->name, path, name, (uint32_t)i, ranges + 5);
                if (r < 0)
                        return requester_fail(w->requester, r, "SetRangesFilePath");
        }
        return EXIT_DONE;
}

static bool has_stored(const WriterRestore *w, const vss_value *component) {
        char *label = NULL;
        bool found = false;

        if (asprintf(&label, "%s%s%s", component_logical_path(component),
                     *component_logical_path(component) ? "/" : "", component_name(component)) < 0)
                return false;
        for (size_t i = 0; i < w->n_stored; i++)
                found = found || (strcmp(w->stored[i].writer, w->name) == 0 &&
                                  strcmp(w->stored[i].component, label) == 0);
        free(label);
        return found;
}

static void tell_step(const WriterRestore *w, const RestoreStep *step, const char *label) {
        bool nothing = w->refused || !has_stored(w, step->component) || step->outcome == RESTORE_NOTHING ||
                       step->outcome == RESTORE_BY_APPLICATION;

        printf("%s:%s: %s: %s\n", w->name, label,
               nothing ? "nothing would be restored" : "would be restored",
               w->refused                        ? "its writer refuses it"
               : !has_stored(w, step->component) ? "nothing of it is in the store"
                                                 : step->reason);
}

static int put_step(WriterRestore *w, const RestorePlan *plan, const RestoreStep *step) {
        ComponentLabel label = component_label(component_logical_path(step->component),
                                               component_name(step->component));
        StepResult result = { .status = VSS_RS_NONE };
        vss_result r;
        int status = EXIT_DONE;

        if (w->requester->conf->dry_run) {
                tell_step(w, step, label.text);
                return EXIT_DONE;
        }
        if (w->refused || *vss_value_get_string(step->component, "pre-restore-failure", ""))
                requester_complain(w->requester, "%s:%s: nothing is restored, as its writer has refused it%s%s", w->name,
                                   label.text, w->refused ? "" : ": ",
                                   w->refused ? "" : vss_value_get_string(step->component, "pre-restore-failure", ""));
        else if (!has_stored(w, step->component))
                requester_complain(w->requester, "%s:%s: nothing of it is in the store", w->name,
                                   label.text);
        else if (step->outcome == RESTORE_NOTHING || step->outcome == RESTORE_BY_APPLICATION)
                requester_complain(w->requester, "%s:%s: nothing is restored: %s", w->name, label.text,
                                   step->reason);
        else {
                requester_say(w->requester, "%s:%s: %s", w->name, label.text, step->reason);
                restore_put_step(w, plan, step, &result);
                if (w->present && result.n_failed == 0)
                        status = tell_places(w, plan, step);
        }
        if (result.n_staged > 0 || (step->reboot && result.n_written > 0))
                requester_complain(w->requester,
                                   "%s:%s: takes effect when the machine has been started anew%s%s", w->name,
                                   label.text,
                                   result.n_staged > 0 ? "; what is to be renamed then is in " : "",
                                   result.n_staged > 0 ? w->requester->conf->staging : "");
        if (!w->present || status != EXIT_DONE)
                return status;
        r = vss_session_set_file_restore_status(w->requester->session, w->name,
                                                component_logical_path(step->component),
                                                component_name(step->component), result.status);
        return r < 0 ? requester_fail(w->requester, r, "SetFileRestoreStatus") : EXIT_DONE;
}

static int open_staging(WriterRestore *w) {
        const char *directory = w->requester->conf->staging;
        int fd;

        if (!directory)
                return EXIT_DONE;
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return fail(directory, strerror(errno));
        w->staging_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fd = w->staging_fd < 0 ? -1
                               : openat(w->staging_fd, ".pending",
                                        O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        w->pending = fd < 0 ? NULL : fdopen(fd, "ae");
        return w->pending ? EXIT_DONE : fail(directory, strerror(errno));
}

static const char *from_environment(void *userdata, const char *name) {
        return getenv(name);
}

/* @ret_restart: the unit to stop and start when the writer has heard that its files are there; borrowed. */
static int put_writer(WriterRestore *w, const char **ret_restart) {
        _cleanup_(restore_plan_freep) RestorePlan *plan = NULL;
        const RestorePlanInput input = { .metadata = w->metadata,
                                         .components = w->components,
                                         .writer_present = w->present,
                                         .lookup = from_environment,
                                         .look = restore_look,
                                         .refuse = restore_refuse,
                                         .userdata = w };
        int status = w->requester->conf->dry_run ? EXIT_DONE : open_staging(w);

        if (status != EXIT_DONE)
                return status;
        /* Whoever has its files open lets go of them before it is looked at what can be replaced. */
        if (restore_plan_new(&input, &plan) < 0)
                return fail(w->name, "out of memory");
        if (restore_plan_stop_unit(plan) && !w->refused) {
                control_unit(w, "stop", restore_plan_stop_unit(plan));
                plan = restore_plan_free(plan);
                if (restore_plan_new(&input, &plan) < 0)
                        return fail(w->name, "out of memory");
        }
        for (size_t i = 0; status == EXIT_DONE && i < restore_plan_count(plan); i++)
                status = put_step(w, plan, restore_plan_step(plan, i));
        if (!w->refused)
                control_unit(w, "start", restore_plan_stop_unit(plan));
        *ret_restart = w->refused ? NULL : restore_plan_restart_unit(plan);
        if (w->pending && (fclose(w->pending) != 0 || syncfs(w->staging_fd) < 0))
                requester_complain(w->requester, "%s cannot be written: %m", w->requester->conf->staging);
        w->pending = NULL;
        return status;
}

static bool is_path_wanted(const RequesterConf *conf, const char *path) {
        for (size_t i = 0; i < conf->n_paths; i++)
                if (strcmp(conf->paths[i].path, path) == 0)
                        return true;
        return false;
}

/* What belongs to no writer: where whoever runs this named it. */
static int put_paths(Restore *restore) {
        StoreComponent *stored = NULL;
        size_t n = 0;
        int r;

        if (restore->requester->conf->n_paths == 0 || restore->requester->conf->dry_run)
                return EXIT_DONE;
        r = store_list_components(&restore->store, &stored, &n);
        if (r < 0)
                return fail(restore->requester->conf->store, strerror(-r));
        for (size_t i = 0; i < n; i++) {
                StepResult result;

                if (strcmp(stored[i].writer, "-") == 0 &&
                    is_path_wanted(restore->requester->conf, stored[i].component))
                        restore_put_all(restore->requester, &stored[i], &result);
        }
        store_components_free(stored, n);
        return EXIT_DONE;
}

static int put_all(Restore *restore) {
        const char **restarts = calloc(restore->n + 1, sizeof(*restarts));
        int status = restarts ? EXIT_DONE : fail("vss-test-requester", "out of memory");

        for (size_t i = 0; status == EXIT_DONE && i < restore->n; i++)
                if (restore->writers[i].metadata)
                        status = put_writer(&restore->writers[i], &restarts[i]);
        if (status == EXIT_DONE)
                status = put_paths(restore);
        if (status == EXIT_DONE)
                status = post_restore(restore);
        for (size_t i = 0; status == EXIT_DONE && i < restore->n; i++) {
                control_unit(&restore->writers[i], "stop", restarts[i]);
                control_unit(&restore->writers[i], "start", restarts[i]);
        }
        free(restarts);
        return status;
}

int requester_restore(Requester *requester) {
        Restore restore = { .requester = requester, .store = { .fd = -1, .components_fd = -1 } };
        int status = load(&restore);

        if (status == EXIT_DONE)
                status = select_all(&restore);
        if (status == EXIT_DONE)
                status = pre_restore(&restore);
        if (status == EXIT_DONE)
                status = put_all(&restore);
        clear_restore(&restore);
        return status;
}
