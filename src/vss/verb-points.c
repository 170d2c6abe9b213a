/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss points: what can be restored from a repository
 *
 * Points themselves say when, of whom, which paths, and by their tags which type and task. How consistent
 * one is, and whether all went well, stands in a file of its tree: it is read where that is asked for.
 */

#include <string.h>
#include "vss/output.h"
#include "vss/point.h"
#include "vss/size.h"
#include "vss/verb.h"

typedef struct Points {
        Cli *cli;
        Repository *repo;
        SnapshotList list;
        bool *shown;
        vss_value **runs; /* of each point, where asked for and there is one */
        bool full;
} Points;

/* Joined by blanks, for a column. */
static char *join(const SnapshotStrings *strings, bool without_ours) {
        _cleanup_bytes_ Bytes text = {};

        for (size_t i = 0; i < strings->n; i++) {
                if (without_ours && point_tag_is_ours(strings->items[i]))
                        continue;
                if ((text.size > 0 && bytes_append(&text, " ", 1) < 0) ||
                    bytes_append_text(&text, strings->items[i]) < 0)
                        return NULL;
        }
        return bytes_append(&text, "", 1) < 0 ? NULL : (char *)TAKE_PTR(text.data);
}

static int read_runs(Points *points) {
        Why why = {};
        int r = repo_load_index(points->repo, NULL, NULL, &why);

        for (size_t i = 0; r == 0 && i < points->list.n; i++) {
                if (interrupt_pending())
                        return cli_fail(points->cli, VSS_S_ASYNC_CANCELLED);
                if (!points->shown[i])
                        continue;
                r = point_load_run(points->repo, &points->list.items[i], &points->runs[i], &why);
                if (r == -ENOENT)
                        r = 0; /* it was made without, or by another program */
                else if (r == -EBADMSG) {
                        cli_note("%s", why.text);
                        r = 0;
                }
        }
        return r < 0 ? cli_fail_repository(points->cli, r, &why) : EXIT_DONE;
}

static void add_row(const Points *points, size_t i, Table *table) {
        const Snapshot *point = &points->list.items[i];
        const SnapshotSummary *summary = &point->summary;
        const vss_value *run = points->runs[i];
        _cleanup_(freep) char *paths = join(&point->paths, false), *tags = join(&point->tags, true);
        char id[BLOB_ID_TEXT], size[SIZE_TEXT], stored[SIZE_TEXT], date[DATE_SIZE];

        blob_id_text(&point->id, id);
        id[8] = '\0';
        (void)format_date((int64_t)point->time.tv_sec * 1000000, date);
        (void)format_size(summary->there ? (int64_t)summary->total_bytes : -1, size);
        (void)format_size(summary->there ? (int64_t)summary->data_added_packed : -1, stored);
        if (points->full)
                table_add(table, id, date, point->hostname, point_tag(point, TAG_TYPE) ?: "",
                          run ? vss_value_get_string(run, "level", "") : "",
                          run ? point_run_result(run) : "", size, stored, point_tag(point, TAG_TASK) ?: "",
                          paths ?: "", tags ?: "", NULL);
        else
                table_add(table, id, date, point->hostname, point_tag(point, TAG_TYPE) ?: "", size, stored,
                          point_tag(point, TAG_TASK) ?: "", paths ?: "", tags ?: "", NULL);
}

static int show(const Points *points) {
        Table table = {};

        if (points->full)
                table_add(&table, "POINT", "TIME", "HOST", "TYPE", "LEVEL", "RESULT", "SIZE", "STORED",
                          "TASK", "PATHS", "TAGS", NULL);
        else
                table_add(&table, "POINT", "TIME", "HOST", "TYPE", "SIZE", "STORED", "TASK", "PATHS", "TAGS",
                          NULL);
        for (size_t i = 0; i < points->list.n; i++)
                if (points->shown[i])
                        add_row(points, i, &table);
        table_print(&table, stdout);
        table_clear(&table);
        return EXIT_DONE;
}

static int print(const Points *points) {
        _cleanup_value_ vss_value *answer = vss_value_new_dict();
        vss_value *list = value_require(answer, "points", VSS_KIND_LIST);

        for (size_t i = 0; list && i < points->list.n; i++) {
                vss_value *point = points->shown[i] ? point_to_value(&points->list.items[i]) : NULL;

                if (!points->shown[i])
                        continue;
                if (point && points->runs[i] &&
                    vss_value_set(point, "run", vss_value_copy(points->runs[i])) < 0) {
                        vss_value_free(point);
                        point = NULL;
                }
                if (vss_value_append(list, point) < 0)
                        return cli_out_of_memory(points->cli);
        }
        return list ? cli_print_json(points->cli, answer, false) : cli_out_of_memory(points->cli);
}

static int run(Points *points, const PointFilter *filter) {
        int status = cli_load_points(points->cli, points->repo, &points->list);

        if (status != EXIT_DONE)
                return status;
        points->shown = calloc(points->list.n + 1, sizeof(*points->shown));
        points->runs = calloc(points->list.n + 1, sizeof(*points->runs));
        if (!points->shown || !points->runs)
                return cli_out_of_memory(points->cli);
        points_choose(&points->list, filter, points->shown);
        if (points->full)
                status = read_runs(points);
        if (status != EXIT_DONE)
                return status;
        return points->cli->json ? print(points) : show(points);
}

int verb_points(Cli *cli, int argc, char **argv) {
        RepoArgs args = {};
        PointFilter filter = {};
        Points points = { .cli = cli };
        const Option options[] = {
                REPO_OPTIONS(&args),
                POINT_FILTER_OPTIONS(&filter),
                OPTION_RANGE("latest", OPTION_NUMBER, "N", "only the last N of each machine, paths and task",
                             &filter.latest, 1, UINT32_MAX),
                OPTION("long", OPTION_FLAG, NULL, "also how consistent each is, and how its backup ended",
                       &points.full),
        };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc > index)
                return cli_usage(cli, "'%s' is one word too many", argv[index]);
        status = point_filter_check(cli, &filter);
        if (status == EXIT_DONE)
                status = cli_open_repository(cli, &args, &points.repo);
        if (status == EXIT_DONE)
                status = run(&points, &filter);
        for (size_t i = 0; points.runs && i < points.list.n; i++)
                vss_value_free(points.runs[i]);
        free(points.runs);
        free(points.shown);
        snapshot_list_clear(&points.list);
        points.repo = repo_free(points.repo);
        return status;
}
