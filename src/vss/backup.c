/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A backup as the contract wants it
 *
 * The order of calls is that of the contract; what differs between backups is only which of them are left
 * out. A failure anywhere ends the session, and with it everything that was begun.
 */

#include <assert.h>
#include <string.h>
#include <sys/stat.h>
#include "vss/backup-import.h"
#include "vss/backup-internal.h"
#include "vss/paths.h"
#include "vss/report.h"
#include "vss/view.h"

#define WANTED_MAX 4096u
/* So many that the service is told of them; with more, volumes are copied as a whole. */
#define TOLD_MAX 1000u

void backup_options_clear(BackupOptions *options) {
        strings_clear(&options->paths);
        strings_clear(&options->writers);
        strings_clear(&options->excluded);
        strings_clear(&options->cgroups);
        strings_clear(&options->live);
}

void backup_release(Backup *backup) {
        if (backup->options && backup->options->import)
                import_dispose(backup);
        backup->session = vss_session_release(backup->session);
}

void backup_clear(Backup *backup) {
        backup_release(backup);
        strings_clear(&backup->asked);
        strings_clear(&backup->wanted);
        strings_clear(&backup->system_live);
        strings_clear(&backup->read_live);
        strings_clear(&backup->devices);
        import_places_remove(&backup->places);
        backup->writers = vss_value_free(backup->writers);
        selection_clear(&backup->selection);
        backup->plan = vss_value_free(backup->plan);
        backup->set = vss_value_free(backup->set);
        for (size_t i = 0; i < backup->n_volumes; i++) {
                free(backup->volumes[i].target);
                free(backup->volumes[i].below);
        }
        free(backup->volumes);
        backup->volumes = NULL;
        backup->n_volumes = 0;
}

