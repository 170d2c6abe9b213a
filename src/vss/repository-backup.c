/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A backup into a repository
 *
 * Two processes: this one is the requester, that speaks with the service; the other reads and stores
 * (archiver.h). The other begins first: its key, its lock and its index are there before anything is frozen.
 * What it has read becomes a point only once the writers have been told how each component went; that the
 * backup is complete they are told once the point is safe.
 */

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "repository/cache.h"
#include "util/clock.h"
#include "util/utf8.h"
#include "vss/backup-import.h"
#include "vss/channel.h"
#include "vss/output.h"
#include "vss/paths.h"
#include "vss/report.h"
#include "vss/repository-backup-internal.h"
#include "vss/size.h"
#include "vss/volume-number.h"

#define POLL_MS 200
#define LOOK_USEC (2 * USEC_PER_SEC)

void repository_backup_options_clear(RepositoryBackupOptions *options) {
        backup_options_clear(&options->backup);
        strings_clear(&options->tags);
        strings_clear(&options->excludes);
}

static void run_clear(BackupRun *run) {
        archiver_stop(&run->archiver);
        backup_view_clear(&run->view);
        backup_clear(&run->backup);
        strings_clear(&run->job.paths);
        strings_clear(&run->job.point_paths);
        strings_clear(&run->job.left_out);
        vss_value_free(run->ready);
        vss_value_free(run->components);
        vss_value_free(run->failed);
        vss_value_free(run->mount_points);
        free(run->last_path);
}

/* ---- what the other process says ---- */

static void note_told(BackupRun *run, const vss_value *event) {
        const char *path = vss_value_get_string(event, "path", ""),
                   *message = vss_value_get_string(event, "message", "");
        bool failed = vss_value_get_boolean(event, "failed", true);
        _cleanup_value_ vss_value *entry = vss_value_new_dict();

        cli_note("%s: %s", path, message);
        if (vss_value_set_string(entry, "path", path) >= 0 &&
            vss_value_set_string(entry, "message", message) >= 0)
                (void)vss_value_append(failed ? run->failed : run->mount_points, TAKE_PTR(entry));
}

/* It has been told; where failures are collected, it is one of them. */
static int note_failed(BackupRun *run, const vss_value *event) {
        const vss_value *errors = vss_value_get(event, "errors");
        vss_value *list = run->cli->errors ?: run->cli->noted;

        for (size_t i = 0; list && i < vss_value_count(errors); i++)
                (void)vss_value_append(list, vss_value_copy(vss_value_at(errors, i)));
        return (int)vss_value_get_integer(event, "status", EXIT_FAILED) ?: EXIT_FAILED;
}

static void note_status(BackupRun *run, const vss_value *event) {
        const char *path = vss_value_get_string(event, "path", "");
        int64_t expected = vss_value_get_integer(event, "files-expected", 0);

        if (expected > 0)
                progress_expect(&run->progress, (uint64_t)expected,
                                (uint64_t)vss_value_get_integer(event, "bytes-expected", 0));
        (void)progress_update(&run->progress, (uint64_t)vss_value_get_integer(event, "files", 0),
                              (uint64_t)vss_value_get_integer(event, "bytes", 0),
                              vss_value_get_string(event, "component", ""), path);
        free(run->last_path);
        run->last_path = strdup(path);
}

/* The session, and with it the shadow copies, as long as the service knows all of them, and none is lost. */
static bool copies_stand(BackupRun *run) {
        if (!run->copies || now_usec() - run->looked < LOOK_USEC)
                return true;
        run->looked = now_usec();
        if (vss_service_process(run->cli->service) < 0)
                return false;
        for (size_t i = 0; i < run->backup.n_volumes; i++) {
                _cleanup_value_ vss_value *properties = NULL;
                vss_result r = vss_session_get_snapshot_properties(
                        run->backup.session, run->backup.volumes[i].snapshot, &properties);

                if (r < 0 || strcmp(vss_value_get_string(properties, "state", ""), "lost") == 0)
                        return false;
        }
        return true;
}

