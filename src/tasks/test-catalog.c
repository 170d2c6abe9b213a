/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: the history of runs
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "tasks/catalog.h"
#include "util/test.h"

static char directory[] = "/tmp/test-catalog-XXXXXX";
static char path[sizeof(directory) + 32];

static Catalog *open_it(char **ret_set_aside) {
        _cleanup_(freep) char *aside = NULL;
        Catalog *catalog = NULL;
        Why why = {};
        int r = catalog_open(path, &why, ret_set_aside ?: &aside, &catalog);

        expect_int("it is opened", r, 0);
        if (r < 0)
                printf("# %s\n", why.text);
        return catalog;
}

static int64_t begin(Catalog *catalog, const char *task) {
        _cleanup_value_ vss_value *run = vss_value_new_dict();
        int64_t number = 0;

        (void)vss_value_set_string(run, "task", task);
        (void)vss_value_set_string(run, "backup-type", "full");
        (void)vss_value_set_string(run, "repository", "/r");
        expect_int("a run begins", catalog_begin(catalog, run, NULL, &number), 0);
        return number;
}

static void end(Catalog *catalog, int64_t number, const char *result, const char *point, size_t n_errors) {
        _cleanup_value_ vss_value *outcome = vss_value_new_dict();
        vss_value *errors = value_require(outcome, "errors", VSS_KIND_LIST);

        (void)vss_value_set_string(outcome, "result", result);
        (void)vss_value_set_integer(outcome, "status", 3);
        (void)vss_value_set_integer(outcome, "files", INT64_C(5000000000));
        if (point)
                (void)vss_value_set_string(outcome, "point", point);
        for (size_t i = 0; i < n_errors; i++) {
                vss_value *error = vss_value_new_dict();

                (void)vss_value_set_string(error, "path", "/a'\xff");
                (void)vss_value_set_string(error, "message", "gone");
                (void)vss_value_append(errors, error);
        }
        expect_int("it ends", catalog_end(catalog, number, outcome, NULL), 0);
}

static vss_value *list(Catalog *catalog, const CatalogFilter *filter) {
        vss_value *runs = NULL;

        expect_int("runs are listed", catalog_list(catalog, filter, NULL, &runs), 0);
        return runs;
}

static const char *member(const vss_value *runs, size_t i, const char *key) {
        return vss_value_get_string(vss_value_at(runs, i), key, "?");
}

static void test_runs(void) {
        _cleanup_(catalog_closep) Catalog *catalog = open_it(NULL);
        int64_t one = begin(catalog, "a"), two = begin(catalog, "it's");
        _cleanup_value_ vss_value *runs = NULL, *errors = NULL, *last = NULL, *bad = NULL;
        char *point = NULL;

        end(catalog, one, "done", "p1", 0);
        runs = list(catalog, &(CatalogFilter){});
        expect_int("two runs", vss_value_count(runs), 2);
        expect_str("done", member(runs, 0, "result"), "done");
        expect_int("numbers are whole", vss_value_get_integer(vss_value_at(runs, 0), "files", 0),
                   INT64_C(5000000000));
        expect_str("what is not known is not there", member(runs, 0, "set"), "?");
        expect_str("one goes on", member(runs, 1, "result"), "running");
        end(catalog, two, "partly", "p2", CATALOG_ERRORS_MAX + 7);
        errors = list(catalog, &(CatalogFilter){ .task = "it's" });
        expect_int("of one task", vss_value_count(errors), 1);
        expect_int("errors have a limit", vss_value_count(vss_value_get(vss_value_at(errors, 0), "errors")),
                   CATALOG_ERRORS_MAX + 1);
        expect_str("and say so",
                   vss_value_get_string(vss_value_at(vss_value_get(vss_value_at(errors, 0), "errors"),
                                                     CATALOG_ERRORS_MAX),
                                        "message", ""),
                   "and 7 more");
        expect_str("names are UTF-8",
                   vss_value_get_string(vss_value_at(vss_value_get(vss_value_at(errors, 0), "errors"), 0),
                                        "path", ""),
                   "/a'?");
        last = list(catalog, &(CatalogFilter){ .last = 1 });
        expect_str("the last", member(last, 0, "point"), "p2");
        bad = list(catalog, &(CatalogFilter){ .not_done = true });
        expect_int("those that were not done", vss_value_count(bad), 1);
        expect_int("a good point is looked for", catalog_last_good_point(catalog, "a", "/r", NULL, &point),
                   0);
        expect_str("and found", point, "p1");
        free(point);
        point = NULL;
        expect_int("one that was partly done is none",
                   catalog_last_good_point(catalog, "it's", "/r", NULL, &point), 0);
        expect_true("so there is none", !point);
        expect_int("nor is one elsewhere", catalog_last_good_point(catalog, "a", "/s", NULL, &point), 0);
        expect_true("so there is none", !point);
}

