/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The test requester backs up: the calls of the contract, in their order
 */

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "files/locate.h"
#include "model/component.h"
#include "model/path.h"
#include "model/selection.h"
#include "testers/requester.h"
#include "testers/store.h"
#include "util/clock.h"

#define VOLUMES_MAX 1024u

static int out_of_memory(const Requester *requester) {
        return requester_fail(requester, VSS_E_OUTOFMEMORY, "vss-test-requester");
}

/* ---- session, writers, components
 * -------------------------------------------------------------------------- */

static bool has_writers(const Requester *requester) {
        return !(requester->conf->context & VSS_VOLSNAP_ATTR_NO_WRITERS);
}

/* The service takes a path that is not there for what will be below the directories that are. */
static int check_paths(const RequesterConf *conf) {
        for (size_t i = 0; i < conf->n_paths; i++)
                if (access(conf->paths[i].path, F_OK) < 0) {
                        (void)fprintf(stderr, "vss-test-requester: %s: %s; --path wants what is there\n",
                                      conf->paths[i].path, strerror(errno));
                        return EXIT_FAILED;
                }
        /* Before everything is copied: files without documents cannot be restored. */
        if (conf->documents && mkdir(conf->documents, 0700) < 0 && errno != EEXIST) {
                (void)fprintf(stderr,
                              "vss-test-requester: %s cannot be made: %s; --documents names a directory "
                              "below one that is there\n",
                              conf->documents, strerror(errno));
                return EXIT_FAILED;
        }
        return EXIT_DONE;
}

static int begin_session(Requester *requester) {
        const RequesterConf *conf = requester->conf;
        vss_async *async = NULL;
        vss_result r;
        int status = check_paths(conf);

        if (status == EXIT_DONE)
                status = requester_connect(requester);

        if (status != EXIT_DONE)
                return status;
        r = vss_session_initialize_for_backup(requester->session);
        if (r < 0)
                return requester_fail(requester, r, "InitializeForBackup");
        r = vss_session_set_context(requester->session, conf->context);
        if (r < 0)
                return requester_fail(requester, r, "SetContext");
        r = vss_session_set_backup_state(requester->session, conf->select_components,
                                         conf->bootable_system_state, (enum vss_backup_type)conf->type,
                                         conf->partial_files);
        if (r < 0)
                return requester_fail(requester, r, "SetBackupState");
        if (!has_writers(requester))
                return EXIT_DONE;
        r = vss_session_gather_writer_metadata(requester->session, &async);
        status = requester_await(requester, r, async, "GatherWriterMetadata", NULL);
        if (status != EXIT_DONE)
                return status;
        r = vss_session_get_writer_metadata(requester->session, &requester->metadata);
        return r < 0 ? requester_fail(requester, r, "GetWriterMetadata") : EXIT_DONE;
}

/* What the settings name, as selection_expand() takes it. */
static vss_value *list_wanted(const RequesterConf *conf) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < conf->n_components; i++) {
                const RequesterComponent *c = &conf->components[i];
                vss_value *entry;

                if (!c->select)
                        continue;
                entry = vss_value_new_dict();
                if (vss_value_set_string(entry, "writer", c->writer) < 0 ||
                    vss_value_set_string(entry, "logical-path", c->logical_path) < 0 ||
                    (c->name && vss_value_set_string(entry, "name", c->name) < 0) ||
                    vss_value_append(list, entry) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

static void tell_problems(Requester *requester, const char *key, const char *what, bool everything) {
        const vss_value *list = vss_value_get(requester->selection, key);

        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *p = vss_value_at(list, i);
                ComponentLabel label = component_label(component_logical_path(p), component_name(p));
                const vss_value *writer = requester_metadata(requester,
                                                             vss_value_get_string(p, "writer", ""));

                /* Where everything is meant, nothing is missing of a writer that has nothing. */
                if (everything && vss_value_count(vss_value_get(writer, "components")) == 0)
                        continue;
                requester_complain(requester, "%s:%s %s: %s", vss_value_get_string(p, "writer", "?"),
                                   label.text, what, vss_value_get_string(p, "reason", ""));
        }
}

static int make_selection(Requester *requester) {
        _cleanup_value_ vss_value *wanted = list_wanted(requester->conf);
        const SelectionOptions options = { 0 };
        vss_result r;

        if (!wanted)
                return out_of_memory(requester);
        if (!requester->conf->select_components || !has_writers(requester))
                return EXIT_DONE;
        r = vss_value_count(wanted) > 0
                    ? selection_expand(requester->metadata, wanted, &options, &requester->selection)
                    : selection_choose(requester->metadata, &options, &requester->selection);
        if (r < 0)
                return out_of_memory(requester);
        tell_problems(requester, "problems", "cannot be backed up", false);
        tell_problems(requester, "dropped", "is left out", vss_value_count(wanted) == 0);
        return EXIT_DONE;
}

/* The component in the document of the backup that this one goes on top of. */
static const vss_value *find_previous(const Requester *requester, const char *writer,
                                      const vss_value *component) {
        const vss_value *writers = vss_value_get(requester->previous, "writers");

        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *w = vss_value_at(writers, i);

                if (strcmp(vss_value_get_string(w, "name", ""), writer) == 0)
                        return component_find(vss_value_get(w, "components"),
                                              component_logical_path(component), component_name(component));
        }
        return NULL;
}