int system_directories(Strings *ret_directories) {
        static const char *const directories[] = { "/dev", "/proc", "/sys", "/run", "/tmp" };

        FOREACH_ELEMENT (directory, directories) {
                struct stat st;

                if (lstat(*directory, &st) == 0 && S_ISDIR(st.st_mode) &&
                    strings_add(ret_directories, *directory) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int backup_check_interrupt(Backup *backup) {
        return interrupt_pending() ? cli_fail(backup->cli, VSS_S_ASYNC_CANCELLED) : EXIT_DONE;
}

/* A call that was made: its failure, or its end. Takes the async over. */
static int await(Backup *backup, vss_result r, vss_async *async, const char *step, vss_value **ret_result) {
        _cleanup_async_ vss_async *owned = async;
        _cleanup_value_ vss_value *result = NULL;

        if (r >= 0)
                r = cli_wait(backup->cli, owned, step, &result);
        if (r != VSS_S_OK)
                return cli_fail(backup->cli, r);
        if (ret_result)
                *ret_result = TAKE_PTR(result);
        return backup_check_interrupt(backup);
}

/* What view_is_live() looks at. All is borrowed. */
static ViewInput live_input(const Backup *backup) {
        return (ViewInput){
                .wanted = backup->wanted,
                .live = backup->options->live,
                .read_live = backup->read_live,
                .system_live = backup->system_live,
        };
}

static int open_session(Backup *backup) {
        const BackupOptions *o = backup->options;
        _cleanup_value_ vss_value *options = vss_value_new_dict();
        vss_result r;

        r = vss_value_set_integer(options, "wait", o->wait);
        if (r >= 0 && o->lease > 0)
                r = vss_value_set_integer(options, "lease", o->lease);
        if (r >= 0 && o->label)
                r = vss_value_set_string(options, "label", o->label);
        if (r >= 0 && o->require)
                r = vss_value_set_string(options, "require", o->require);
        if (r < 0)
                return cli_out_of_memory(backup->cli);

        r = vss_session_create(backup->cli->service, options, &backup->session);
        if (r >= 0)
                r = vss_session_initialize_for_backup(backup->session);
        if (r >= 0)
                r = vss_session_set_context(backup->session, o->context);
        if (r >= 0)
                r = vss_session_set_backup_state(backup->session, backup_selects_components(backup), false,
                                                 o->type, o->partial_files);
        return r < 0 ? cli_fail(backup->cli, r) : backup_check_interrupt(backup);
}

static int gather(Backup *backup) {
        const BackupOptions *o = backup->options;
        vss_async *async = NULL;
        vss_result r;
        int status;

        if (o->context & VSS_VOLSNAP_ATTR_NO_WRITERS) {
                if (o->writers.n > 0 || o->n_verified > 0)
                        return cli_error(
                                backup->cli, VSS_E_UNSUPPORTED_CONTEXT,
                                o->writers.n > 0 ? NULL : o->verified[0].writer,
                                "shadow copies of this context are made without writers, so none can "
                                "take part");
                return EXIT_DONE;
        }
        r = vss_session_gather_writer_metadata(backup->session, &async);
        status = await(backup, r, async, "asking the writers", NULL);
        return status == EXIT_DONE ? backup_choose_components(backup) : status;
}

/* The paths of the chosen components, where they exist, beside those that were given. */
static int collect_wanted(Backup *backup) {
        const Strings *paths = &backup->selection.paths;

        for (size_t i = 0; i < backup->asked.n; i++)
                if (strings_add_once(&backup->wanted, backup->asked.items[i]) < 0)
                        return cli_out_of_memory(backup->cli);

        for (size_t i = 0; i < paths->n; i++) {
                _cleanup_(freep) char *resolved = realpath(paths->items[i], NULL);

                if (resolved && strings_add_once(&backup->wanted, resolved) < 0)
                        return cli_out_of_memory(backup->cli);
        }
        if (backup->wanted.n == 0)
                return cli_error(backup->cli, VSS_E_OBJECT_NOT_FOUND, NULL,
                                 "the components chosen have no files, so there is no volume to copy");
        if (backup->wanted.n > WANTED_MAX)
                return cli_error(backup->cli, VSS_E_INVALIDARG, NULL,
                                 "%zu paths are too many, %u is the limit", backup->wanted.n, WANTED_MAX);
        return EXIT_DONE;
}

static int make_plan(Backup *backup) {
        _cleanup_value_ vss_value *options = vss_value_new_dict();
        vss_async *async = NULL;
        vss_result r;

        r = vss_value_set_integer(options, "context", backup->options->context);
        if (r >= 0 && backup->options->provider)
                r = vss_value_set_string(options, "provider", backup->options->provider);
        if (r < 0)
                return cli_out_of_memory(backup->cli);
        backup->plan = vss_value_free(backup->plan);
        r = vss_service_plan(backup->cli->service, (const char *const *)backup->wanted.items,
                             backup->wanted.n, options, &async);
        return await(backup, r, async, "looking at the volumes", &backup->plan);
}

/* Is this the volume of a path that was asked for, rather than one that lies below such a path? */
static bool volume_is_named(const Backup *backup, const vss_value *volume) {
        const vss_value *volumes = vss_value_get(backup->plan, "volumes");
        const char *target = plan_volume_target(volume);

        for (size_t i = 0; i < backup->asked.n; i++) {
                const char *path = backup->asked.items[i];
                size_t longest = 0;

                for (size_t j = 0; j < vss_value_count(volumes); j++) {
                        const char *other = plan_volume_target(vss_value_at(volumes, j));

                        if (path_is_within(path, other))
                                longest = MAX(longest, strlen(other));
                }
                if (path_is_within(path, target) && strlen(target) == longest)
                        return true;
        }
        return false;
}

/* Taken by a provider, and not live on purpose. */
bool backup_joins_set(const Backup *backup, const vss_value *volume) {
        const ViewInput view = live_input(backup);

        return vss_value_get_boolean(volume, "supported", false) &&
               (volume_is_named(backup, volume) || !view_is_live(&view, plan_volume_target(volume)));
}

/* With "live_too": what is read as it is, and whether there is anything else. What lies below the paths and
 * on no device of this machine is not read. */
static int find_live(Backup *backup) {
        const vss_value *volumes = vss_value_get(backup->plan, "volumes"),
                        *left_out = vss_value_get(backup->plan, "left-out");
        const ViewInput view = live_input(backup);
        int r = 0;

        backup->no_set = true;
        for (size_t i = 0; r == 0 && i < vss_value_count(volumes); i++) {
                const vss_value *volume = vss_value_at(volumes, i);

                if (backup_joins_set(backup, volume))
                        backup->no_set = false;
                else if (volume_is_named(backup, volume))
                        r = strings_add_once(&backup->read_live, plan_volume_target(volume));
        }
        for (size_t i = 0; r == 0 && i < vss_value_count(left_out); i++) {
                const char *path = vss_value_get_string(vss_value_at(left_out, i), "path", "");

                if (strings_contain(&backup->devices, path) && !view_is_live(&view, path))
                        r = strings_add_once(&backup->read_live, path);
        }
        return r < 0 ? cli_out_of_memory(backup->cli) : EXIT_DONE;
}

static int add_left_out(Backup *backup, const char *what, const char *reason) {
        vss_value *list = value_require(backup->plan, "left-out", VSS_KIND_LIST);
        _cleanup_value_ vss_value *entry = vss_value_new_dict();

        if (!list || vss_value_set_string(entry, "path", what) < 0 ||
            vss_value_set_string(entry, "reason", reason) < 0 || vss_value_append(list, TAKE_PTR(entry)) < 0)
                return cli_out_of_memory(backup->cli);
        return EXIT_DONE;
}

/* A second mount of a volume that is in the set already is served by the same shadow copy. */
static const BackupVolume *find_same_volume(const Backup *backup, const char *target) {
        struct stat st, other;

        if (stat(target, &st) < 0)
                return NULL;
        for (size_t i = 0; i < backup->n_volumes; i++)
                if (stat(backup->volumes[i].target, &other) == 0 && other.st_dev == st.st_dev)
                        return &backup->volumes[i];
        return NULL;
}

int backup_remember_volume(Backup *backup, const char *target, const char *below, const char *snapshot) {
        BackupVolume *volumes, *added;
        char id[VSS_ID_SIZE];

        /* It may be one in the array that is about to move. */
        (void)snprintf(id, sizeof(id), "%s", snapshot);
        volumes = reallocarray(backup->volumes, backup->n_volumes + 1, sizeof(*volumes));
        if (!volumes)
                return cli_out_of_memory(backup->cli);
        backup->volumes = volumes;
        added = &volumes[backup->n_volumes++];
        *added = (BackupVolume){
                .target = strdup(target),
                .below = strdup(below),
        };
        (void)snprintf(added->snapshot, sizeof(added->snapshot), "%s", id);
        return added->target && added->below ? EXIT_DONE : cli_out_of_memory(backup->cli);
}

static int add_volume(Backup *backup, const char *path, const char *target, const char *below,
                      const char *provider) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_value_ vss_value *result = NULL;
        vss_result r;

        r = vss_session_add_to_snapshot_set(backup->session, path, provider, &async);
        if (r >= 0)
                r = cli_wait(backup->cli, async, "adding volumes", &result);
        if (r == VSS_E_OBJECT_ALREADY_EXISTS && !backup->options->exact) {
                const BackupVolume *same = find_same_volume(backup, target);

                if (same)
                        return backup_remember_volume(backup, target, below, same->snapshot);
        }
        if (r != VSS_S_OK)
                return cli_fail(backup->cli, r);
        return backup_remember_volume(backup, target, below, vss_value_get_string(result, "snapshot", ""));
}

static int add_exact_volumes(Backup *backup) {
        for (size_t i = 0; i < backup->options->n_exact; i++) {
                const ExactVolume *volume = &backup->options->exact[i];
                int status = add_volume(backup, volume->path, volume->path, "", volume->provider);

                if (status == EXIT_DONE)
                        status = backup_check_interrupt(backup);
                if (status != EXIT_DONE)
                        return status;
        }
        return EXIT_DONE;
}

static int add_volumes(Backup *backup) {
        const vss_value *volumes = vss_value_get(backup->plan, "volumes");
        const ViewInput view = live_input(backup);

        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const vss_value *volume = vss_value_at(volumes, i);
                const char *target = plan_volume_target(volume);
                bool named = volume_is_named(backup, volume);
                int status;

                /* What is kept live on purpose needs no copy. */
                if (!named && view_is_live(&view, target))
                        continue;
                if (vss_value_get_boolean(volume, "supported", false))
                        status = add_volume(backup, vss_value_get_string(volume, "path", target), target,
                                            vss_value_get_string(volume, "below", ""),
                                            backup->options->provider);
                else {
                        _cleanup_(freep) char *reason = plan_volume_declined(volume);

                        status = named && !backup->options->live_too
                                         ? cli_error(backup->cli, VSS_E_VOLUME_NOT_SUPPORTED, target,
                                                     "no provider takes this volume: %s",
                                                     reason ?: "out of memory")
                                         : add_left_out(backup, target, reason ?: "out of memory");
                }
                if (status == EXIT_DONE)
                        status = backup_check_interrupt(backup);
                if (status != EXIT_DONE)
                        return status;
        }
        return backup->n_volumes > 0 ? EXIT_DONE
                                     : cli_error(backup->cli, VSS_E_VOLUME_NOT_SUPPORTED, NULL,
                                                 "there is no volume to copy: %s",
                                                 vss_value_count(vss_value_get(backup->plan, "left-out")) > 0
                                                         ? "vss plan shows what was left out and why"
                                                         : "the service found none");
}

/* What is copied file by file need not have more than was asked for. A volume that is also mounted elsewhere
 * is copied as a whole: what is wanted of it there has other names. */
static int tell_wanted(Backup *backup) {
        const vss_value *volumes = vss_value_get(backup->plan, "volumes");
        bool parts = false;
        vss_result r;

        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const vss_value *volume = vss_value_at(volumes, i);

                if (vss_value_get(volume, "same-as"))
                        return EXIT_DONE;
                parts = parts || vss_value_count(vss_value_get(volume, "paths")) > 0;
        }
        if (!parts || backup->options->exact || backup->wanted.n > TOLD_MAX)
                return EXIT_DONE;
        r = vss_session_set_wanted_paths(backup->session, (const char *const *)backup->wanted.items,
                                         backup->wanted.n);
        return r < 0 ? cli_fail(backup->cli, r) : EXIT_DONE;
}

