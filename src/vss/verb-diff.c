/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss diff: what differs between two points
 *
 * What is found is printed at once, with --json as lines of type "change" before one of type "summary":
 * nothing grows with the points.
 */

#include <inttypes.h>
#include <string.h>
#include "repository/tree-diff.h"
#include "vss/output.h"
#include "vss/point.h"
#include "vss/progress.h"
#include "vss/size.h"
#include "vss/verb.h"

typedef struct DiffRun {
        Cli *cli;
        RepoArgs repo_args;
        bool summary;
        Progress progress;
} DiffRun;

static const struct {
        unsigned what;
        const char *name;
} changes[] = {
        { DIFF_TYPE, "type" },     { DIFF_CONTENT, "content" }, { DIFF_SIZE, "size" },
        { DIFF_MODE, "mode" },     { DIFF_OWNER, "owner" },     { DIFF_TIME, "time" },
        { DIFF_XATTRS, "xattrs" }, { DIFF_TARGET, "target" },   { DIFF_DEVICE, "device" },
};

static const char *const kinds[] = {
        [DIFF_ADDED] = "added",
        [DIFF_REMOVED] = "removed",
        [DIFF_CHANGED] = "changed",
};

static int add_node(vss_value *entry, const char *key, const Node *node) {
        vss_value *value = node ? value_require(entry, key, VSS_KIND_DICT) : NULL;
        char mode[8];

        if (!node)
                return 0;
        (void)snprintf(mode, sizeof(mode), "%04o", node->mode & 07777u);
        return !value || vss_value_set_string(value, "type", node_type_name(node->type)) < 0 ||
                               vss_value_set_string(value, "mode", mode) < 0 ||
                               vss_value_set_integer(value, "uid", node->uid) < 0 ||
                               vss_value_set_integer(value, "gid", node->gid) < 0 ||
                               vss_value_set_integer(value, "size", (int64_t)node->size) < 0 ||
                               point_set_time(value, "modified", &node->mtime) < 0
                       ? -ENOMEM
                       : 0;
}

static int print_json(DiffRun *run, DiffKind kind, const char *path, const Node *before, const Node *after,
                      unsigned what) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        vss_value *list = value_require(entry, "what", VSS_KIND_LIST);
        int r = list ? 0 : -ENOMEM;

        FOREACH_ELEMENT (change, changes)
                if (r == 0 && what & change->what && value_append_string(list, change->name) < 0)
                        r = -ENOMEM;
        if (r == 0 && (vss_value_set_string(entry, "type", "change") < 0 ||
                       vss_value_set_string(entry, "kind", kinds[kind]) < 0 ||
                       vss_value_set_string(entry, "path", path) < 0))
                r = -ENOMEM;
        if (r == 0)
                r = add_node(entry, "before", before);
        if (r == 0)
                r = add_node(entry, "after", after);
        if (r < 0)
                return r;
        run->cli->json_lines = true;
        return cli_print_json(run->cli, entry, true) == EXIT_DONE ? 0 : -EIO;
}

/* "content, size 12 B -> 1.0 KiB, mode 0644 -> 0600" */
static void print_what(const Node *before, const Node *after, unsigned what) {
        char a[SIZE_TEXT], b[SIZE_TEXT];
        const char *between = "  ";

        FOREACH_ELEMENT (change, changes) {
                if (!(what & change->what))
                        continue;
                printf("%s%s", between, change->name);
                between = ", ";
                if (change->what == DIFF_TYPE)
                        printf(" %s -> %s", node_type_name(before->type), node_type_name(after->type));
                if (change->what == DIFF_SIZE)
                        printf(" %s -> %s", format_size((int64_t)before->size, a),
                               format_size((int64_t)after->size, b));
                if (change->what == DIFF_MODE)
                        printf(" %04o -> %04o", before->mode & 07777u, after->mode & 07777u);
                if (change->what == DIFF_OWNER)
                        printf(" %u:%u -> %u:%u", before->uid, before->gid, after->uid, after->gid);
                if (change->what == DIFF_TARGET) {
                        (void)putchar(' ');
                        print_text(stdout, before->target ?: "");
                        fputs(" -> ", stdout);
                        print_text(stdout, after->target ?: "");
                }
        }
}

static int found(void *userdata, DiffKind kind, const char *path, const Node *before, const Node *after,
                 unsigned what) {
        DiffRun *run = userdata;
        const Node *node = after ?: before;
        char size[SIZE_TEXT];

        if (run->summary)
                return 0;
        if (run->cli->json)
                return print_json(run, kind, path, before, after, what);
        progress_clear();
        printf("%c  ", "+-M"[kind]);
        print_text(stdout, path);
        if (node->type == NODE_DIR)
                (void)putchar('/');
        if (kind == DIFF_CHANGED)
                print_what(before, after, what);
        else if (node->type == NODE_FILE)
                printf("  %s", format_size((int64_t)node->size, size));
        (void)putchar('\n');
        return ferror(stdout) ? -EIO : 0;
}

