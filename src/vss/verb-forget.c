/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss forget: points that are not wanted any more
 */

#include <string.h>
#include "repository/keep.h"
#include "vss/output.h"
#include "vss/repository.h"
#include "vss/verb.h"

typedef struct Forget {
        Cli *cli;
        RepoArgs repo_args;
        KeepRules rules;
        const char *within, *host, *path, *tag;
        Strings keep_tags;
        bool dry_run;
        Repository *repo;
        SnapshotList points;
        bool *remove; /* of each point */
        char **names; /* of points to be removed */
        int n_names;
} Forget;

static bool has_string(const SnapshotStrings *strings, const char *wanted) {
        for (size_t i = 0; i < strings->n; i++)
                if (strcmp(strings->items[i], wanted) == 0)
                        return true;
        return false;
}

static bool is_considered(const Forget *forget, const Snapshot *point) {
        return (!forget->host || strcmp(forget->host, point->hostname) == 0) &&
               (!forget->path || has_string(&point->paths, forget->path)) &&
               (!forget->tag || has_string(&point->tags, forget->tag));
}

/* The group of the @i-th point, the newest first, if it is the newest of its group. */
static int apply_group(Forget *forget, size_t newest, bool *done) {
        SnapshotList *points = &forget->points;
        _cleanup_(freep) const Snapshot **group = calloc(points->n, sizeof(*group));
        _cleanup_(freep) bool *keep = calloc(points->n, sizeof(*keep));
        size_t n = 0;

        if (!group || !keep)
                return -ENOMEM;
        for (size_t i = newest + 1; i > 0; i--)
                if (!done[i - 1] && is_considered(forget, &points->items[i - 1]) &&
                    keep_is_same_group(&points->items[newest], &points->items[i - 1])) {
                        group[n++] = &points->items[i - 1];
                        done[i - 1] = true;
                }
        keep_apply(&forget->rules, group, n, keep);
        for (size_t i = 0; i < n; i++)
                forget->remove[group[i] - points->items] = !keep[i];
        return 0;
}

static int choose_by_rules(Forget *forget) {
        _cleanup_(freep) bool *done = calloc(forget->points.n + 1, sizeof(*done));

        if (!done)
                return cli_out_of_memory(forget->cli);
        for (size_t i = forget->points.n; i > 0; i--)
                if (!done[i - 1] && is_considered(forget, &forget->points.items[i - 1]) &&
                    apply_group(forget, i - 1, done) < 0)
                        return cli_out_of_memory(forget->cli);
        return EXIT_DONE;
}

static int choose_by_name(Forget *forget) {
        for (int i = 0; i < forget->n_names; i++) {
                Why why = {};
                const Snapshot *point = snapshot_list_find(&forget->points, forget->names[i], &why);

                if (!point)
                        return cli_fail_repository(forget->cli, -ENOENT, &why);
                forget->remove[point - forget->points.items] = true;
        }
        return EXIT_DONE;
}

static int remove_points(Forget *forget, RepoLock *lock) {
        Backend *backend = forget->repo->backend;

        for (size_t i = 0; i < forget->points.n; i++) {
                Why why = {};
                int r = 0;

                if (!forget->remove[i])
                        continue;
                if (interrupt_pending())
                        return cli_fail(forget->cli, VSS_S_ASYNC_CANCELLED);
                r = repo_lock_check(lock, &why);
                if (r == 0)
                        r = backend->ops->remove(backend, STORE_SNAPSHOT, &forget->points.items[i].id, &why);
                if (r < 0)
                        return cli_fail_repository(forget->cli, r, &why);
        }
        return EXIT_DONE;
}

static int answer(const Forget *forget) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        vss_value *kept = value_require(value, "kept", VSS_KIND_LIST),
                  *removed = value_require(value, "forgotten", VSS_KIND_LIST);

        if (!kept || !removed || vss_value_set_boolean(value, "dry-run", forget->dry_run) < 0)
                return cli_out_of_memory(forget->cli);
        for (size_t i = 0; i < forget->points.n; i++)
                if (vss_value_append(forget->remove[i] ? removed : kept,
                                     point_to_value(&forget->points.items[i])) < 0)
                        return cli_out_of_memory(forget->cli);
        return cli_print_json(forget->cli, value, false);
}

static int report(const Forget *forget) {
        size_t kept = 0, removed = 0;

        if (forget->cli->json)
                return answer(forget);
        for (size_t i = 0; i < forget->points.n; i++) {
                const Snapshot *point = &forget->points.items[i];
                char id[BLOB_ID_TEXT], date[DATE_SIZE];

                kept += !forget->remove[i];
                removed += forget->remove[i];
                if (forget->remove[i])
                        printf("%s point %.8s of %s\n", forget->dry_run ? "would forget" : "forgot",
                               blob_id_text(&point->id, id),
                               format_date((int64_t)point->time.tv_sec * 1000000, date));
        }
        printf("%zu %s, %zu kept\n", removed, forget->dry_run ? "would be forgotten" : "forgotten", kept);
        if (removed > 0 && !forget->dry_run)
                printf("What only these needed still takes room; restic prune gives it back.\n");
        return EXIT_DONE;
}

