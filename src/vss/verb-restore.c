/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss restore: the files of a point, below a directory or where they were
 */

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/utf8.h"
#include "vss/output.h"
#include "vss/point.h"
#include "vss/restore.h"
#include "vss/run-log.h"
#include "vss/size.h"
#include "vss/verb.h"

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

static const char *fate_name(ExtractFate fate) {
        static const char *const names[] = { [EXTRACT_MADE] = "make",
                                             [EXTRACT_REPLACED] = "replace",
                                             [EXTRACT_SET] = "set",
                                             [EXTRACT_LEFT] = "leave" };

        return names[fate];
}

static void planned(void *userdata, const char *path, const Node *node, ExtractFate fate) {
        Restore *restore = userdata;
        vss_value *entry;
        _cleanup_(freep) char *name = strdup(path);
        char size[SIZE_TEXT];

        if (!restore->cli->json) {
                printf("%-8s%12s  ", fate_name(fate),
                       node->type == NODE_FILE ? format_size((int64_t)node->size, size) : "-");
                print_text(stdout, path);
                (void)putchar('\n');
                return;
        }
        entry = vss_value_new_dict();
        if (!entry || !name || vss_value_set_string(entry, "path", text_make_utf8(name)) < 0 ||
            vss_value_set_string(entry, "type", node_type_name(node->type)) < 0 ||
            vss_value_set_string(entry, "fate", fate_name(fate)) < 0 ||
            vss_value_set_integer(entry, "size", (int64_t)node->size) < 0)
                vss_value_free(entry);
        else
                (void)vss_value_append(restore->planned, entry);
}

static void short_of_room(void *userdata, uint64_t needed, uint64_t room) {
        const Restore *restore = userdata;
        char text[SIZE_TEXT], free_text[SIZE_TEXT];

        cli_note("%s: there may be too little room: up to %s are written, and %s are free",
                 restore->target ?: "/", format_size((int64_t)needed, text),
                 format_size((int64_t)room, free_text));
}

static bool show_progress(void *userdata, const ExtractCounts *counts, const char *path) {
        Restore *restore = userdata;

        /* What would be done is said line by line. */
        if (restore->dry_run && !restore->cli->json)
                return interrupt_pending();
        return progress_update(&restore->progress,
                               restore->counts.files + counts->files + counts->left,
                               restore->counts.bytes + counts->bytes + counts->bytes_left,
                               restore->component, path);
}

/* ---- the report ---- */

static int answer_json(Restore *restore, const Snapshot *point) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        const ExtractCounts *counts = &restore->counts;
        const struct {
                const char *key;
                uint64_t value;
        } numbers[] = {
                { "files", counts->files },           { "directories", counts->directories },
                { "others", counts->others },         { "bytes", counts->bytes },
                { "replaced", counts->replaced },     { "left", counts->left },
                { "bytes-left", counts->bytes_left }, { "kept", counts->kept },
                { "verified", counts->verified },     { "elapsed-usec", now_usec() - restore->since }
        };
        char id[BLOB_ID_TEXT];

        FOREACH_ELEMENT (number, numbers)
                if (vss_value_set_integer(value, number->key, (int64_t)number->value) < 0)
                        return cli_out_of_memory(restore->cli);
        if (vss_value_set_string(value, "point", blob_id_text(&point->id, id)) < 0 ||
            vss_value_set_boolean(value, "dry-run", restore->dry_run) < 0 ||
            vss_value_set(value, "failed", vss_value_copy(restore->failed)) < 0 ||
            (restore->writers.n > 0 &&
             vss_value_set(value, "components", vss_value_copy(restore->components)) < 0) ||
            (restore->dry_run && vss_value_set(value, "entries", vss_value_copy(restore->planned)) < 0))
                return cli_out_of_memory(restore->cli);
        return progress_answer(&restore->progress, value);
}

/* What the history has of it. */
static vss_value *summarize(Restore *restore) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();

        if (vss_value_set_integer(value, "files", (int64_t)restore->counts.files) < 0 ||
            vss_value_set_integer(value, "bytes", (int64_t)restore->counts.bytes) < 0 ||
            (*restore->point_text && vss_value_set_string(value, "point", restore->point_text) < 0) ||
            vss_value_set(value, "failed", vss_value_copy(restore->failed)) < 0)
                return NULL;
        return TAKE_PTR(value);
}