static int set_options(Requester *requester, const char *writer, const vss_value *component) {
        const char *path = component_logical_path(component), *name = component_name(component);
        const RequesterComponent *settings = requester_conf_component(requester->conf, writer, path, name);
        const char *stamp = vss_value_get_string(find_previous(requester, writer, component), "stamp", NULL);
        vss_result r = VSS_S_OK;

        if (settings && settings->previous_stamp)
                stamp = settings->previous_stamp;
        if (settings && settings->backup_options)
                r = vss_session_set_backup_options(requester->session, writer, path, name,
                                                   settings->backup_options);
        if (r < 0)
                return requester_fail(requester, r, "SetBackupOptions");
        if (stamp)
                r = vss_session_set_previous_backup_stamp(requester->session, writer, path, name, stamp);
        return r < 0 ? requester_fail(requester, r, "SetPreviousBackupStamp") : EXIT_DONE;
}

static int add_components(Requester *requester) {
        const vss_value *list = vss_value_get(requester->selection, "explicit");

        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *c = vss_value_at(list, i);
                const char *writer = vss_value_get_string(c, "writer", "");
                vss_result r;
                int status;

                requester_say(requester, "AddComponent %s:%s", writer,
                              component_label(component_logical_path(c), component_name(c)).text);
                r = vss_session_add_component(requester->session, writer, component_logical_path(c),
                                              component_name(c));
                if (r < 0)
                        return requester_fail(requester, r, "AddComponent");
                status = set_options(requester, writer, c);
                if (status != EXIT_DONE)
                        return status;
        }
        return EXIT_DONE;
}

/* ---- volumes
 * ------------------------------------------------------------------------------------------------ */

/* What the service's plan knows of the volume that a path lies on: the one that is nearest above it. */
static const vss_value *find_planned(const vss_value *plan, const char *path, const char **ret_target) {
        const vss_value *volumes = vss_value_get(plan, "volumes"), *found = NULL;

        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const vss_value *v = vss_value_at(volumes, i);
                const char *target = vss_value_get_string(v, "path", "");

                if (!vss_value_get_boolean(v, "nested", false))
                        target = vss_value_get_string(v, "mount-point", target);
                if (path_is_below(path, target) && (!found || strlen(target) > strlen(*ret_target))) {
                        found = v;
                        *ret_target = target;
                }
        }
        return found;
}

/* A volume that is in the set already under another path. */
static const char *find_same(const Requester *requester, const char *path) {
        struct stat st, other;

        if (stat(path, &st) < 0)
                return NULL;
        for (size_t i = 0; i < requester->n_volumes; i++)
                if (requester->volumes[i].snapshot[0] && stat(requester->volumes[i].path, &other) == 0 &&
                    other.st_dev == st.st_dev)
                        return requester->volumes[i].snapshot;
        return NULL;
}