static int fail_lost(BackupRun *run) {
        run->cli->copies_lost = true;
        return cli_error_remedy(
                run->cli, VSS_E_SNAPSHOT_LOST, NULL,
                "See vss events and vss list shadows; then run it again: what was stored is used.",
                "THE SHADOW COPIES WERE LOST while they were read: their storage is full or gone, "
                "the service went away, or the session was aborted. There is no point of this backup");
}

static int fail_gone(BackupRun *run) {
        return cli_error_remedy(run->cli, VSS_E_UNEXPECTED, NULL, "Run it again: what was stored is used.",
                                "the process that reads and stores has ended before its work was done%s%s",
                                run->last_path && *run->last_path ? "; it was at " : "",
                                run->last_path ?: "");
}

/* Waits for an event of this name; what comes before it is told. */
static int follow(BackupRun *run, const char *name, vss_value **ret_event) {
        for (;;) {
                _cleanup_value_ vss_value *event = NULL;
                int r = channel_receive(run->archiver.fd, POLL_MS, &event, NULL);
                const char *what = vss_value_get_string(event, "event", "");

                if (interrupt_pending())
                        return cli_fail(run->cli, VSS_S_ASYNC_CANCELLED);
                if (!copies_stand(run))
                        return fail_lost(run);
                if (r == -ETIMEDOUT || r == -EINTR)
                        continue;
                if (r < 0)
                        return fail_gone(run);
                run->archiver.ready |= strcmp(what, "ready") == 0;
                run->archiver.done = strcmp(what, "failed") == 0 || strcmp(what, "saved") == 0;
                /* It was interrupted by itself, and does not tell that. */
                if (strcmp(what, "failed") == 0 && vss_value_get_integer(event, "status", 0) > 128 &&
                    !interrupt_pending())
                        return fail_gone(run);
                if (strcmp(what, "failed") == 0)
                        return note_failed(run, event);
                if (strcmp(what, "told") == 0)
                        note_told(run, event);
                else if (strcmp(what, "status") == 0)
                        note_status(run, event);
                else if (strcmp(what, name) == 0) {
                        *ret_event = TAKE_PTR(event);
                        return EXIT_DONE;
                }
        }
}

static int await_ready(BackupRun *run) {
        return run->ready ? EXIT_DONE : follow(run, "ready", &run->ready);
}

/* ---- the session ---- */

/* Once it is known what takes part, before anybody prepares for anything. */
static int on_chosen(void *userdata, Backup *backup) {
        BackupRun *run = userdata;
        int status = await_ready(run);

        return status == EXIT_DONE ? run_set_stamps(run, backup) : status;
}

static int make_set(BackupRun *run) {
        bool import = run->options->backup.import;
        int status = import ? await_ready(run) : EXIT_DONE;

        if (status != EXIT_DONE)
                return status;
        run->backup_options = run->options->backup;
        run->backup_options.context = VSS_CTX_BACKUP;
        run->backup_options.live_too = !run->required && !import;
        run->backup_options.partial_files = true;
        run->backup_options.mounts_apart = true;
        run->backup_options.chosen = on_chosen;
        run->backup_options.userdata = run;
        status = backup_make(&run->backup, run->cli, &run->backup_options);
        if (status != EXIT_DONE)
                return status;
        if (run->backup.no_set) {
                run->why_live = "no provider takes any of the volumes; vss plan says why";
                return EXIT_DONE;
        }
        run->copies = true;
        run->partly |= run->backup.below_promise;
        if (run->backup.below_promise)
                report_set(stderr, run->backup.set);
        return EXIT_DONE;
}

static bool take_parts(void *userdata, const BackupVolume *volume, const vss_value *paths) {
        return true;
}