static int report(Restore *restore, const Snapshot *point) {
        const ExtractCounts *counts = &restore->counts;
        char id[BLOB_ID_TEXT], size[SIZE_TEXT], took[DURATION_SIZE];

        if (restore->cli->json)
                return answer_json(restore, point);
        printf("point %.8s %s %s%s: %llu file%s, %s, in %s\n", blob_id_text(&point->id, id),
               restore->dry_run ? "would be restored" : "restored",
               restore->original ? "where its files were" : "below ", restore->target ?: "",
               (unsigned long long)counts->files, PLURAL(counts->files),
               format_size((int64_t)counts->bytes, size),
               format_duration((int64_t)(now_usec() - restore->since), took));
        if (counts->left > 0 || counts->replaced > 0)
                printf("%llu replaced what was there; %llu %s there already, %s%s\n",
                       (unsigned long long)counts->replaced, (unsigned long long)counts->left,
                       counts->left == 1 ? "was" : "were", format_size((int64_t)counts->bytes_left, size),
                       counts->kept > 0 ? ", and stay as they are" : "");
        if (restore->verify && !restore->dry_run)
                printf("%llu read again and found as in the point, %s\n",
                       (unsigned long long)counts->verified,
                       format_size((int64_t)counts->bytes_verified, size));
        return EXIT_DONE;
}

/* ---- files ---- */

/* Directories are open while anything in them is not done. */
static void raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

int restore_open_target(Restore *restore, int *ret_fd) {
        const char *target = restore->original ? "/" : restore->target;
        int fd;

        if (!restore->original && !restore->dry_run && mkdir(target, 0700) < 0 && errno != EEXIST)
                return cli_error(restore->cli, VSS_E_ACCESSDENIED, target, "cannot be made: %s",
                                 strerror(errno));
        fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* A dry run looks at what is there, and there is nothing in what is not. */
        if (fd < 0 && errno == ENOENT && restore->dry_run) {
                restore->target_missing = true;
                fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0)
                return cli_error(restore->cli, VSS_E_ACCESSDENIED, target, "cannot be opened: %s",
                                 strerror(errno));
        *ret_fd = fd;
        return EXIT_DONE;
}

static bool is_everything(const char *const *paths) {
        return strspn(paths[0], "/") == strlen(paths[0]);
}

ExtractOptions restore_extract_options(Restore *restore) {
        return (ExtractOptions){
                .overwrite = restore->overwrite,
                .dry_run = restore->dry_run,
                .verify = restore->verify,
                .target_missing = restore->target_missing,
                .told = told,
                .planned = planned,
                .short_of_room = short_of_room,
                .progress = show_progress,
                .userdata = restore,
        };
}

/* The paths that it was made of; to be freed. NULL without memory. */
static const char **list_roots(const Snapshot *point) {
        const char **roots = calloc(point->paths.n + 1, sizeof(*roots));
        size_t n = 0;

        for (size_t i = 0; roots && i < point->paths.n; i++)
                if (*point->paths.items[i] == '/')
                        roots[n++] = point->paths.items[i];
        return roots;
}

static int extract(Restore *restore, const char *const *paths) {
        _cleanup_(freep) const char **roots = list_roots(restore->point);
        _cleanup_(closep) int fd = -1;
        const Snapshot *point = restore->point;
        ExtractOptions options;
        Why why = {};
        int status = restore_open_target(restore, &fd), r;

        if (!roots)
                return cli_out_of_memory(restore->cli);
        if (status != EXIT_DONE)
                return status;
        options = restore_extract_options(restore);
        options.paths = paths;
        options.roots = roots;
        options.hidden = RESTORE_HIDDEN;
        options.target_fd = fd;
        options.expected = is_everything(paths) && point->summary.there ? point->summary.total_bytes : 0;
        if (options.expected > 0)
                progress_expect(&restore->progress, point->summary.total_files, point->summary.total_bytes);
        r = extract_run(restore->repo, &point->tree, &options, &why, &restore->counts);
        return r < 0 ? cli_fail_repository(restore->cli, r, &why) : EXIT_DONE;
}

/* ---- points on top of each other ---- */

static const char *tag_value(const Snapshot *point, const char *prefix) {
        size_t n = strlen(prefix);

        for (size_t i = 0; i < point->tags.n; i++)
                if (strncmp(point->tags.items[i], prefix, n) == 0)
                        return point->tags.items[i] + n;
        return NULL;
}

