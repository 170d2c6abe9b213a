/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss backup: directories into a repository
 */

#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include "config.h"
#include "repository/archive.h"
#include "util/clock.h"
#include "util/utf8.h"
#include "vss/output.h"
#include "vss/progress.h"
#include "vss/repository.h"
#include "vss/size.h"
#include "vss/verb.h"

typedef struct BackupArgs {
        RepoArgs repo;
        const char *vss, *host, *compression;
        Strings tags, excludes;
        bool all_device_ids, force;
        Strings paths; /* as they are in the tree */
        char **exclude_list;
        ArchivePath *path_list;
} BackupArgs;

typedef struct Run {
        Cli *cli;
        const BackupArgs *args;
        Repository *repo;
        RepoLock *lock;
        Store *store;
        SnapshotList points;
        const Snapshot *parent;
        ArchiveCounts counts;
        StoreCounts stored;
        struct timespec begun;
        uint64_t since;
        Progress progress;
        vss_value *problems, *mount_points;
        BlobId point;
} Run;

static void told(void *userdata, const char *path, int error, const char *what) {
        Run *run = userdata;
        vss_value *entry = vss_value_new_dict();
        _cleanup_(freep) char *name = strdup(path);

        if (error < 0)
                cli_note("%s: %s: %s", path, what, strerror(-error));
        else
                cli_note("%s: %s", path, what);
        if (!entry || !name || vss_value_set_string(entry, "path", text_make_utf8(name)) < 0 ||
            vss_value_set_string(entry, "message", error < 0 ? strerror(-error) : what) < 0) {
                vss_value_free(entry);
                return;
        }
        (void)vss_value_append(error < 0 ? run->problems : run->mount_points, entry);
}

static bool show_progress(void *userdata, const ArchiveCounts *counts, const char *path) {
        Run *run = userdata;

        return progress_update(&run->progress, counts->files, counts->bytes, NULL, path);
}

static bool same_paths(const Snapshot *point, const Strings *paths) {
        for (size_t i = 0; i < paths->n; i++) {
                bool found = false;

                for (size_t j = 0; j < point->paths.n; j++)
                        found |= strcmp(point->paths.items[j], paths->items[i]) == 0;
                if (!found)
                        return false;
        }
        return point->paths.n == paths->n;
}

static const Snapshot *choose_parent(const SnapshotList *points, const char *host, const Strings *paths) {
        for (size_t i = points->n; i > 0; i--)
                if (strcmp(points->items[i - 1].hostname, host) == 0 &&
                    same_paths(&points->items[i - 1], paths))
                        return &points->items[i - 1];
        return NULL;
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

                real = directory ? realpath(directory, NULL) : NULL;
                if (real && asprintf(&joined, "%s%s%s", real, strcmp(real, "/") == 0 ? "" : "/", name) < 0)
                        joined = NULL;
                if (joined && access(joined, F_OK) < 0 && errno == ENOENT) {
                        char target[1];

                        if (readlink(joined, target, sizeof(target)) < 0)
                                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, path,
                                                 "there is no such file or directory");
                }
        }
        if (!joined)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, path, "%s", strerror(errno));
        return strings_add_once(paths, joined) < 0 ? cli_out_of_memory(cli) : EXIT_DONE;
}

static int level_of(const char *name) {
        static const struct {
                const char *name;
                int level;
        } levels[] = {
                { "off", COMPRESS_OFF }, { "fastest", 1 }, { "default", 3 }, { "better", 7 }, { "max", 15 }
        };

        if (!name)
                return COMPRESS_DEFAULT;
        FOREACH_ELEMENT (level, levels)
                if (strcmp(level->name, name) == 0)
                        return level->level;
        return -1;
}

/* Each directory on the way to the walker's place, and each that is not done, is open. */
static void raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static int fill_point(const Run *run, const BlobId *tree, Snapshot *point) {
        const ArchiveCounts *counts = &run->counts;
        struct passwd *user = getpwuid(geteuid());
        int r = 0;

        point->time = run->begun;
        point->tree = *tree;
        point->hostname = run->args->host;
        point->username = user ? user->pw_name : "";
        point->uid = getuid();
        point->gid = getgid();
        point->program = "linuxvss " LINUXVSS_VERSION;
        point->has_parent = run->parent;
        if (run->parent)
                point->parent = run->parent->id;
        for (size_t i = 0; r == 0 && i < run->args->paths.n; i++)
                r = snapshot_add_string(point, &point->paths, run->args->paths.items[i]);
        for (size_t i = 0; r == 0 && i < run->args->tags.n; i++)
                r = snapshot_add_string(point, &point->tags, run->args->tags.items[i]);
        for (size_t i = 0; r == 0 && i < run->args->excludes.n; i++)
                r = snapshot_add_string(point, &point->excludes, run->args->excludes.items[i]);
        point->summary = (SnapshotSummary){
                .there = true,
                .start = run->begun,
                .files_new = counts->files_new,
                .files_changed = counts->files_changed,
                .files_unmodified = counts->files_unmodified,
                .dirs_new = counts->dirs_new,
                .dirs_changed = counts->dirs_changed,
                .dirs_unmodified = counts->dirs_unmodified,
                .data_blobs = run->stored.data_blobs,
                .tree_blobs = run->stored.tree_blobs,
                .data_added = run->stored.added,
                .data_added_packed = run->stored.stored,
                .total_files = counts->files,
                .total_bytes = counts->bytes,
        };
        (void)clock_gettime(CLOCK_REALTIME, &point->summary.end);
        return r;
}