static void told(void *userdata, const char *path, const char *what) {
        cli_note("%s: %s", path, what);
}

static bool show_progress(void *userdata, const DiffCounts *counts, const char *path) {
        DiffRun *run = userdata;

        return progress_update(&run->progress, counts->trees, 0, NULL, path);
}

static int report(DiffRun *run, const DiffCounts *counts, const Snapshot *before, const Snapshot *after) {
        _cleanup_value_ vss_value *value = NULL;
        char added[SIZE_TEXT], removed[SIZE_TEXT], changed[SIZE_TEXT], id[BLOB_ID_TEXT];

        if (!run->cli->json) {
                printf("%" PRIu64 " added (%s), %" PRIu64 " removed (%s), %" PRIu64
                       " changed (%s with other content)\n",
                       counts->added, format_size((int64_t)counts->bytes_added, added), counts->removed,
                       format_size((int64_t)counts->bytes_removed, removed), counts->changed,
                       format_size((int64_t)counts->bytes_changed, changed));
                return EXIT_DONE;
        }
        value = vss_value_new_dict();
        if (vss_value_set_string(value, "before", blob_id_text(&before->id, id)) < 0 ||
            vss_value_set_string(value, "after", blob_id_text(&after->id, id)) < 0 ||
            vss_value_set_integer(value, "added", (int64_t)counts->added) < 0 ||
            vss_value_set_integer(value, "removed", (int64_t)counts->removed) < 0 ||
            vss_value_set_integer(value, "changed", (int64_t)counts->changed) < 0 ||
            vss_value_set_integer(value, "bytes-added", (int64_t)counts->bytes_added) < 0 ||
            vss_value_set_integer(value, "bytes-removed", (int64_t)counts->bytes_removed) < 0 ||
            vss_value_set_integer(value, "bytes-changed", (int64_t)counts->bytes_changed) < 0)
                return cli_out_of_memory(run->cli);
        run->cli->json_lines = true;
        return progress_answer(&run->progress, value);
}

static int compare(DiffRun *run, Repository *repo, const Snapshot *before, const Snapshot *after,
                   const char *const *paths) {
        const DiffOptions options = {
                .paths = paths,
                .passed_over = POINT_BACKUP_DIRECTORY,
                .found = found,
                .told = told,
                .progress = show_progress,
                .userdata = run,
        };
        DiffCounts counts;
        Why why = {};
        int r, status;

        progress_begin(&run->progress, run->cli, "comparing");
        run->progress.view.noun = "directories";
        r = repo_load_index(repo, NULL, NULL, &why);
        if (r == 0)
                r = tree_diff(repo, &before->tree, &after->tree, &options, &why, &counts);
        progress_end(&run->progress);
        if (r == -EIO && ferror(stdout))
                return EXIT_FAILED; /* cli_finish() says why */
        if (r < 0)
                return cli_fail_repository(run->cli, r, &why);
        status = report(run, &counts, before, after);
        if (status != EXIT_DONE || counts.errors == 0)
                return status;
        cli_note("%" PRIu64 " directories could not be compared; they are named above", counts.errors);
        return EXIT_PARTLY;
}

int verb_diff(Cli *cli, int argc, char **argv) {
        DiffRun run = { .cli = cli };
        const Option options[] = {
                REPO_OPTIONS(&run.repo_args),
                OPTION("summary", OPTION_FLAG, NULL, "only the sums", &run.summary),
        };
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_snapshots_ SnapshotList points = {};
        const Snapshot *before, *after = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);
        Why why = {};

        if (index < 0)
                return status;
        if (argc - index < 2)
                return cli_usage(cli, "name two points, the older one first");
        for (int i = index + 2; i < argc; i++)
                if (argv[i][0] != '/')
                        return cli_usage(cli, "'%s': paths of a point are absolute", argv[i]);
        status = cli_open_repository(cli, &run.repo_args, &repo);
        if (status == EXIT_DONE)
                status = cli_load_points(cli, repo, &points);
        if (status != EXIT_DONE)
                return status;
        before = snapshot_list_find(&points, argv[index], &why);
        if (before)
                after = snapshot_list_find(&points, argv[index + 1], &why);
        if (!after)
                return cli_fail_repository(cli, -ENOENT, &why);
        point_note_ahead(before, argv[index]);
        point_note_ahead(after, argv[index + 1]);
        return compare(&run, repo, before, after, (const char *const *)argv + index + 2);
}
