/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss history: what became of backups and restores, of tasks and others
 */

#include <string.h>
#include "tasks/catalog.h"
#include "vss/output.h"
#include "vss/options.h"
#include "vss/size.h"
#include "vss/verb.h"

#define LAST_DEFAULT 20u
#define ID_SHOWN 8

typedef struct History {
        Cli *cli;
        CatalogFilter filter;
        uint32_t number, last;
        bool errors;
} History;

static void add_row(Table *table, const vss_value *run) {
        int64_t begin = vss_value_get_integer(run, "begin-usec", 0),
                end = vss_value_get_integer(run, "end-usec", 0);
        const char *task = vss_value_get_string(run, "task", "");
        char number[24], date[DATE_SIZE], took[DURATION_SIZE], size[SIZE_TEXT], stored[SIZE_TEXT],
                point[ID_SHOWN + 1];

        (void)snprintf(number, sizeof(number), "%lld", (long long)vss_value_get_integer(run, "run", 0));
        (void)snprintf(point, sizeof(point), "%.*s", ID_SHOWN, vss_value_get_string(run, "point", ""));
        table_add(table, number, *task ? task : "-", vss_value_get_string(run, "backup-type", ""),
                  format_date(begin, date), format_duration(end > 0 ? end - begin : -1, took),
                  vss_value_get_string(run, "result", ""), vss_value_get_string(run, "level", ""),
                  format_size(vss_value_get_integer(run, "bytes", -1), size),
                  format_size(vss_value_get_integer(run, "bytes-stored", -1), stored), point, NULL);
}

static void print_errors(const vss_value *run) {
        const vss_value *errors = vss_value_get(run, "errors");
        const char *message = vss_value_get_string(run, "message", ""),
                   *task = vss_value_get_string(run, "task", "");

        if (!*message && vss_value_count(errors) == 0)
                return;
        printf("\nrun %lld%s%s:\n", (long long)vss_value_get_integer(run, "run", 0), *task ? " of " : "",
               task);
        /* It is the first of them, if there are any. */
        if (vss_value_count(errors) == 0) {
                printf("  ");
                print_text(stdout, message);
                (void)putchar('\n');
        }
        for (size_t i = 0; i < vss_value_count(errors); i++) {
                const vss_value *error = vss_value_at(errors, i);
                const char *path = vss_value_get_string(error, "path", "");

                printf("  ");
                print_text(stdout, path);
                printf("%s", *path ? ": " : "");
                print_text(stdout, vss_value_get_string(error, "message", ""));
                (void)putchar('\n');
        }
}

static void show(const History *history, const vss_value *runs) {
        Table table = {};

        if (vss_value_count(runs) == 0) {
                printf("There is no such run.\n");
                return;
        }
        table_add(&table, "RUN", "TASK", "TYPE", "BEGUN", "TOOK", "RESULT", "LEVEL", "SIZE", "STORED",
                  "POINT", NULL);
        for (size_t i = 0; i < vss_value_count(runs); i++)
                add_row(&table, vss_value_at(runs, i));
        table_print(&table, stdout);
        table_clear(&table);
        for (size_t i = 0; history->errors && i < vss_value_count(runs); i++)
                print_errors(vss_value_at(runs, i));
}

static int read_runs(const History *history, const char *path, vss_value **ret_runs) {
        _cleanup_(catalog_closep) Catalog *catalog = NULL;
        Why why = {};
        int r = catalog_open_reader(path, &why, &catalog);

        /* Nothing has been run yet. */
        if (r == -ENOENT) {
                *ret_runs = vss_value_new_list();
                return *ret_runs ? EXIT_DONE : cli_out_of_memory(history->cli);
        }
        if (r == 0)
                r = catalog_list(catalog, &history->filter, &why, ret_runs);
        if (r == 0)
                return EXIT_DONE;
        return cli_error_remedy(
                history->cli, r == -EACCES ? VSS_E_ACCESSDENIED : VSS_E_UNEXPECTED, NULL,
                r == -EBADMSG
                        ? "The next run sets it aside and begins a new one; no backup is touched by that."
                        : NULL,
                "%s", *why.text ? why.text : strerror(-r));
}

int verb_history(Cli *cli, int argc, char **argv) {
        History history = { .cli = cli, .last = LAST_DEFAULT };
        const Option options[] = {
                OPTION_RANGE("last", OPTION_NUMBER, "N", "the last N runs; default: 20; 0: all",
                             &history.last, 0, INT32_MAX),
                OPTION("not-done", OPTION_FLAG, NULL, "only runs that were not done wholly",
                       &history.filter.not_done),
                OPTION_RANGE("run", OPTION_NUMBER, "NUMBER", "only this one, with its errors",
                             &history.number, 1, UINT32_MAX),
                OPTION("errors", OPTION_FLAG, NULL, "with what failed, by name", &history.errors),
        };
        _cleanup_(freep) char *path = NULL;
        _cleanup_value_ vss_value *runs = NULL, *answer = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index > 1)
                return cli_usage(cli, "'%s' is one word too many", argv[index + 1]);
        history.filter.task = argc > index ? argv[index] : NULL;
        history.filter.number = history.number;
        history.filter.last = history.last;
        history.errors |= history.number > 0;
        path = catalog_path();
        if (!path)
                return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, NULL,
                                 "there is no home directory to keep a history in");
        status = read_runs(&history, path, &runs);
        if (status != EXIT_DONE)
                return status;
        if (!cli->json) {
                show(&history, runs);
                return EXIT_DONE;
        }
        answer = vss_value_new_dict();
        if (vss_value_set(answer, "runs", TAKE_PTR(runs)) < 0)
                return cli_out_of_memory(cli);
        return cli_print_json(cli, answer, false);
}