static int add_to_set(Requester *requester, RequesterVolume *volume) {
        _cleanup_async_ vss_async *async = NULL;
        vss_result r = vss_session_add_to_snapshot_set(requester->session, volume->path,
                                                       requester->conf->provider, &async);
        const char *same;

        requester_say(requester, "AddToSnapshotSet %s", volume->path);
        if (r >= 0)
                r = vss_async_wait(async, -1);
        if (r == VSS_S_ASYNC_FINISHED) {
                (void)snprintf(volume->snapshot, sizeof(volume->snapshot), "%s",
                               vss_value_get_string(vss_async_result(async), "snapshot", ""));
                return EXIT_DONE;
        }
        same = r == VSS_E_OBJECT_ALREADY_EXISTS ? find_same(requester, volume->path) : NULL;
        if (same) {
                char id[VSS_ID_SIZE];

                (void)snprintf(id, sizeof(id), "%s", same);
                (void)snprintf(volume->snapshot, sizeof(volume->snapshot), "%s", id);
                return EXIT_DONE;
        }
        if (r == VSS_E_BAD_STATE || r == VSS_E_SERVICE_UNAVAILABLE || r == VSS_E_ACCESSDENIED)
                return requester_fail(requester, r, "AddToSnapshotSet");
        (void)snprintf(volume->reason, sizeof(volume->reason), "%s (%s)",
                       vss_service_error_message(requester->service), vss_result_name(r));
        /* Components that must be read from there fail; others may do without. */
        requester_say(requester, "%s: %s", volume->path, volume->reason);
        return EXIT_DONE;
}

static int add_volume(Requester *requester, const vss_value *plan, const char *path) {
        const char *target = NULL;
        const vss_value *planned = find_planned(plan, path, &target);
        RequesterVolume *volume;

        if (!planned) {
                requester_say(requester, "%s lies on no volume that the service knows", path);
                return EXIT_DONE;
        }
        for (size_t i = 0; i < requester->n_volumes; i++)
                if (strcmp(requester->volumes[i].target, target) == 0)
                        return EXIT_DONE;
        volume = array_add(&requester->volumes, &requester->n_volumes, sizeof(*requester->volumes),
                           VOLUMES_MAX);
        if (!volume)
                return out_of_memory(requester);
        volume->mount_fd = -1;
        volume->path = strdup(vss_value_get_string(planned, "path", target));
        volume->target = strdup(target);
        volume->below = strdup(vss_value_get_string(planned, "below", ""));
        if (!volume->path || !volume->target || !volume->below ||
            locate_mount_points(volume->target, volume->below, &volume->mount_points) < 0)
                return out_of_memory(requester);
        return add_to_set(requester, volume);
}

/* The volume of a path that is not there is that of the directory above it. */
static int add_path(vss_value *list, const char *declared) {
        _cleanup_(freep) char *real = locate_resolve(declared),
                              *nearest = real ? locate_nearest(real) : NULL;

        return nearest && !value_contains(list, nearest) && value_append_string(list, nearest) < 0 ? -ENOMEM
                                                                                                   : 0;
}

/* Everything that is to be read: of the components, and what was named by its path. */
static vss_value *list_paths(const Requester *requester) {
        const vss_value *of_components = vss_value_get(requester->selection, "paths");
        _cleanup_value_ vss_value *list = vss_value_new_list();
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < vss_value_count(of_components); i++)
                r = add_path(list, vss_value_get_string(vss_value_at(of_components, i), "path", ""));
        for (size_t i = 0; r == 0 && i < requester->conf->n_paths; i++)
                r = add_path(list, requester->conf->paths[i].path);
        return r == 0 ? TAKE_PTR(list) : NULL;
}

static int make_plan(Requester *requester, const vss_value *paths, vss_value **ret_plan) {
        _cleanup_value_ vss_value *options = vss_value_new_dict();
        _cleanup_(freep) const char **array = calloc(vss_value_count(paths) + 1, sizeof(*array));
        vss_async *async = NULL;
        vss_result r;

        if (!array || !options || vss_value_set_integer(options, "context", requester->conf->context) < 0 ||
            (requester->conf->provider &&
             vss_value_set_string(options, "provider", requester->conf->provider) < 0))
                return out_of_memory(requester);
        for (size_t i = 0; i < vss_value_count(paths); i++)
                array[i] = vss_value_string(vss_value_at(paths, i), "");
        r = vss_service_plan(requester->service, array, vss_value_count(paths), options, &async);
        return requester_await(requester, r, async, "Plan", ret_plan);
}

static int add_volumes(Requester *requester) {
        _cleanup_value_ vss_value *paths = list_paths(requester), *plan = NULL;
        char set_id[VSS_ID_SIZE];
        vss_result r;
        int status = EXIT_DONE;

        if (!paths)
                return out_of_memory(requester);
        if (vss_value_count(paths) == 0) {
                (void)fputs("vss-test-requester: there is nothing to back up: no component was chosen that "
                            "has files, "
                            "and no --path was named\n",
                            stderr);
                return EXIT_FAILED;
        }
        status = make_plan(requester, paths, &plan);
        if (status != EXIT_DONE)
                return status;
        r = vss_session_start_snapshot_set(requester->session, set_id);
        if (r < 0)
                return requester_fail(requester, r, "StartSnapshotSet");
        (void)snprintf(requester->set_id, sizeof(requester->set_id), "%s", set_id);
        for (size_t i = 0; status == EXIT_DONE && i < vss_value_count(paths); i++)
                status = add_volume(requester, plan, vss_value_string(vss_value_at(paths, i), ""));
        return status;
}