/* @crossed: where it is mounted below a path that was asked for, it is read, too. */
static int add_device(vss_value *list, const char *path, bool copied, bool crossed) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        uint64_t number = volume_number(path);

        if (vss_value_set_string(entry, "path", path) < 0 ||
            (number > 0 && vss_value_set_integer(entry, "id", (int64_t)number) < 0) ||
            vss_value_set_boolean(entry, "crossed", crossed) < 0 ||
            vss_value_set_boolean(entry, "copied", copied) < 0)
                return -ENOMEM;
        return vss_value_append(list, TAKE_PTR(entry)) < 0 ? -ENOMEM : 0;
}

/* Where the volumes are seen, and what they are called in the point. */
static int list_devices(BackupRun *run, vss_value *order) {
        vss_value *list = value_require(order, "devices", VSS_KIND_LIST),
                  *paths = value_require(order, "paths", VSS_KIND_LIST);
        int r = list && paths ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && run->copies && i < run->view.n; i++)
                r = add_device(list, run->view.shadows[i].target, true, true);
        for (size_t i = 0; r == 0 && run->copies && i < run->backup.read_live.n; i++)
                r = add_device(list, run->backup.read_live.items[i], false, true);
        for (size_t i = 0; r == 0 && i < run->job.paths.n; i++)
                if (text_is_utf8(run->job.paths.items[i]) &&
                    (r = value_append_string(paths, run->job.paths.items[i])) >= 0)
                        r = add_device(list, run->job.paths.items[i], false, false);
        return r < 0 ? cli_out_of_memory(run->cli) : EXIT_DONE;
}

/* What the writers have said, for the lists of their files. */
static int add_components(BackupRun *run, vss_value *order) {
        _cleanup_value_ vss_value *writers = NULL, *components = NULL;
        vss_session *session = run->backup.session;
        vss_result r = VSS_S_OK;

        if (run->backup.options->import) {
                writers = import_writer_metadata(&run->backup);
                r = writers ? VSS_S_OK : VSS_E_OUTOFMEMORY;
        } else
                r = vss_session_get_writer_metadata(session, &writers);
        if (r >= 0 && run->backup.selection.n > 0)
                r = vss_session_get_writer_components(session, &components);
        if (r < 0)
                return cli_fail(run->cli, r);
        if (vss_value_set(order, "writers", TAKE_PTR(writers)) < 0 ||
            (components && vss_value_set(order, "components", TAKE_PTR(components)) < 0) ||
            vss_value_set_string(order, "set", vss_value_get_string(run->backup.set, "set", "")) < 0 ||
            vss_value_set_string(order, "session", vss_session_id(session)) < 0 ||
            vss_value_set_boolean(order, "copies", true) < 0)
                return cli_out_of_memory(run->cli);
        return EXIT_DONE;
}

static int send_order(BackupRun *run, const vss_value *order, int fd) {
        int r = channel_send(run->archiver.fd, order, fd);

        return r == -ENOMEM || r == -E2BIG ? cli_out_of_memory(run->cli)
               : r < 0                     ? fail_gone(run)
                                           : EXIT_DONE;
}

static int begin_reading(BackupRun *run) {
        _cleanup_value_ vss_value *order = vss_value_new_dict();
        _cleanup_(closep) int view = -1;
        int status = EXIT_DONE;

        if (vss_value_set_string(order, "do", "read") < 0 ||
            vss_value_set_integer(order, "type", run->options->backup.type) < 0)
                return cli_out_of_memory(run->cli);
        if (run->copies)
                status = backup_view_make(&run->backup, take_parts, run, &run->view);
        if (status == EXIT_DONE && run->copies)
                status = backup_view_hold(run->cli, &run->view, &view);
        backup_view_close(&run->view);
        if (status == EXIT_DONE)
                status = list_devices(run, order);
        if (status == EXIT_DONE && run->copies)
                status = add_components(run, order);
        progress_begin(&run->progress, run->cli, "backup");
        progress_expect(&run->progress, (uint64_t)vss_value_get_integer(run->ready, "files", 0),
                        (uint64_t)vss_value_get_integer(run->ready, "bytes", 0));
        return status == EXIT_DONE ? send_order(run, order, view) : status;
}