static int start_set(Backup *backup) {
        char set_id[VSS_ID_SIZE];
        int status;
        vss_result r;

        r = vss_session_start_snapshot_set(backup->session, set_id);
        if (r < 0)
                return cli_fail(backup->cli, r);
        status = backup_check_interrupt(backup);
        if (status == EXIT_DONE)
                status = tell_wanted(backup);
        if (status == EXIT_DONE)
                status = backup->options->exact ? add_exact_volumes(backup) : add_volumes(backup);
        for (size_t i = 0; status == EXIT_DONE && i < backup->options->cgroups.n; i++) {
                r = vss_session_hold_control_group(backup->session, backup->options->cgroups.items[i]);
                if (r < 0)
                        return cli_fail(backup->cli, r);
        }
        return status;
}

static int do_set(Backup *backup) {
        vss_async *async = NULL;
        vss_result r;
        int status = EXIT_DONE;

        if (!(backup->options->context & VSS_VOLSNAP_ATTR_NO_WRITERS)) {
                r = vss_session_prepare_for_backup(backup->session, &async);
                status = await(backup, r, async, "preparing the writers", NULL);
        }
        if (status != EXIT_DONE)
                return status;
        async = NULL;
        r = vss_session_do_snapshot_set(backup->session, &async);
        status = await(backup, r, async, "making the shadow copies", &backup->set);
        if (status == EXIT_DONE && !backup->set)
                return cli_error(backup->cli, VSS_E_UNEXPECTED, NULL,
                                 "the service made a set and did not describe it");
        return status;
}