static int run(Forget *forget) {
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        int status = cli_lock_repository(forget->cli, forget->repo, !forget->dry_run, NULL, &lock);

        if (status == EXIT_DONE)
                status = cli_load_points(forget->cli, forget->repo, &forget->points);
        if (status != EXIT_DONE)
                return status;
        forget->remove = calloc(forget->points.n + 1, sizeof(*forget->remove));
        if (!forget->remove)
                return cli_out_of_memory(forget->cli);
        status = forget->n_names > 0 ? choose_by_name(forget) : choose_by_rules(forget);
        if (status == EXIT_DONE && !forget->dry_run)
                status = remove_points(forget, lock);
        return status == EXIT_DONE ? report(forget) : status;
}

static int check(Forget *forget) {
        if (forget->within && keep_parse_within(forget->within, &forget->rules) < 0)
                return cli_usage(forget->cli, "--keep-within: '%s' is no duration like 1y6m, 30d or 12h",
                                 forget->within);
        if (forget->n_names > 0 && !keep_is_empty(&forget->rules))
                return cli_usage(forget->cli, "name points, or say what is kept: not both");
        if (forget->n_names == 0 && keep_is_empty(&forget->rules))
                return cli_usage(forget->cli, "name points, or say what is kept, with --keep-...");
        if (forget->n_names > 0 && (forget->host || forget->path || forget->tag))
                return cli_usage(forget->cli, "--host, --path and --tag go with rules, not with points");
        return EXIT_DONE;
}

int verb_forget(Cli *cli, int argc, char **argv) {
        Forget forget = { .cli = cli };
        KeepRules *rules = &forget.rules;
        const Option options[] = {
                REPO_OPTIONS(&forget.repo_args),
                OPTION_RANGE("keep-last", OPTION_NUMBER, "N", "keep the last N points", &rules->last, 1,
                             UINT32_MAX - 1),
                OPTION_RANGE("keep-hourly", OPTION_NUMBER, "N", "keep the newest of each of N hours",
                             &rules->hourly, 1, UINT32_MAX - 1),
                OPTION_RANGE("keep-daily", OPTION_NUMBER, "N", "keep the newest of each of N days",
                             &rules->daily, 1, UINT32_MAX - 1),
                OPTION_RANGE("keep-weekly", OPTION_NUMBER, "N", "keep the newest of each of N weeks",
                             &rules->weekly, 1, UINT32_MAX - 1),
                OPTION_RANGE("keep-monthly", OPTION_NUMBER, "N", "keep the newest of each of N months",
                             &rules->monthly, 1, UINT32_MAX - 1),
                OPTION_RANGE("keep-yearly", OPTION_NUMBER, "N", "keep the newest of each of N years",
                             &rules->yearly, 1, UINT32_MAX - 1),
                OPTION("keep-within", OPTION_TEXT, "DURATION",
                       "keep what is younger than the newest by less: 1y6m, 30d, 12h", &forget.within),
                OPTION("keep-tag", OPTION_LIST, "TAG", "keep what has this tag; may be given again",
                       &forget.keep_tags),
                OPTION("host", OPTION_TEXT, "NAME", "look only at points of this machine", &forget.host),
                OPTION("path", OPTION_TEXT, "PATH", "look only at points of this path", &forget.path),
                OPTION("tag", OPTION_TEXT, "TAG", "look only at points with this tag", &forget.tag),
                OPTION("dry-run", OPTION_FLAG, NULL, "only say what would be forgotten", &forget.dry_run),
        };
        _cleanup_(freep) const char **tags = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index >= 0) {
                forget.names = argv + index;
                forget.n_names = argc - index;
                tags = calloc(forget.keep_tags.n + 1, sizeof(*tags));
                for (size_t i = 0; tags && i < forget.keep_tags.n; i++)
                        tags[i] = forget.keep_tags.items[i];
                rules->tags = tags;
                status = tags ? check(&forget) : cli_out_of_memory(cli);
                if (status == EXIT_DONE)
                        status = cli_open_repository(cli, &forget.repo_args, &forget.repo);
                if (status == EXIT_DONE)
                        status = run(&forget);
        }
        snapshot_list_clear(&forget.points);
        free(forget.remove);
        forget.repo = repo_free(forget.repo);
        strings_clear(&forget.keep_tags);
        return status;
}
