/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss forget: points that are not wanted any more
 */

#include <string.h>
#include "vss/output.h"
#include "vss/retention.h"
#include "vss/verb.h"

typedef struct Forget {
        Cli *cli;
        RepoArgs repo_args;
        Retention retention;
        const char *within, *group_by;
        Strings keep_tags;
        bool dry_run;
        Repository *repo;
        SnapshotList points;
        Decision *decisions; /* of each point */
        char **names;        /* of points to be removed */
        int n_names;
} Forget;

static int choose_by_rules(Forget *forget) {
        return retention_choose(&forget->retention, &forget->points, forget->decisions) < 0
                       ? cli_out_of_memory(forget->cli)
                       : EXIT_DONE;
}

static int choose_by_name(Forget *forget) {
        for (int i = 0; i < forget->n_names; i++) {
                Why why = {};
                const Snapshot *point = snapshot_list_find(&forget->points, forget->names[i], &why);

                if (!point)
                        return cli_fail_repository(forget->cli, -ENOENT, &why);
                forget->decisions[point - forget->points.items].forget = true;
        }
        retention_keep_bases(&forget->points, forget->decisions);
        return EXIT_DONE;
}

static int answer(const Forget *forget) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        vss_value *kept = value_require(value, "kept", VSS_KIND_LIST),
                  *removed = value_require(value, "forgotten", VSS_KIND_LIST);

        if (!kept || !removed || vss_value_set_boolean(value, "dry-run", forget->dry_run) < 0)
                return cli_out_of_memory(forget->cli);
        for (size_t i = 0; i < forget->points.n; i++) {
                const Decision *decision = &forget->decisions[i];
                vss_value *point = point_to_value(&forget->points.items[i]);
                char id[BLOB_ID_TEXT];

                if ((point && decision->needed_by &&
                     vss_value_set_string(point, "needed-by", blob_id_text(&decision->needed_by->id, id)) <
                             0) ||
                    (point && decision->ahead && vss_value_set_boolean(point, "ahead", true) < 0) ||
                    vss_value_append(decision->forget ? removed : kept, point) < 0)
                        return cli_out_of_memory(forget->cli);
        }
        return cli_print_json(forget->cli, value, false);
}

static void print_point(const char *what, const Snapshot *point, const Snapshot *needed_by) {
        char id[BLOB_ID_TEXT], other[BLOB_ID_TEXT], date[DATE_SIZE];

        printf("%s point %.8s of %s", what, blob_id_text(&point->id, id),
               format_date((int64_t)point->time.tv_sec * 1000000, date));
        if (needed_by)
                printf(": the log point %.8s cannot be restored without it",
                       blob_id_text(&needed_by->id, other));
        (void)putchar('\n');
}

static int report(const Forget *forget) {
        size_t kept = 0, removed = 0;

        retention_note_ahead(&forget->points, forget->decisions);
        if (forget->cli->json)
                return answer(forget);
        for (size_t i = 0; i < forget->points.n; i++) {
                const Decision *decision = &forget->decisions[i];

                kept += !decision->forget;
                removed += decision->forget;
                if (decision->forget)
                        print_point(forget->dry_run ? "would forget" : "forgot", &forget->points.items[i],
                                    NULL);
                else if (decision->needed_by)
                        print_point("kept", &forget->points.items[i], decision->needed_by);
        }
        printf("%zu %s, %zu kept\n", removed, forget->dry_run ? "would be forgotten" : "forgotten", kept);
        if (removed > 0 && !forget->dry_run)
                printf("What only these needed still takes room; restic prune gives it back.\n");
        return EXIT_DONE;
}

/* What was asked for by name and is needed stays, which is less than was asked for. */
static int judge(const Forget *forget) {
        for (size_t i = 0; forget->n_names > 0 && i < forget->points.n; i++)
                if (forget->decisions[i].needed_by) {
                        cli_note("points that others need are kept: forget these together with them");
                        return EXIT_PARTLY;
                }
        return EXIT_DONE;
}

static int run(Forget *forget) {
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        int status = cli_lock_repository(forget->cli, forget->repo, !forget->dry_run, NULL, &lock);

        if (status == EXIT_DONE)
                status = cli_load_points(forget->cli, forget->repo, &forget->points);
        if (status != EXIT_DONE)
                return status;
        forget->decisions = calloc(forget->points.n + 1, sizeof(*forget->decisions));
        if (!forget->decisions)
                return cli_out_of_memory(forget->cli);
        status = forget->n_names > 0 ? choose_by_name(forget) : choose_by_rules(forget);
        if (status == EXIT_DONE && !forget->dry_run)
                status = retention_apply(forget->cli, forget->repo, lock, &forget->points,
                                         forget->decisions);
        if (status == EXIT_DONE)
                status = report(forget);
        return status == EXIT_DONE ? judge(forget) : status;
}

static int check(Forget *forget) {
        Retention *retention = &forget->retention;

        if (forget->within && keep_parse_within(forget->within, &retention->rules) < 0)
                return cli_usage(forget->cli, "--keep-within: '%s' is no duration like 1y6m, 30d or 12h",
                                 forget->within);
        retention->group_by = GROUP_DEFAULT;
        if (forget->group_by && retention_parse_groups(forget->group_by, &retention->group_by) < 0 &&
            strcmp(forget->group_by, "none") != 0)
                return cli_usage(forget->cli,
                                 "--group-by: '%s' is neither host, paths and tags, with commas, nor none",
                                 forget->group_by);
        if (forget->group_by && strcmp(forget->group_by, "none") == 0)
                retention->group_by = 0;
        if (forget->n_names > 0 && !keep_is_empty(&retention->rules))
                return cli_usage(forget->cli, "name points, or say what is kept: not both");
        if (forget->n_names == 0 && keep_is_empty(&retention->rules))
                return cli_usage(forget->cli, "name points, or say what is kept, with --keep-...");
        if (forget->n_names > 0 && !point_filter_is_empty(&retention->filter))
                return cli_usage(forget->cli,
                                 "--hostname, --path, --tag, --type and --task go with rules, not with points");
        return point_filter_check(forget->cli, &retention->filter);
}

int verb_forget(Cli *cli, int argc, char **argv) {
        Forget forget = { .cli = cli };
        KeepRules *rules = &forget.retention.rules;
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
                POINT_FILTER_OPTIONS(&forget.retention.filter),
                OPTION("group-by", OPTION_TEXT, "WHAT",
                       "host,paths,tags or none: what the points have in common that a rule looks at",
                       &forget.group_by),
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
        free(forget.decisions);
        forget.repo = repo_free(forget.repo);
        strings_clear(&forget.keep_tags);
        return status;
}