/* ---- how it went ---- */

static vss_value *find_component(vss_value *list, const Chosen *chosen) {
        for (size_t i = 0; i < vss_value_count(list); i++) {
                vss_value *c = value_at_mutable(list, i);

                if (strcmp(vss_value_get_string(c, "writer", ""), chosen->writer) == 0 &&
                    strcmp(vss_value_get_string(c, "logical-path", ""), chosen->logical_path) == 0 &&
                    strcmp(vss_value_get_string(c, "name", ""), chosen->name) == 0)
                        return c;
        }
        return NULL;
}

static int judge_component(BackupRun *run, const Chosen *chosen) {
        vss_value *component = find_component(run->components, chosen);
        bool copied = !report_component_failed(run->backup.set, chosen->writer, chosen->logical_path,
                                               chosen->name),
             succeeded = copied && vss_value_get_boolean(component, "succeeded", false);

        if (!copied && component &&
            (vss_value_set_boolean(component, "succeeded", false) < 0 ||
             vss_value_set_string(component, "reason",
                                  "it, or its writer, failed while the shadow copies were made") < 0))
                return cli_out_of_memory(run->cli);
        if (!succeeded) {
                run->partly = true;
                cli_note("%s:%s%s%s is not backed up: %s", chosen->writer, *chosen->logical_path ? "/" : "",
                         chosen->logical_path, *chosen->name ? "/" : "",
                         vss_value_get_string(component, "reason", "nothing is known of its files"));
        }
        return backup_set_succeeded(&run->backup, chosen->writer, chosen->logical_path, chosen->name,
                                    succeeded);
}

static int finish_reading(BackupRun *run) {
        _cleanup_value_ vss_value *event = NULL, *order = vss_value_new_dict();
        _cleanup_(freep) char *path = NULL;
        _cleanup_(closep) int fd = -1;
        int status = follow(run, "read", &event);

        if (status != EXIT_DONE)
                return status;
        run->components = vss_value_copy(vss_value_get(event, "components"));
        for (size_t i = 0; status == EXIT_DONE && i < run->backup.selection.n; i++)
                status = judge_component(run, &run->backup.selection.items[i]);
        if (status == EXIT_DONE)
                status = run_save_documents(run, &path, &fd);
        if (status == EXIT_DONE && vss_value_set_string(order, "do", "finish") < 0)
                status = cli_out_of_memory(run->cli);
        if (status == EXIT_DONE)
                status = send_order(run, order, fd);
        progress_step(&run->progress, "finishing");
        if (status == EXIT_DONE) {
                event = vss_value_free(event);
                status = follow(run, "saved", &event);
        }
        run_remove_documents(path);
        if (status == EXIT_DONE)
                run->ready = (vss_value_free(run->ready), TAKE_PTR(event));
        return status;
}

static int read_and_store(BackupRun *run) {
        vss_value *event = NULL;
        int status = await_ready(run);

        if (status == EXIT_DONE)
                status = begin_reading(run);
        if (status != EXIT_DONE)
                return status;
        if (run->copies)
                return finish_reading(run);
        status = follow(run, "saved", &event);
        if (status == EXIT_DONE)
                run->ready = (vss_value_free(run->ready), event);
        return status;
}

/* The point is safe, whatever becomes of this. */
static int complete(BackupRun *run) {
        int status;

        if (!run->copies)
                return EXIT_DONE;
        status = backup_end(&run->backup);
        if (status != EXIT_DONE) {
                cli_note("the point is there, but the writers could not all be told so");
                run->partly = true;
        }
        return EXIT_DONE;
}

static vss_result set_copy(vss_value *dict, const char *key, const vss_value *value) {
        return value ? vss_value_set(dict, key, vss_value_copy(value)) : VSS_S_OK;
}