static int save_point(Run *run, const BlobId *tree, Why *why) {
        _cleanup_snapshot_ Snapshot point = {};
        _cleanup_bytes_ Bytes text = {};
        int r = fill_point(run, tree, &point);

        if (r == 0)
                r = snapshot_encode(&point, &text);
        if (r == 0)
                r = repo_lock_check(run->lock, why);
        return r < 0 ? r : repo_save_file(run->repo, STORE_SNAPSHOT, text.data, text.size, &run->point, why);
}

static int archive(Run *run) {
        const ArchiveOptions options = {
                .paths = run->args->path_list,
                .n_paths = run->args->paths.n,
                .excludes = (const char *const *)run->args->exclude_list,
                .parent = run->parent,
                .all_device_ids = run->args->all_device_ids,
                .told = told,
                .progress = show_progress,
                .userdata = run,
        };
        Why why = {}, finish_why = {};
        BlobId tree;
        int r, finished;

        progress_begin(&run->progress, run->cli, "backup");
        if (run->parent && run->parent->summary.there)
                progress_expect(&run->progress, run->parent->summary.total_files, run->parent->summary.total_bytes);
        r = archive_run(run->repo, run->store, &options, &why, &tree, &run->counts);
        /* What was uploaded is of use to the next run, whatever became of this one. */
        progress_step(&run->progress, "finishing");
        finished = store_finish(run->store, &finish_why);
        if (finished < 0 && r != -ECANCELED) {
                r = finished;
                why = finish_why;
        }
        store_get_counts(run->store, &run->stored);
        if (r == 0)
                r = save_point(run, &tree, &why);
        progress_end(&run->progress);
        return r < 0 ? cli_fail_repository(run->cli, r, &why) : EXIT_DONE;
}

static int prepare(Run *run) {
        StoreOptions options = { .level = level_of(run->args->compression) };
        Salvage salvage = {};
        bool settle = false;
        Why why = {};
        int status = cli_lock_repository(run->cli, run->repo, false, &settle, &run->lock), r;

        if (status == EXIT_DONE)
                status = cli_load_points(run->cli, run->repo, &run->points);
        if (status != EXIT_DONE)
                return status;
        if (!run->args->force)
                run->parent = choose_parent(&run->points, run->args->host, &run->args->paths);
        status = cli_load_index(run->cli, run->repo);
        if (status != EXIT_DONE)
                return status;
        r = store_new(run->repo, run->lock, &options, &why, &run->store);
        if (r == 0 && settle)
                r = store_salvage(run->store, &why, &salvage);
        if (salvage.taken > 0)
                cli_note("%zu packs that were in no index are used: a run did not end, or an index was lost",
                         salvage.taken);
        if (salvage.lost > 0)
                cli_note("%zu packs are missing or cut off: what was in them is stored again where it is found; "
                         "vss verify --repository says what is lost",
                         salvage.lost);
        return r < 0 ? cli_fail_repository(run->cli, r, &why) : EXIT_DONE;
}

static int answer(Run *run) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        const ArchiveCounts *counts = &run->counts;
        char id[BLOB_ID_TEXT];

        if (run->parent && vss_value_set_string(value, "parent", blob_id_text(&run->parent->id, id)) < 0)
                return cli_out_of_memory(run->cli);
        if (vss_value_set_string(value, "point", blob_id_text(&run->point, id)) < 0 ||
            vss_value_set_integer(value, "files", (int64_t)counts->files) < 0 ||
            vss_value_set_integer(value, "files-new", (int64_t)counts->files_new) < 0 ||
            vss_value_set_integer(value, "files-changed", (int64_t)counts->files_changed) < 0 ||
            vss_value_set_integer(value, "files-unmodified", (int64_t)counts->files_unmodified) < 0 ||
            vss_value_set_integer(value, "bytes", (int64_t)counts->bytes) < 0 ||
            vss_value_set_integer(value, "bytes-added", (int64_t)run->stored.added) < 0 ||
            vss_value_set_integer(value, "bytes-stored", (int64_t)run->stored.stored) < 0 ||
            vss_value_set_integer(value, "data-blobs", (int64_t)run->stored.data_blobs) < 0 ||
            vss_value_set_integer(value, "tree-blobs", (int64_t)run->stored.tree_blobs) < 0 ||
            vss_value_set_integer(value, "elapsed-usec", (int64_t)(now_usec() - run->since)) < 0 ||
            vss_value_set(value, "failed", vss_value_copy(run->problems)) < 0 ||
            vss_value_set(value, "mount-points", vss_value_copy(run->mount_points)) < 0)
                return cli_out_of_memory(run->cli);
        return progress_answer(&run->progress, value);
}