/* A process that ends without a word. */
static void test_killed(void) {
        pid_t pid = fork();
        _cleanup_(catalog_closep) Catalog *catalog = NULL;
        _cleanup_value_ vss_value *runs = NULL;
        int status = 0;

        if (pid == 0) {
                _cleanup_value_ vss_value *run = vss_value_new_dict();
                char *aside = NULL;
                int64_t number;

                (void)vss_value_set_string(run, "task", "killed");
                _exit(catalog_open(path, NULL, &aside, &catalog) < 0 ||
                      catalog_begin(catalog, run, NULL, &number) < 0);
        }
        (void)waitpid(pid, &status, 0);
        expect_int("it had begun", status, 0);
        catalog = open_it(NULL);
        runs = list(catalog, &(CatalogFilter){ .task = "killed" });
        expect_str("and did not end", member(runs, 0, "result"), "did not end");
        expect_true("of which nobody knows when", !vss_value_get(vss_value_at(runs, 0), "end-usec"));
}

static void test_damage(void) {
        static const char noise[] =
                "this is no database, whatever its name says; it is longer than a header is "
                "in SQLite, which is a hundred bytes";
        _cleanup_(freep) char *aside = NULL;
        _cleanup_(catalog_closep) Catalog *catalog = NULL, *reader = NULL;
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
        struct stat st;

        expect_true("it is damaged", fd >= 0 && write(fd, noise, sizeof(noise)) == (ssize_t)sizeof(noise));
        (void)close(fd);
        expect_int("a reader is told", catalog_open_reader(path, NULL, &reader), -EBADMSG);
        catalog = open_it(&aside);
        expect_true("what was damaged is set aside", aside && access(aside, F_OK) == 0);
        (void)begin(catalog, "a");
        expect_true("nobody else reads it", stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
        if (aside)
                (void)unlink(aside);
        (void)unlink(path);
        expect_int("there is none to be read", catalog_open_reader(path, NULL, &reader), -ENOENT);
        (void)symlink("/dev/null", path);
        catalog = catalog_close(catalog);
        free(aside);
        aside = NULL;
        expect_int("a link is not followed", catalog_open(path, NULL, &aside, &catalog), -ELOOP);
        (void)unlink(path);
}

static void test_path(void) {
        _cleanup_(freep) char *named = NULL, *own = NULL, *relative = NULL;

        (void)setenv("VSS_CATALOG", "/somewhere/runs.db", 1);
        named = catalog_path();
        expect_str("where the environment says", named ?: "", "/somewhere/runs.db");
        (void)unsetenv("VSS_CATALOG");
        own = catalog_path();
        (void)setenv("VSS_CATALOG", "runs.db", 1);
        relative = catalog_path();
        expect_str("but not where that depends on the directory", relative ?: "", own ?: "");
        (void)unsetenv("VSS_CATALOG");
}

int main(void) {
        char sub[sizeof(directory) + 8];

        if (!mkdtemp(directory))
                return 1;
        (void)snprintf(sub, sizeof(sub), "%s/state", directory);
        (void)snprintf(path, sizeof(path), "%s/catalog.db", sub);
        test_runs();
        test_killed();
        test_damage();
        test_path();
        (void)rmdir(sub);
        (void)rmdir(directory);
        return test_end();
}
