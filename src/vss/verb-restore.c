/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss restore: the files of a point, below a directory
 */

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "repository/extract.h"
#include "util/clock.h"
#include "util/utf8.h"
#include "vss/output.h"
#include "vss/progress.h"
#include "vss/repository.h"
#include "vss/size.h"
#include "vss/verb.h"

typedef struct Restore {
        Cli *cli;
        RepoArgs repo_args;
        const char *target;
        uint64_t since;
        Progress progress;
        vss_value *failed;
        ExtractCounts counts;
} Restore;

static void told(void *userdata, const char *path, const char *what) {
        Restore *restore = userdata;
        vss_value *entry = vss_value_new_dict();
        _cleanup_(freep) char *name = strdup(path), *text = strdup(what);

        cli_note("%s: %s", path, what);
        if (!entry || !name || !text || vss_value_set_string(entry, "path", text_make_utf8(name)) < 0 ||
            vss_value_set_string(entry, "message", text_make_utf8(text)) < 0)
                vss_value_free(entry);
        else
                (void)vss_value_append(restore->failed, entry);
}

static bool show_progress(void *userdata, const ExtractCounts *counts, const char *path) {
        Restore *restore = userdata;

        return progress_update(&restore->progress, counts->files, counts->bytes, NULL, path);
}

static int report(Restore *restore, const Snapshot *point) {
        const ExtractCounts *counts = &restore->counts;
        char id[BLOB_ID_TEXT], size[SIZE_TEXT], took[DURATION_SIZE];
        _cleanup_value_ vss_value *answer = NULL;

        if (!restore->cli->json) {
                printf("point %.8s restored below %s: %llu files, %s, in %s\n", blob_id_text(&point->id, id),
                       restore->target, (unsigned long long)counts->files,
                       format_size((int64_t)counts->bytes, size),
                       format_duration((int64_t)(now_usec() - restore->since), took));
                return EXIT_DONE;
        }
        answer = vss_value_new_dict();
        if (vss_value_set_string(answer, "point", blob_id_text(&point->id, id)) < 0 ||
            vss_value_set_integer(answer, "files", (int64_t)counts->files) < 0 ||
            vss_value_set_integer(answer, "directories", (int64_t)counts->directories) < 0 ||
            vss_value_set_integer(answer, "others", (int64_t)counts->others) < 0 ||
            vss_value_set_integer(answer, "bytes", (int64_t)counts->bytes) < 0 ||
            vss_value_set_integer(answer, "elapsed-usec", (int64_t)(now_usec() - restore->since)) < 0 ||
            vss_value_set(answer, "failed", vss_value_copy(restore->failed)) < 0)
                return cli_out_of_memory(restore->cli);
        return progress_answer(&restore->progress, answer);
}

/* Directories are open while anything in them is not done. */
static void raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static int extract(Restore *restore, Repository *repo, const Snapshot *point, const char *const *paths) {
        _cleanup_(closep) int fd = -1;
        ExtractOptions options = {
                .paths = paths, .told = told, .progress = show_progress, .userdata = restore
        };
        Why why = {};
        int r;

        if (mkdir(restore->target, 0700) < 0 && errno != EEXIST)
                return cli_error(restore->cli, VSS_E_ACCESSDENIED, restore->target, "cannot be made: %s",
                                 strerror(errno));
        fd = open(restore->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return cli_error(restore->cli, VSS_E_ACCESSDENIED, restore->target, "cannot be opened: %s",
                                 strerror(errno));
        raise_limit();
        options.target_fd = fd;
        if (cli_load_index(restore->cli, repo) != EXIT_DONE)
                return EXIT_FAILED;
        progress_begin(&restore->progress, restore->cli, "restoring");
        if (strcmp(paths[0], "/") == 0 && point->summary.there)
                progress_expect(&restore->progress, point->summary.total_files, point->summary.total_bytes);
        r = extract_run(repo, &point->tree, &options, &why, &restore->counts);
        progress_end(&restore->progress);
        cli_note_unnamed(repo);
        if (r < 0)
                return cli_fail_repository(restore->cli, r, &why);
        return report(restore, point);
}

static int run(Restore *restore, int argc, char **argv) {
        static const char *const everything[] = { "/", NULL };
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        _cleanup_snapshots_ SnapshotList points = {};
        const Snapshot *point;
        Why why = {};
        int status = cli_open_repository(restore->cli, &restore->repo_args, &repo);

        if (status == EXIT_DONE)
                status = cli_lock_repository(restore->cli, repo, false, NULL, &lock);
        if (status == EXIT_DONE)
                status = cli_load_points(restore->cli, repo, &points);
        if (status != EXIT_DONE)
                return status;
        point = snapshot_list_find(&points, argv[0], &why);
        if (!point)
                return cli_fail_repository(restore->cli, -ENOENT, &why);
        status = extract(restore, repo, point, argc > 1 ? (const char *const *)argv + 1 : everything);
        if (status == EXIT_DONE && restore->counts.errors > 0) {
                cli_note("%llu problems; they are named above", (unsigned long long)restore->counts.errors);
                status = EXIT_PARTLY;
        }
        return status;
}

int verb_restore(Cli *cli, int argc, char **argv) {
        Restore restore = { .cli = cli, .since = now_usec() };
        const Option options[] = {
                REPO_OPTIONS(&restore.repo_args),
                OPTION("target", OPTION_TEXT, "DIRECTORY", "where the files go, each with its whole path",
                       &restore.target),
        };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index < 1)
                return cli_usage(cli, "name a point, or 'latest'");
        if (!restore.target)
                return cli_usage(cli, "name the directory that the files go to: --target");
        for (int i = index + 1; i < argc; i++)
                if (argv[i][0] != '/')
                        return cli_usage(cli, "'%s': paths of a point are absolute", argv[i]);
        restore.failed = vss_value_new_list();
        status = run(&restore, argc - index, argv + index);
        vss_value_free(restore.failed);
        return status;
}
