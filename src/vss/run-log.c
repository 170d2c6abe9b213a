/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs of backups and restores, for the history
 */

#include <string.h>
#include "tasks/catalog.h"
#include "vss/run-log.h"

const char *run_result_name(int status) {
        return status == EXIT_DONE     ? "done"
               : status == EXIT_PARTLY ? "partly"
               : status > 128          ? "interrupted"
                                       : "failed";
}

static int copy_member(vss_value *to, const vss_value *from, const char *key) {
        const vss_value *value = vss_value_get(from, key);

        return value && vss_value_set(to, key, vss_value_copy(value)) < 0 ? -ENOMEM : 0;
}

/* What has failed as a whole stands before the files that have. */
static int add_errors(vss_value *outcome, const vss_value *errors, const vss_value *failed) {
        vss_value *list = value_require(outcome, "errors", VSS_KIND_LIST);

        for (size_t i = 0; list && i < vss_value_count(errors); i++) {
                const vss_value *error = vss_value_at(errors, i);
                _cleanup_value_ vss_value *entry = vss_value_new_dict();
                const char *message = vss_value_get_string(error, "message", "");

                if (vss_value_set_string(entry, "path", vss_value_get_string(error, "culprit", "")) < 0 ||
                    vss_value_set_string(entry, "message", message) < 0 ||
                    (i == 0 && vss_value_set_string(outcome, "message", message) < 0) ||
                    vss_value_append(list, TAKE_PTR(entry)) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; list && i < vss_value_count(failed); i++)
                if (vss_value_append(list, vss_value_copy(vss_value_at(failed, i))) < 0)
                        return -ENOMEM;
        return list ? 0 : -ENOMEM;
}

vss_value *run_outcome(const vss_value *answer, const vss_value *errors, int status) {
        static const char *const keys[] = { "files", "bytes",  "bytes-added", "bytes-stored",
                                            "point", "parent", "set",         "level" };
        _cleanup_value_ vss_value *outcome = vss_value_new_dict();

        if (!outcome || vss_value_set_string(outcome, "result", run_result_name(status)) < 0 ||
            vss_value_set_integer(outcome, "status", status) < 0 ||
            add_errors(outcome, errors, vss_value_get(answer, "failed")) < 0)
                return NULL;
        FOREACH_ELEMENT (key, keys)
                if (copy_member(outcome, answer, *key) < 0)
                        return NULL;
        return TAKE_PTR(outcome);
}

/* Opened for one change each time: no process that is made meanwhile has a part in it. */
static int open_catalog(RunLog *log, Catalog **ret_catalog) {
        _cleanup_(freep) char *aside = NULL;
        int r = catalog_open(log->path, NULL, &aside, ret_catalog);

        if (aside)
                cli_note("the history was damaged; it is now %s, and a new one begins", aside);
        return r;
}

void run_log_begin(RunLog *log, Cli *cli, const char *type, const char *repository) {
        _cleanup_(catalog_closep) Catalog *catalog = NULL;
        _cleanup_value_ vss_value *run = vss_value_new_dict();

        *log = (RunLog){ .cli = cli, .path = catalog_path() };
        cli->noted = vss_value_new_list();
        if (!log->path || catalog_make_directory(log->path, NULL) < 0 || open_catalog(log, &catalog) < 0 ||
            vss_value_set_string(run, "task", "") < 0 || vss_value_set_string(run, "backup-type", type) < 0 ||
            vss_value_set_string(run, "repository", repository ?: getenv("VSS_REPOSITORY") ?: "") < 0 ||
            catalog_begin(catalog, run, NULL, &log->number) < 0)
                log->number = 0;
}

void run_log_end(RunLog *log, const vss_value *answer, int status) {
        _cleanup_(catalog_closep) Catalog *catalog = NULL;
        _cleanup_value_ vss_value *outcome = NULL;

        if (!log->cli)
                return;
        outcome = run_outcome(answer, log->cli->noted, status);
        log->cli->noted = vss_value_free(log->cli->noted);
        if (log->number > 0 && (!outcome || open_catalog(log, &catalog) < 0 ||
                                catalog_end(catalog, log->number, outcome, NULL) < 0))
                cli_note("the end of this run is not in the history");
        free(log->path);
        *log = (RunLog){};
}
