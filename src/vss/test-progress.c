/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: what is shown of how far something has come
 */

#include <locale.h>
#include "util/clock.h"
#include "util/test.h"
#include "vss/progress.h"

#define GIB (UINT64_C(1) << 30)

static void test_lines(void) {
        static const struct {
                const char *label;
                ProgressView view;
                size_t width;
                const char *want;
        } rows[] = {
                { "nothing is known",
                  { .step = "backup", .elapsed_usec = 5000000, .left_usec = -1 },
                  79,
                  "backup, 5.0 s" },
                { "what is expected is not known",
                  { .step = "backup", .files = 12, .bytes = 2048, .elapsed_usec = 5000000, .left_usec = -1 },
                  79,
                  "backup, 2.0 KiB, 12 files, 5.0 s" },
                { "all is known",
                  { .step = "backup",
                    .files = 10,
                    .files_expected = 40,
                    .bytes = GIB,
                    .bytes_expected = 4 * GIB,
                    .rate = 256 << 20,
                    .left_usec = 12000000,
                    .path = "/srv/a" },
                  120,
                  "backup, 1.0 GiB of 4.0 GiB (25 %), 10 of 40 files, 256.0 MiB/s, 12.0 s left: /srv/a" },
                { "more than was expected",
                  { .step = "b", .bytes = 3 * GIB, .bytes_expected = GIB, .left_usec = -1 },
                  79,
                  "b, 3.0 GiB of 1.0 GiB (100 %), 0.0 ms" },
                { "other things than files",
                  { .step = "reading", .noun = "packs", .files = 1, .files_expected = 3, .left_usec = -1 },
                  79,
                  "reading, 1 of 3 packs, 0.0 ms" },
                { "a component and a file",
                  { .step = "b", .left_usec = -1, .component = "SQLite:/db", .path = "/var/a" },
                  79,
                  "b, 0.0 ms: SQLite:/db, /var/a" },
                { "a component alone",
                  { .step = "b", .left_usec = -1, .component = "SQLite:/db" },
                  79,
                  "b, 0.0 ms: SQLite:/db" },
                { "the end of a long path",
                  { .step = "b", .left_usec = -1, .path = "/one/two/three/four" },
                  24,
                  "b, 0.0 ms: ...three/four" },
                { "there is no room for a component",
                  { .step = "b", .left_usec = -1, .component = "SQLite:/db", .path = "/one/two" },
                  22,
                  "b, 0.0 ms: /one/two" },
                { "there is no room for a path",
                  { .step = "b", .left_usec = -1, .path = "/one/two" },
                  15,
                  "b, 0.0 ms" },
                { "there is no room at all",
                  { .step = "backup", .left_usec = -1, .path = "/one/two" },
                  4,
                  "back" },
                { "a plain line has no path",
                  { .step = "b", .left_usec = -1, .component = "c", .path = "/a" },
                  0,
                  "b, 0.0 ms" },
                { "control characters",
                  { .step = "b", .left_usec = -1, .path = "/a\033[2J\n/b" },
                  79,
                  "b, 0.0 ms: /a?[2J?/b" },
                { "bytes that are no text",
                  { .step = "b", .left_usec = -1, .path = "/a\xff\xc3" },
                  79,
                  "b, 0.0 ms: /a??" },
                { "characters are never cut",
                  { .step = "b",
                    .left_usec = -1,
                    .path = "/\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6" },
                  19,
                  "b, 0.0 ms: ...\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6" },
                { "wide characters count twice",
                  { .step = "b",
                    .left_usec = -1,
                    .path = "/\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2" },
                  20,
                  "b, 0.0 ms: ...\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2" },
        };

        FOREACH_ELEMENT (row, rows) {
                _cleanup_(freep) char *line = progress_line(&row->view, row->width);

                expect_str(row->label, line, row->want);
        }
}

static void test_values(void) {
        ProgressView view = { .step = "backup", .files = 1, .bytes = 2, .left_usec = -1, .path = "/\xff" };
        _cleanup_value_ vss_value *little = progress_value(&view), *much = NULL;

        expect_str("a status", vss_value_get_string(little, "type", ""), "status");
        expect_int("files", vss_value_get_integer(little, "done", -1), 1);
        expect_int("bytes", vss_value_get_integer(little, "bytes-done", -1), 2);
        expect_true("what is not known is not there",
                    !vss_value_get(little, "expected") && !vss_value_get(little, "bytes-expected") &&
                            !vss_value_get(little, "left-usec") && !vss_value_get(little, "component"));
        expect_str("text is UTF-8", vss_value_get_string(little, "path", ""), "/?");
        view.files_expected = 5;
        view.bytes_expected = 6;
        view.rate = 7;
        view.left_usec = 8;
        view.component = "c";
        much = progress_value(&view);
        expect_int("expected files", vss_value_get_integer(much, "expected", -1), 5);
        expect_int("expected bytes", vss_value_get_integer(much, "bytes-expected", -1), 6);
        expect_int("rate", vss_value_get_integer(much, "bytes-per-second", -1), 7);
        expect_int("time left", vss_value_get_integer(much, "left-usec", -1), 8);
        expect_str("component", vss_value_get_string(much, "component", ""), "c");
}

static void test_rate(void) {
        Rate rate = {};

        expect_int("nothing is known", rate_now(&rate), 0);
        rate_add(&rate, 10 * USEC_PER_SEC, 0);
        expect_int("nor from one sample", rate_now(&rate), 0);
        expect_int("nor the time left", rate_left_usec(&rate, 0, 100), -1);
        rate_add(&rate, 10 * USEC_PER_SEC + 1, 1000);
        expect_int("one that is too near does not count", rate_now(&rate), 0);
        rate_add(&rate, 12 * USEC_PER_SEC, 200);
        expect_int("a rate", rate_now(&rate), 100);
        expect_int("time left", rate_left_usec(&rate, 200, 1200), 10 * (int64_t)USEC_PER_SEC);
        expect_int("none when all is done", rate_left_usec(&rate, 1200, 1200), -1);
        expect_int("nor beyond reason", rate_left_usec(&rate, 0, UINT64_MAX), -1);
        for (uint64_t i = 1; i <= 100; i++)
                rate_add(&rate, (12 + i) * USEC_PER_SEC, 200 + 7 * i);
        expect_int("it is that of the last seconds", rate_now(&rate), 7);
        for (uint64_t i = 1; i <= 20; i++)
                rate_add(&rate, (112 + i) * USEC_PER_SEC, 900);
        expect_int("nothing goes on", rate_now(&rate), 0);
        rate_add(&rate, 200 * USEC_PER_SEC, 1);
        expect_int("counts that begin again", rate_now(&rate), 0);
}

int main(void) {
        if (!setlocale(LC_ALL, "C.UTF-8")) {
                printf("1..0 # SKIP no C.UTF-8\n");
                return 0;
        }
        test_lines();
        test_values();
        test_rate();
        return test_end();
}