static bool is_log(const Snapshot *point) {
        const char *type = tag_value(point, "vss-type:");

        return type && strcmp(type, "log") == 0;
}

/* Does the point stand on @base, and come before @last? */
static bool is_between(const Snapshot *point, const Snapshot *last, const char *base) {
        const char *own = tag_value(point, "vss-base:");

        return is_log(point) && own && strcmp(own, base) == 0 &&
               strcmp(point->hostname, last->hostname) == 0 &&
               (point->time.tv_sec < last->time.tv_sec ||
                (point->time.tv_sec == last->time.tv_sec && point->time.tv_nsec < last->time.tv_nsec));
}

static int restore_one(Restore *restore, const Snapshot *point, bool additional) {
        char id[BLOB_ID_TEXT];

        restore->point = point;
        if (additional && !restore->cli->json)
                printf("point %.8s first, which others stand on\n", blob_id_text(&point->id, id));
        return restore_components(restore, additional);
}

/* A point of logs holds what was written since: what it stands on comes first, and those in between. */
static int restore_chain(Restore *restore, const SnapshotList *points) {
        const Snapshot *last = restore->point, *first;
        const char *base = is_log(last) ? tag_value(last, "vss-base:") : NULL;
        Why why = {};
        int status;

        if (!base || !restore->original)
                return restore_one(restore, last, false);
        first = snapshot_list_find(points, base, &why);
        if (!first)
                return cli_error_remedy(
                        restore->cli, VSS_E_OBJECT_NOT_FOUND, base,
                        "Restore another point; this one's files can be looked at with --target.",
                        "the point holds logs only, and the full one that they belong to is not there");
        status = restore_one(restore, first, true);
        for (size_t i = 0; status == EXIT_DONE && !restore->partly && i < points->n; i++)
                if (is_between(&points->items[i], last, base))
                        status = restore_one(restore, &points->items[i], true);
        if (status == EXIT_DONE && restore->partly && !restore->dry_run)
                return cli_error(
                        restore->cli, VSS_E_BAD_STATE, NULL,
                        "what the point stands on could not be restored wholly, so its logs are not");
        return status == EXIT_DONE ? restore_one(restore, last, false) : status;
}

static int open_point(Restore *restore, const char *name, SnapshotList *points, RepoLock **ret_lock) {
        Why why = {};
        int status = cli_open_repository_itself(restore->cli, &restore->repo_args, &restore->repo);

        if (status == EXIT_DONE)
                status = cli_lock_repository(restore->cli, restore->repo, false, NULL, ret_lock);
        if (status == EXIT_DONE)
                status = cli_load_points(restore->cli, restore->repo, points);
        if (status != EXIT_DONE)
                return status;
        restore->point = snapshot_list_find(points, name, &why);
        if (!restore->point)
                return cli_fail_repository(restore->cli, -ENOENT, &why);
        point_note_ahead(restore->point, name);
        (void)blob_id_text(&restore->point->id, restore->point_text);
        return cli_load_index(restore->cli, restore->repo);
}

static int run(Restore *restore, int argc, char **argv) {
        static const char *const everything[] = { "/", NULL };
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        _cleanup_snapshots_ SnapshotList points = {};
        int status = open_point(restore, argv[0], &points, &lock);

        if (status != EXIT_DONE)
                return status;
        raise_limit();
        progress_begin(&restore->progress, restore->cli, "restoring");
        status = restore->writers.n > 0
                         ? restore_chain(restore, &points)
                         : extract(restore, argc > 1 ? (const char *const *)argv + 1 : everything);
        progress_end(&restore->progress);
        cli_note_unnamed(restore->repo);
        if (status == EXIT_DONE)
                status = report(restore, restore->point);
        if (status == EXIT_DONE && restore->counts.errors > 0)
                cli_note("%llu problem%s; named above", (unsigned long long)restore->counts.errors,
                         PLURAL(restore->counts.errors));
        return status == EXIT_DONE && (restore->counts.errors > 0 || restore->partly) ? EXIT_PARTLY : status;
}

/* ---- the command line ---- */

