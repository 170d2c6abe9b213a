/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of settings and of the estimate
 */

#include <fcntl.h>
#include "providers/reflink/cost.h"
#include "util/test.h"

static int read_settings(const char *text, CostSettings *settings, ConfError *error) {
        char path[] = "/tmp/reflink-cost-XXXXXX";
        _cleanup_(closep) int fd = mkostemp(path, O_CLOEXEC);
        int r;

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
                return -EIO;
        *error = (ConfError){ 0 };
        r = cost_settings_read(path, error, settings);
        (void)unlink(path);
        return r;
}

static void test_settings(void) {
        static const struct {
                const char *text;
                int want;
                unsigned line;
        } rows[] = {
                { "# nothing\n", 0, 0 },
                { "CommitLimit=50s\nPrepareLimit=1s\nChangedWithin=0\nWorkers=16\n", 0, 0 },
                { "CommitLimit=51s\n", -EBADMSG, 1 },
                { "\nCommitLimit=0\n", -EBADMSG, 2 },
                { "PrepareLimit=51s\n", -EBADMSG, 1 },
                { "Workers=17\n", -EBADMSG, 1 },
                { "ChangedWithin=25h\n", -EBADMSG, 1 },
                { "Commit=1s\n", -EBADMSG, 1 },
        };
        CostSettings settings = COST_SETTINGS_INIT;
        ConfError error = { 0 };

        FOREACH_ELEMENT (row, rows) {
                expect_int(row->text, read_settings(row->text, &settings, &error), row->want);
                expect_int("the line", error.line, row->line);
        }
        expect_int("no file", cost_settings_read("/nonexistent/reflink.conf", &error, &settings), 0);
        expect_int("the default", settings.commit_usec, 5000000);
        expect_true("threads", cost_workers(&settings) >= 1);
        settings.workers = 3;
        expect_int("as many as were asked for", cost_workers(&settings), 3);
}

static void test_estimate(void) {
        TreeFacts prepared = { 0 }, looked = { .took_usec = 1000 };
        uint64_t still, one, many;

        still = cost_estimate(&prepared, &looked);
        expect_int("a look costs two", still, 2000);
        looked.recent_files = 1;
        looked.recent_extents = 1;
        one = cost_estimate(&prepared, &looked);
        expect_true("a file costs some microseconds", one > still && one < still + 100);
        looked.recent_extents = 50000;
        many = cost_estimate(&prepared, &looked);
        expect_true("extents cost", many > still + 200000 && many < still + 300000);
        prepared = (TreeFacts){ .cloned_files = 1000, .cloned_extents = 1000, .clone_usec = 22000 };
        expect_true("a slow machine is told by what was done before",
                    cost_estimate(&prepared, &looked) - still >= (many - still) * 19 / 10);
        prepared.clone_usec = 22000000;
        expect_int("within bounds", cost_estimate(&prepared, &looked) - still, 3 * (many - still));
        prepared.clone_usec = 1;
        expect_int("a fast one is not relied on", cost_estimate(&prepared, &looked), many);
}

int main(void) {
        test_settings();
        test_estimate();
        return test_end();
}