/* ---- the set
 * ------------------------------------------------------------------------------------------------ */

static int prepare(Requester *requester) {
        vss_async *async = NULL;
        vss_result r;
        int status;

        if (!has_writers(requester))
                return EXIT_DONE;
        r = vss_session_prepare_for_backup(requester->session, &async);
        status = requester_await(requester, r, async, "PrepareForBackup", NULL);
        return status != EXIT_DONE ? status : requester_check_status(requester, "PrepareForBackup", true);
}

static int do_set(Requester *requester) {
        vss_async *async = NULL;
        vss_result r = vss_session_do_snapshot_set(requester->session, &async);
        int status = requester_await(requester, r, async, "DoSnapshotSet", NULL);

        if (status != EXIT_DONE || !has_writers(requester))
                return status;
        /* A veto does not fail the set: the status tells. */
        status = requester_check_status(requester, "DoSnapshotSet", true);
        return status != EXIT_DONE ? status : requester_read_components(requester);
}

static int open_copies(Requester *requester) {
        for (size_t i = 0; i < requester->n_volumes; i++) {
                RequesterVolume *v = &requester->volumes[i];
                _cleanup_value_ vss_value *properties = NULL;
                vss_result r;

                if (!v->snapshot[0])
                        continue;
                r = vss_session_get_snapshot_properties(requester->session, v->snapshot, &properties);
                if (r < 0)
                        return requester_fail(requester, r, "GetSnapshotProperties");
                r = vss_session_open_snapshot(requester->session, v->snapshot, &v->mount_fd);
                if (r < 0)
                        return requester_fail(requester, r, "OpenSnapshot");
                requester_say(requester, "%s: %s", v->target,
                              vss_value_get_string(properties, "device-object", ""));
        }
        return EXIT_DONE;
}

/* Why a component is not good, whatever its files are: it or its writer has failed. NULL: it is. */
static const char *find_failure(const Requester *requester, const char *writer, const vss_value *component) {
        const vss_value *own = vss_value_get(component, "failure");

        if (vss_value_get_integer(own, "code", 0) < 0)
                return vss_value_get_string(own, "message", "its writer says that it has failed");
        return requester_writer_failure(requester, writer);
}

static int save_component(Requester *requester, Store *store, const FilePlan *plan, const char *writer,
                          const vss_value *component) {
        const char *path = component_logical_path(component), *name = component_name(component);
        const char *failure = find_failure(requester, writer, component);
        bool succeeded = false;
        vss_result r;
        int status = requester_copy_component(requester, store, plan, writer, component, &succeeded);

        if (status != EXIT_DONE)
                return status;
        /* Crash-consistent at best: kept, and not called good. */
        if (failure) {
                requester_complain(requester, "%s:%s: not called good: %s", writer,
                                   component_label(path, name).text, failure);
                succeeded = false;
        }
        r = vss_session_set_backup_succeeded(requester->session, writer, path, name, succeeded);
        return r < 0 ? requester_fail(requester, r, "SetBackupSucceeded") : EXIT_DONE;
}

/* Only now, with the shadow copies standing, is it decided what is read. */
static int copy_components(Requester *requester, Store *store) {
        for (size_t i = 0; i < vss_value_count(requester->components); i++) {
                const vss_value *w = vss_value_at(requester->components, i);
                const char *writer = vss_value_get_string(w, "name", "");
                const vss_value *components = vss_value_get(w, "components");
                _cleanup_(file_plan_freep) FilePlan *plan = NULL;
                int status = requester_plan_files(requester, w, &plan);

                for (size_t j = 0; status == EXIT_DONE && j < vss_value_count(components); j++)
                        status = save_component(requester, store, plan, writer, vss_value_at(components, j));
                if (status != EXIT_DONE)
                        return status;
        }
        for (size_t i = 0; i < requester->conf->n_paths; i++) {
                _cleanup_(freep) char *real = locate_resolve(requester->conf->paths[i].path);
                int status = real ? requester_copy_path(requester, store, real) : out_of_memory(requester);

                if (status != EXIT_DONE)
                        return status;
        }
        return EXIT_DONE;
}