static int report(Run *run) {
        const ArchiveCounts *counts = &run->counts;
        char id[BLOB_ID_TEXT], size[SIZE_TEXT], added[SIZE_TEXT], stored[SIZE_TEXT], took[DURATION_SIZE];

        if (run->cli->json)
                return answer(run);
        printf("point %.8s: %llu files, %s, in %s\n", blob_id_text(&run->point, id),
               (unsigned long long)counts->files, format_size((int64_t)counts->bytes, size),
               format_duration((int64_t)(now_usec() - run->since), took));
        printf("%llu new, %llu changed, %llu unmodified; %s added, %s stored\n",
               (unsigned long long)counts->files_new, (unsigned long long)counts->files_changed,
               (unsigned long long)counts->files_unmodified, format_size((int64_t)run->stored.added, added),
               format_size((int64_t)run->stored.stored, stored));
        return EXIT_DONE;
}

static int run_backup(Cli *cli, const BackupArgs *args) {
        Run run = { .cli = cli, .args = args, .since = now_usec() };
        int status;

        (void)clock_gettime(CLOCK_REALTIME, &run.begun);
        raise_limit();
        run.problems = vss_value_new_list();
        run.mount_points = vss_value_new_list();
        status = cli_open_repository(cli, &args->repo, &run.repo);
        if (status == EXIT_DONE)
                status = prepare(&run);
        if (status == EXIT_DONE)
                status = archive(&run);
        run.store = store_free(run.store);
        run.lock = repo_unlock(run.lock);
        if (status == EXIT_DONE)
                status = report(&run);
        if (status == EXIT_DONE && run.counts.errors > 0) {
                cli_note("%llu files or directories are not in the point; they are named above",
                         (unsigned long long)run.counts.errors);
                status = EXIT_PARTLY;
        }
        snapshot_list_clear(&run.points);
        run.repo = repo_free(run.repo);
        vss_value_free(run.problems);
        vss_value_free(run.mount_points);
        return status;
}

/* NULL-terminated lists, as the archiver wants them. */
static int make_lists(BackupArgs *args) {
        args->path_list = calloc(args->paths.n + 1, sizeof(*args->path_list));
        args->exclude_list = calloc(args->excludes.n + 1, sizeof(*args->exclude_list));
        if (!args->path_list || !args->exclude_list)
                return -ENOMEM;
        for (size_t i = 0; i < args->paths.n; i++)
                args->path_list[i] = (ArchivePath){ .path = args->paths.items[i] };
        for (size_t i = 0; i < args->excludes.n; i++)
                args->exclude_list[i] = args->excludes.items[i];
        return 0;
}

static int check_args(Cli *cli, const BackupArgs *args) {
        if (!args->vss || (strcmp(args->vss, "off") != 0 && strcmp(args->vss, "auto") != 0 &&
                           strcmp(args->vss, "required") != 0))
                return cli_usage(cli, "say --vss off: files are read as they are. To read a shadow copy: "
                                      "vss exec PATH -- vss backup --vss off PATH");
        if (strcmp(args->vss, "off") != 0)
                return cli_usage(
                        cli,
                        "--vss %s: only --vss off is there; vss exec runs a command that sees shadow copies",
                        args->vss);
        if (args->compression && level_of(args->compression) < 0)
                return cli_usage(cli, "--compression: off, fastest, default, better or max");
        return EXIT_DONE;
}

int verb_backup(Cli *cli, int argc, char **argv) {
        BackupArgs args = {};
        const Option options[] = {
                REPO_OPTIONS(&args.repo),
                OPTION("vss", OPTION_TEXT, "off", "read the files as they are, without shadow copies",
                       &args.vss),
                OPTION("tag", OPTION_LIST, "TAG", "marks the point; may be given again", &args.tags),
                OPTION("exclude", OPTION_LIST, "PATTERN",
                       "a shell pattern of names, or with a slash of paths; may be given again",
                       &args.excludes),
                OPTION("host", OPTION_TEXT, "NAME", "the name of the machine; default: its own", &args.host),
                OPTION("compression", OPTION_TEXT, "LEVEL", "off, fastest, default, better or max",
                       &args.compression),
                OPTION("force", OPTION_FLAG, NULL, "read all files, also those that have not changed",
                       &args.force),
                OPTION("all-device-ids", OPTION_FLAG, NULL,
                       "write the device's number for every file, as restic does: trees are then the same "
                       "as its",
                       &args.all_device_ids),
        };
        char host[HOST_NAME_MAX + 1] = "";
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index >= 0) {
                status = argc > index ? check_args(cli, &args) : cli_usage(cli, "name files or directories");
                for (; status == EXIT_DONE && index < argc; index++)
                        status = resolve(cli, argv[index], &args.paths);
                (void)gethostname(host, sizeof(host) - 1);
                args.host = args.host ?: host;
                if (status == EXIT_DONE)
                        status = make_lists(&args) < 0 ? cli_out_of_memory(cli) : run_backup(cli, &args);
        }
        strings_clear(&args.paths);
        strings_clear(&args.tags);
        strings_clear(&args.excludes);
        free(args.path_list);
        free(args.exclude_list);
        return status;
}