static int make_answer(BackupRun *run, vss_value **ret_answer) {
        _cleanup_value_ vss_value *answer = vss_value_copy(vss_value_get(run->ready, "point"));
        const vss_value *set = run->backup.set;

        if (!answer || vss_value_set_boolean(answer, "shadow-copies", run->copies) < 0 ||
            vss_value_set_integer(answer, "elapsed-usec", (int64_t)(now_usec() - run->since)) < 0 ||
            set_copy(answer, "set", vss_value_get(set, "set")) < 0 ||
            set_copy(answer, "level", vss_value_get(set, "level")) < 0 ||
            set_copy(answer, "components", run->components) < 0 ||
            set_copy(answer, "failed", run->failed) < 0 ||
            set_copy(answer, "mount-points", run->mount_points) < 0)
                return cli_out_of_memory(run->cli);
        *ret_answer = TAKE_PTR(answer);
        return EXIT_DONE;
}

/* The other process has begun already, and shares no connection with this one. */
static void connect_service(BackupRun *run) {
        if (!run->copies || run->required || run->cli->service ||
            vss_service_connect(&run->cli->service) >= 0)
                return;
        run->why_live = "the service cannot be reached; vss doctor may say why";
        run->copies = false;
}

static int start_archiver(BackupRun *run) {
        return run->archiver.pid > 0 ? EXIT_DONE : archiver_start(run->cli, &run->job, &run->archiver);
}

static int conduct(BackupRun *run, vss_value **ret_answer) {
        int status = start_archiver(run);

        if (status == EXIT_DONE)
                connect_service(run);
        if (status == EXIT_DONE && run->copies) {
                run->copies = false;
                status = make_set(run);
        }
        /* That there is no repository is the worse news. */
        if (status == EXIT_DONE && run->why_live)
                status = await_ready(run);
        if (status == EXIT_DONE && run->why_live)
                cli_note("without shadow copies, files are read as they are: %s", run->why_live);
        if (status == EXIT_DONE)
                status = read_and_store(run);
        progress_end(&run->progress);
        if (status != EXIT_DONE) {
                /* They hear of it, unless the service itself has gone. */
                if (run->copies && run->backup.session && !run->cli->service_lost)
                        (void)session_give_up(run->backup.session);
                return status;
        }
        status = complete(run);
        if (status == EXIT_DONE)
                status = make_answer(run, ret_answer);
        if (status == EXIT_DONE && vss_value_get_integer(run->ready, "errors", 0) > 0) {
                int64_t errors = vss_value_get_integer(run->ready, "errors", 0);

                cli_note("%lld file%s or director%s not in the point; named above", (long long)errors,
                         PLURAL(errors), errors == 1 ? "y is" : "ies are");
                run->partly = true;
        }
        return status == EXIT_DONE && run->partly ? EXIT_PARTLY : status;
}

/* ---- what is wanted ---- */

/* One that is plainly not there is told before anything is said of shadow copies. */
static int look_for_repository(BackupRun *run) {
        const char *location = run->options->repo.repository ?: getenv("VSS_REPOSITORY"),
                   *directory = location ? backend_directory(location) : NULL;
        _cleanup_(freep) char *config = NULL;
        bool copies = run->copies;
        int status;

        if (directory && asprintf(&config, "%s/config", directory) < 0) {
                config = NULL;
                return cli_out_of_memory(run->cli);
        }
        if (location && (!config || access(config, F_OK) == 0 || errno != ENOENT))
                return EXIT_DONE;
        run->copies = false;
        status = start_archiver(run);
        if (status == EXIT_DONE)
                status = await_ready(run);
        run->copies = copies;
        return status;
}

static int fail_silent(Cli *cli, const char *path, unsigned seconds) {
        if (interrupt_pending())
                return cli_fail(cli, VSS_S_ASYNC_CANCELLED);
        return cli_error_remedy(cli, VSS_E_UNEXPECTED, path,
                                "See what the system's log says of the device, or of the server; "
                                "--read-timeout is how long is waited.",
                                "its device has not answered for %u seconds", seconds);
}

