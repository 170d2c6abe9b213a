/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss points: what can be restored from a repository
 */

#include <string.h>
#include "vss/output.h"
#include "vss/repository.h"
#include "vss/size.h"
#include "vss/verb.h"

typedef struct PointFilter {
        const char *host, *path, *tag;
} PointFilter;

static bool has_string(const SnapshotStrings *strings, const char *wanted) {
        for (size_t i = 0; i < strings->n; i++)
                if (strcmp(strings->items[i], wanted) == 0)
                        return true;
        return false;
}

static bool is_shown(const Snapshot *point, const PointFilter *filter) {
        return (!filter->host || strcmp(filter->host, point->hostname) == 0) &&
               (!filter->path || has_string(&point->paths, filter->path)) &&
               (!filter->tag || has_string(&point->tags, filter->tag));
}

/* Joined by blanks, for a column. */
static char *join(const SnapshotStrings *strings) {
        _cleanup_bytes_ Bytes text = {};

        for (size_t i = 0; i < strings->n; i++)
                if ((i > 0 && bytes_append(&text, " ", 1) < 0) ||
                    bytes_append_text(&text, strings->items[i]) < 0)
                        return NULL;
        return bytes_append(&text, "", 1) < 0 ? NULL : (char *)TAKE_PTR(text.data);
}

static int show(Cli *cli, const SnapshotList *points, const PointFilter *filter) {
        Table table = {};

        table_add(&table, "POINT", "TIME", "HOST", "SIZE", "PATHS", "TAGS", NULL);
        for (size_t i = 0; i < points->n; i++) {
                const Snapshot *point = &points->items[i];
                _cleanup_(freep) char *paths = join(&point->paths), *tags = join(&point->tags);
                char id[BLOB_ID_TEXT], size[SIZE_TEXT], date[DATE_SIZE];

                if (!is_shown(point, filter))
                        continue;
                blob_id_text(&point->id, id);
                id[8] = '\0';
                table_add(&table, id, format_date((int64_t)point->time.tv_sec * 1000000, date),
                          point->hostname,
                          format_size(point->summary.there ? (int64_t)point->summary.total_bytes : -1, size),
                          paths ?: "", tags ?: "", NULL);
        }
        table_print(&table, stdout);
        table_clear(&table);
        return EXIT_DONE;
}

static int print(Cli *cli, const SnapshotList *points, const PointFilter *filter) {
        _cleanup_value_ vss_value *answer = vss_value_new_dict();
        vss_value *list = value_require(answer, "points", VSS_KIND_LIST);

        for (size_t i = 0; list && i < points->n; i++)
                if (is_shown(&points->items[i], filter) &&
                    vss_value_append(list, point_to_value(&points->items[i])) < 0)
                        return cli_out_of_memory(cli);
        return list ? cli_print_json(cli, answer, false) : cli_out_of_memory(cli);
}

int verb_points(Cli *cli, int argc, char **argv) {
        RepoArgs args = {};
        PointFilter filter = {};
        const Option options[] = {
                REPO_OPTIONS(&args),
                OPTION("host", OPTION_TEXT, "NAME", "only those of this machine", &filter.host),
                OPTION("path", OPTION_TEXT, "PATH", "only those of this path", &filter.path),
                OPTION("tag", OPTION_TEXT, "TAG", "only those with this tag", &filter.tag),
        };
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_snapshots_ SnapshotList points = {};
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc > index)
                return cli_usage(cli, "'%s' is one word too many", argv[index]);
        status = cli_open_repository(cli, &args, &repo);
        if (status == EXIT_DONE)
                status = cli_load_points(cli, repo, &points);
        if (status != EXIT_DONE)
                return status;
        return cli->json ? print(cli, &points, &filter) : show(cli, &points, &filter);
}