static int complete(Requester *requester) {
        vss_async *async = NULL;
        vss_result r;
        int status;

        if (!has_writers(requester))
                return EXIT_DONE;
        r = vss_session_backup_complete(requester->session, &async);
        status = requester_await(requester, r, async, "BackupComplete", NULL);
        /* It goes on after a writer's failure; what has been copied is good. */
        return status != EXIT_DONE ? status : requester_check_status(requester, "BackupComplete", false);
}

static int finish_store(Requester *requester, Store *store, int64_t began_usec) {
        _cleanup_value_ vss_value *lines = vss_value_new_dict();
        int r;

        if (vss_value_set_string(lines, "set", requester->set_id) < 0 ||
            vss_value_set_string(lines, "type", field_name(field_backup_types, requester->conf->type)) < 0 ||
            vss_value_set_integer(lines, "began-usec", began_usec) < 0 ||
            vss_value_set_integer(lines, "complete", requester->partly ? 0 : 1) < 0)
                return out_of_memory(requester);
        r = store_finish(store, lines);
        if (r < 0) {
                (void)fprintf(stderr, "vss-test-requester: %s cannot be finished: %s\n",
                              requester->conf->store, strerror(-r));
                return EXIT_FAILED;
        }
        return EXIT_DONE;
}

static int make_set(Requester *requester) {
        int status = begin_session(requester);

        if (status == EXIT_DONE)
                status = make_selection(requester);
        if (status == EXIT_DONE)
                status = add_volumes(requester);
        if (status == EXIT_DONE && has_writers(requester))
                status = add_components(requester);
        if (status == EXIT_DONE)
                status = prepare(requester);
        if (status == EXIT_DONE)
                status = do_set(requester);
        return status;
}

/* A writer that failed in a way that passes is asked again, in a new session. */
static int make_set_with_retries(Requester *requester) {
        for (unsigned long i = 0;; i++) {
                int status = make_set(requester);

                if (status == EXIT_DONE || status == EXIT_FAILED)
                        return status;
                if (i >= requester->conf->retries)
                        return EXIT_DONE;
                requester_say(requester, "once more: %lu of %lu", i + 1, requester->conf->retries);
                requester_release(requester);
                requester->partly = false;
        }
}

int requester_backup(Requester *requester) {
        _cleanup_store_ Store store = { .fd = -1, .components_fd = -1 };
        int64_t began = (int64_t)clock_usec(CLOCK_REALTIME);
        int status = EXIT_DONE, r;

        if (requester->conf->previous)
                status = requester_load_previous(requester);
        if (status != EXIT_DONE)
                return status;
        r = store_create(requester->conf->store, &store);
        if (r < 0) {
                (void)fprintf(stderr, "vss-test-requester: %s cannot be the store: %s\n",
                              requester->conf->store,
                              r == -EEXIST ? "it has a backup already, and each needs one of its own"
                                           : strerror(-r));
                return EXIT_FAILED;
        }
        status = make_set_with_retries(requester);
        if (status == EXIT_DONE)
                status = open_copies(requester);
        if (status == EXIT_DONE)
                status = copy_components(requester, &store);
        if (status == EXIT_DONE)
                status = complete(requester);
        if (status == EXIT_DONE)
                status = finish_store(requester, &store, began);
        if (status == EXIT_DONE && has_writers(requester))
                status = requester_save_documents(requester);
        return status;
}

int requester_snapshot(Requester *requester) {
        int status = make_set_with_retries(requester);

        if (status == EXIT_DONE)
                status = open_copies(requester);
        for (size_t i = 0; status == EXIT_DONE && i < requester->n_volumes; i++)
                if (requester->volumes[i].snapshot[0])
                        printf("%s %s\n", requester->volumes[i].snapshot, requester->volumes[i].target);
        if (status == EXIT_DONE && requester->conf->delete_after) {
                _cleanup_value_ vss_value *selection = vss_value_new_dict();
                vss_async *async = NULL;
                vss_result r = vss_value_set_string(selection, "set", requester->set_id);

                if (r >= 0)
                        r = vss_service_delete_snapshots(requester->service, selection, &async);
                status = requester_await(requester, r, async, "DeleteSnapshots", NULL);
        }
        return status;
}