/* What is mounted below the paths and is on no device is a mount point of the backup, and not missing in it.
 */
static int excuse_mounts(Backup *backup) {
        vss_value *left_out = value_get_mutable(backup->set, "left-out");
        _cleanup_(strings_clear) Strings mounts = {};

        if (mounts_read(&mounts) < 0)
                return EXIT_DONE;
        for (size_t i = 0; i < vss_value_count(left_out); i++) {
                vss_value *entry = value_at_mutable(left_out, i);
                const char *what = vss_value_get_string(entry, "what", "");

                if (strings_contain(&mounts, what) && !strings_contain(&backup->devices, what) &&
                    !strings_contain(&backup->asked, what) &&
                    vss_value_set_boolean(entry, "system", true) < 0)
                        return cli_out_of_memory(backup->cli);
        }
        return EXIT_DONE;
}

static int complete_set(Backup *backup) {
        const ViewInput live = live_input(backup);
        int status = backup_add_participation(backup);

        if (status != EXIT_DONE)
                return status;
        if (report_complete_set(backup->set, backup->plan, &live) < 0)
                return cli_out_of_memory(backup->cli);
        return backup->options->mounts_apart ? excuse_mounts(backup) : EXIT_DONE;
}

static int run_flow(Backup *backup) {
        int status = EXIT_DONE;

        if (system_directories(&backup->system_live) < 0)
                return cli_out_of_memory(backup->cli);
        (void)mounts_read_devices(&backup->devices);
        if (backup->options->paths.n > 0) {
                status = paths_resolve(backup->cli, &backup->options->paths, &backup->asked);
                if (status != EXIT_DONE)
                        return status;
        }
        status = cli_connect(backup->cli);
        if (status == EXIT_DONE)
                status = open_session(backup);
        if (status == EXIT_DONE)
                status = gather(backup);
        if (status == EXIT_DONE && !backup->options->exact)
                status = collect_wanted(backup);
        if (status == EXIT_DONE && !backup->options->exact)
                status = make_plan(backup);
        if (status == EXIT_DONE && backup->options->live_too)
                status = find_live(backup);
        if (status != EXIT_DONE || backup->no_set)
                return status;
        status = backup_limit_components(backup);
        if (status == EXIT_DONE)
                status = backup_add_components(backup);
        if (status == EXIT_DONE && backup->options->chosen)
                status = backup->options->chosen(backup->options->userdata, backup);
        if (status == EXIT_DONE)
                status = start_set(backup);
        if (status == EXIT_DONE)
                status = do_set(backup);
        if (status != EXIT_DONE)
                return status;
        return complete_set(backup);
}

int backup_make(Backup *backup, Cli *cli, const BackupOptions *options) {
        int status;

        backup->cli = cli;
        backup->options = options;
        if (!options->import && options->paths.n == 0 && options->writers.n == 0 && options->n_exact == 0)
                return cli_usage(cli, "name a path, a volume, or a --writer");

        status = options->import ? import_make(backup) : run_flow(backup);
        if (status != EXIT_DONE || backup->no_set)
                backup_release(backup);
        else
                backup->below_promise = report_has_failures(backup->set);
        return status;
}
