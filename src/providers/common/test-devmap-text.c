/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of reading device-mapper's tables and states
 */

#include "providers/common/devmap.h"
#include "util/test.h"

static void test_lines(void) {
        const char *text = "0 2048 linear 98:16 0\n2048 16 linear 98:16 4096\n2064 8 error \n";
        static const struct {
                uint64_t start, length;
                const char *type, *parameters;
        } want[] = { { 0, 2048, "linear", "98:16 0" },
                     { 2048, 16, "linear", "98:16 4096" },
                     { 2064, 8, "error", "" } };

        FOREACH_ELEMENT (w, want) {
                _cleanup_devmap_line_ DevmapLine line = { 0 };

                expect_int("a line", devmap_next_line(&text, &line), 1);
                expect_int("  start", line.start, w->start);
                expect_int("  length", line.length, w->length);
                expect_str("  type", line.type, w->type);
                expect_str("  parameters", line.parameters, w->parameters);
        }
        {
                DevmapLine line;

                expect_int("the end", devmap_next_line(&text, &line), 0);
        }
}

static void test_bad_lines(void) {
        static const char *const bad[] = { "x 1 linear 1:1 0",
                                           "0 linear",
                                           "-1 2 linear 1:1 0",
                                           "0 1",
                                           "0 1 ",
                                           "99999999999999999999 1 linear 1:1 0",
                                           "\n",
                                           " 0 1 linear ",
                                           "0 1 abcdefghijklmnopqrstuvwxyzabcdefgh 1" };

        FOREACH_ELEMENT (b, bad) {
                const char *text = *b;
                DevmapLine line;

                expect_int(*b, devmap_next_line(&text, &line), -EBADMSG);
        }
}

static void test_table_is(void) {
        const char *linear = "0 2048 linear 98:16 0\n";

        expect_true("the table", devmap_table_is(linear, 2048, "linear", "98:16 0"));
        expect_true("another length", !devmap_table_is(linear, 2049, "linear", "98:16 0"));
        expect_true("another type", !devmap_table_is(linear, 2048, "snapshot-origin", "98:16 0"));
        expect_true("another place", !devmap_table_is(linear, 2048, "linear", "98:16 8"));
        expect_true("nothing", !devmap_table_is("", 2048, "linear", "98:16 0"));
        expect_true("two lines",
                    !devmap_table_is("0 2048 linear 98:16 0\n2048 1 error \n", 2048, "linear", "98:16 0"));
}

static void test_snapshot(void) {
        static const struct {
                const char *text;
                int r;
                DevmapSnapshot want;
        } cases[] = {
                { "16/2048 16", 0, { 16, 2048, 16, false, false } },
                { "0/0 0", 0, { 0 } },
                { "2048/2048 32", 0, { 2048, 2048, 32, false, false } },
                { "Invalid", 0, { .invalid = true } },
                { "Merge failed", 0, { .invalid = true } },
                { "Overflow", 0, { .overflow = true } },
                { "", -EBADMSG, { 0 } },
                { "16/2048", -EBADMSG, { 0 } },
                { "16/2048 ", -EBADMSG, { 0 } },
                { "3/2 1", -EBADMSG, { 0 } },
                { "Unknown", -EBADMSG, { 0 } },
                { "16/2048 16 x", -EBADMSG, { 0 } },
        };

        FOREACH_ELEMENT (c, cases) {
                DevmapSnapshot got = { 0 };

                expect_int(c->text, devmap_parse_snapshot(c->text, &got), c->r);
                expect_true("  says so", got.used == c->want.used && got.total == c->want.total &&
                                                 got.metadata == c->want.metadata &&
                                                 got.invalid == c->want.invalid &&
                                                 got.overflow == c->want.overflow);
        }
}

int main(void) {
        test_lines();
        test_bad_lines();
        test_table_is();
        test_snapshot();
        return test_end();
}