static int check_args(Restore *restore, const char *overwrite, int argc, char **argv) {
        Cli *cli = restore->cli;

        if (argc < 1)
                return cli_usage(cli, "name a point, or 'latest'");
        if (restore->target && restore->original)
                return cli_usage(cli, "--target and --original: the files can go to one place only");
        if (!restore->target && !restore->original)
                return cli_usage(
                        cli,
                        "say where the files go: --target DIRECTORY, or --original for where they were");
        for (int i = 1; i < argc; i++)
                if (argv[i][0] != '/')
                        return cli_usage(cli, "'%s': paths of a point are absolute", argv[i]);
        for (size_t i = 0; i < restore->options.n; i++)
                if (!strchr(restore->options.items[i], '='))
                        return cli_usage(cli, "--option %s: NAME=VALUE", restore->options.items[i]);
        for (size_t i = 0; i < restore->new_targets.n; i++)
                if (!strstr(restore->new_targets.items[i], "=/"))
                        return cli_usage(cli, "--new-target %s: PATH=DIRECTORY",
                                         restore->new_targets.items[i]);
        if (restore->writers.n > 0 && argc > 1)
                return cli_usage(
                        cli,
                        "--writer and paths: what belongs to writers and what does not are restored one "
                        "after the other");
        if (restore->writers.n == 0 &&
            (restore->options.n > 0 || restore->new_targets.n > 0 || restore->staging))
                return cli_usage(
                        cli,
                        "--option, --new-target and --staging are about components: name them by --writer");
        if (!overwrite || strcmp(overwrite, "changed") == 0)
                restore->overwrite = EXTRACT_CHANGED;
        else if (strcmp(overwrite, "always") == 0)
                restore->overwrite = EXTRACT_ALWAYS;
        else if (strcmp(overwrite, "never") == 0)
                restore->overwrite = EXTRACT_NEVER;
        else
                return cli_usage(cli, "--overwrite %s: always, changed or never", overwrite);
        return EXIT_DONE;
}

int verb_restore(Cli *cli, int argc, char **argv) {
        Restore restore = { .cli = cli, .since = now_usec() };
        const char *overwrite = NULL;
        const Option options[] = {
                REPO_OPTIONS(&restore.repo_args),
                OPTION("target", OPTION_TEXT, "DIRECTORY", "where the files go, each with its whole path",
                       &restore.target),
                OPTION("original", OPTION_FLAG, NULL, "put the files where they were", &restore.original),
                OPTION("overwrite", OPTION_TEXT, "WHAT",
                       "replace what is there: always, changed (default: of another size or time), never",
                       &overwrite),
                OPTION("dry-run", OPTION_FLAG, NULL, "only say what would be made, replaced and left",
                       &restore.dry_run),
                OPTION("verify", OPTION_FLAG, NULL,
                       "compare what is there by its content, and read what was written again",
                       &restore.verify),
                OPTION("writer", OPTION_LIST, "NAME[:/PATH]",
                       "restore this writer's components, or one of them; may be given again",
                       &restore.writers),
                OPTION("option", OPTION_LIST, "NAME=VALUE",
                       "a restore option for the writers; may be given again", &restore.options),
                OPTION("new-target", OPTION_LIST, "PATH=DIRECTORY",
                       "put the file sets of this path there, if their writer takes that",
                       &restore.new_targets),
                OPTION("staging", OPTION_TEXT, "DIRECTORY",
                       "where files go that can only be put in place at the next start", &restore.staging),
                OPTION("without-writers", OPTION_FLAG, NULL, "restore components by their documents alone",
                       &restore.without_writers),
                OPTION("trust-documents", OPTION_FLAG, NULL,
                       "also to places that no writer and no descriptor vouches for",
                       &restore.trust_documents),
        };
        vss_value *answer;
        RunLog log = {};
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        status = check_args(&restore, overwrite, argc - index, argv + index);
        if (status != EXIT_DONE)
                return status;
        restore.failed = vss_value_new_list();
        restore.planned = vss_value_new_list();
        restore.components = vss_value_new_list();
        if (!restore.dry_run)
                run_log_begin(&log, cli, "restore", restore.repo_args.repository);
        status = run(&restore, argc - index, argv + index);
        answer = summarize(&restore);
        run_log_end(&log, answer, status);
        vss_value_free(answer);
        restore.repo = repo_free(restore.repo);
        vss_value_free(restore.failed);
        vss_value_free(restore.planned);
        vss_value_free(restore.components);
        strings_clear(&restore.writers);
        strings_clear(&restore.options);
        strings_clear(&restore.new_targets);
        return status;
}