/* The way to it without links; itself it may be one. */
static int resolve(Cli *cli, const char *path, Strings *paths) {
        _cleanup_(freep) char *copy = strdup(path), *real = NULL, *joined = NULL;
        const char *name;
        char *slash;
        size_t n;

        if (!copy)
                return cli_out_of_memory(cli);
        for (n = strlen(copy); n > 1 && copy[n - 1] == '/';)
                copy[--n] = '\0';
        slash = strrchr(copy, '/');
        name = slash ? slash + 1 : copy;
        if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
                joined = realpath(copy, NULL);
        } else {
                _cleanup_(freep) char *directory =
                        slash ? strndup(copy, slash == copy ? 1 : (size_t)(slash - copy)) : strdup(".");
                struct stat st;

                real = directory ? realpath(directory, NULL) : NULL;
                if (real && asprintf(&joined, "%s%s%s", real, strcmp(real, "/") == 0 ? "" : "/", name) < 0)
                        joined = NULL;
                if (joined && lstat(joined, &st) < 0 && errno == ENOENT)
                        return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, path,
                                         "there is no such file or directory");
        }
        if (!joined)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, path, "%s", strerror(errno));
        return strings_add_once(paths, joined) < 0 ? cli_out_of_memory(cli) : EXIT_DONE;
}

/* @what lies in what is backed up, perhaps: then it is not. */
static int leave_out(BackupRun *run, const char *directory, const char *what) {
        _cleanup_(freep) char *real = realpath(directory, NULL);

        for (size_t i = 0; real && i < run->job.paths.n; i++) {
                const char *path = run->job.paths.items[i];

                if (!path_is_within(real, path))
                        continue;
                if (strcmp(real, path) == 0)
                        return cli_usage(run->cli, "%s is %s itself", path, what);
                cli_note("%s is left out: it is %s", real, what);
                return strings_add(&run->job.left_out, real) < 0 ? cli_out_of_memory(run->cli) : EXIT_DONE;
        }
        return EXIT_DONE;
}

static int leave_out_own(BackupRun *run) {
        const char *location = run->options->repo.repository ?: getenv("VSS_REPOSITORY");
        _cleanup_(freep) char *cache = cache_place();
        int status = EXIT_DONE;

        location = location ? backend_directory(location) : NULL;
        if (location)
                status = leave_out(run, location, "the repository");
        return status == EXIT_DONE && cache ? leave_out(run, cache, "the cache of repositories") : status;
}

static int name_point(BackupRun *run) {
        const Strings *writers = &run->options->backup.writers;

        for (size_t i = 0; i < run->job.paths.n; i++)
                if (strings_add(&run->job.point_paths, run->job.paths.items[i]) < 0)
                        return cli_out_of_memory(run->cli);
        for (size_t i = 0; i < writers->n; i++) {
                const char *colon = strchr(writers->items[i], ':');
                _cleanup_(freep) char *name = NULL;
                int n = colon ? (int)(colon - writers->items[i]) : (int)strlen(writers->items[i]);

                if (asprintf(&name, "writer:%.*s%s", n, writers->items[i], colon ? colon + 1 : "") < 0) {
                        name = NULL;
                        return cli_out_of_memory(run->cli);
                }
                if (strings_add_once(&run->job.point_paths, name) < 0)
                        return cli_out_of_memory(run->cli);
        }
        return EXIT_DONE;
}

static int name_paths(BackupRun *run) {
        const Strings *paths = &run->options->backup.paths;
        int status = EXIT_DONE;
        unsigned seconds = run->options->read_timeout ?: READ_TIMEOUT_DEFAULT;

        for (size_t i = 0; status == EXIT_DONE && i < paths->n; i++)
                status = path_answers(paths->items[i], seconds)
                                 ? resolve(run->cli, paths->items[i], &run->job.paths)
                                 : fail_silent(run->cli, paths->items[i], seconds);
        if (status == EXIT_DONE)
                status = leave_out_own(run);
        return status == EXIT_DONE ? name_point(run) : status;
}

static int check_options(BackupRun *run) {
        const RepositoryBackupOptions *o = run->options;
        bool off = o->vss && strcmp(o->vss, "off") == 0;

        run->required = o->vss && strcmp(o->vss, "required") == 0;
        run->copies = !off;
        if (o->vss && !off && !run->required && strcmp(o->vss, "auto") != 0)
                return cli_usage(run->cli, "--vss %s: auto, required or off", o->vss);
        if (compression_level(o->compression) < 0)
                return cli_usage(run->cli, "--compression: off, fastest, default, better or max");
        if (o->backup.import)
                return run_check_import(run);
        if (o->backup.paths.n == 0 && o->backup.writers.n == 0)
                return cli_usage(run->cli, "name files or directories, or a --writer");
        if (off && (o->backup.writers.n > 0 || o->backup.provider || o->backup.require))
                return cli_usage(run->cli,
                                 "--vss off: --writer, --provider and --require need shadow copies");
        if (o->backup.type == VSS_BT_LOG && (o->backup.paths.n > 0 || o->backup.writers.n == 0))
                return cli_usage(run->cli,
                                 "--type log is about the logs of a --writer, and not about paths");
        /* Whoever names a writer, a provider or a level means it. */
        run->required |= o->backup.writers.n > 0 || o->backup.provider || o->backup.require;
        return EXIT_DONE;
}

/* Can there be shadow copies at all? */
static int decide(BackupRun *run) {
        if (!run->copies)
                return EXIT_DONE;
        if (!backup_view_is_possible()) {
                run->why_live = "shadow copies are mounted to be read, and that needs root";
                if (run->required)
                        return cli_error(run->cli, VSS_E_ACCESSDENIED, NULL, "%s", run->why_live);
                run->copies = false;
        }
        return EXIT_DONE;
}

int backup_run(Cli *cli, const RepositoryBackupOptions *options, vss_value **ret_answer) {
        _cleanup_(run_clear) BackupRun run = {
                .cli = cli,
                .options = options,
                .since = now_usec(),
                .archiver = { .fd = -1 },
                .failed = vss_value_new_list(),
                .mount_points = vss_value_new_list(),
        };
        int status = check_options(&run);

        (void)clock_gettime(CLOCK_REALTIME, &run.begun);
        (void)gethostname(run.host, sizeof(run.host) - 1);
        run.job.options = options;
        if (options->backup.import && *import_host(options->backup.import))
                (void)snprintf(run.host, sizeof(run.host), "%s", import_host(options->backup.import));
        run.job.host = options->host ?: run.host;
        if (status == EXIT_DONE)
                status = options->backup.import ? run_take_import(&run) : name_paths(&run);
        if (status == EXIT_DONE && options->begun)
                options->begun(options->userdata);
        if (status == EXIT_DONE)
                status = look_for_repository(&run);
        if (status == EXIT_DONE)
                status = decide(&run);
        return status == EXIT_DONE ? conduct(&run, ret_answer) : status;
}

void backup_run_report(const vss_value *answer) {
        char size[SIZE_TEXT], added[SIZE_TEXT], stored[SIZE_TEXT], took[DURATION_SIZE];
#define NUMBER(key) vss_value_get_integer(answer, key, 0)

        printf("point %.8s: %lld file%s, %s, in %s%s%s\n", vss_value_get_string(answer, "point", ""),
               (long long)NUMBER("files"), PLURAL(NUMBER("files")), format_size(NUMBER("bytes"), size),
               format_duration(NUMBER("elapsed-usec"), took),
               vss_value_get_boolean(answer, "shadow-copies", false) ? ", from shadow copies; " : "",
               vss_value_get_string(answer, "level", ""));
        printf("%lld new, %lld changed, %lld unmodified; %s added, %s stored\n",
               (long long)NUMBER("files-new"), (long long)NUMBER("files-changed"),
               (long long)NUMBER("files-unmodified"), format_size(NUMBER("bytes-added"), added),
               format_size(NUMBER("bytes-stored"), stored));
#undef NUMBER
}
