/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ranges of files: both forms, round trips, and what is refused
 */

#include "model/ranges.h"
#include "util/test.h"

static void test_text(void) {
        static const struct {
                const char *text, *normal; /* NULL: refused */
        } cases[] = {
                { "", "" },
                { "  \t", "" },
                { "0:5", "0:5" },
                { "0:5,100:20", "0:5, 100:20" },
                { " 0 : 5 , 100 : 20 ", "0:5, 100:20" },
                { "0x10:0xfF, 0:16", "16:255, 0:16" },
                { "100:20, 0:5", "100:20, 0:5" }, /* the order stays */
                { "0:5, 5:5", "0:5, 5:5" },
                { "7:0, 7:0", "7:0, 7:0" },
                { "18446744073709551615:0", "18446744073709551615:0" },
                { "18446744073709551614:1", "18446744073709551614:1" },
                { "0xffffffffffffffff:0", "18446744073709551615:0" },
                { "18446744073709551615:1", NULL },
                { "18446744073709551616:0", NULL },
                { "0x10000000000000000:0", NULL },
                { "0:5, 4:5", NULL },
                { "4:5, 0:5", NULL },
                { "3:2, 3:2", NULL },
                { "0", NULL },
                { "0:", NULL },
                { ":5", NULL },
                { "0:5,", NULL },
                { ",0:5", NULL },
                { "0:5 100:20", NULL },
                { "0:5;100:20", NULL },
                { "-1:5", NULL },
                { "+1:5", NULL },
                { "0x:5", NULL },
                { "1e3:5", NULL },
                { "0:5x", NULL },
                { "File=/r", NULL },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_(freep) Range *ranges = NULL, *again = NULL;
                _cleanup_(freep) char *text = NULL;
                Why why = { "" };
                size_t n = 0, n_again = 0;
                vss_result result = ranges_parse(c->text, &ranges, &n, &why);

                expect_int(c->text, result, c->normal ? VSS_S_OK : VSS_E_INVALIDARG);
                if (result < 0) {
                        expect_true("a reason", *why.text);
                        continue;
                }
                expect_int("written", ranges_format(ranges, n, &text), 0);
                expect_str(c->text, text, c->normal);
                expect_true("reads the same", ranges_parse(text, &again, &n_again, &why) == VSS_S_OK &&
                                                      n_again == n &&
                                                      memcmp(again, ranges, n * sizeof(*ranges)) == 0);
        }
}

static void test_limits(void) {
        size_t size = (RANGES_TEXT_MAX + 1) * sizeof("65536:0,");
        _cleanup_(freep) char *text = calloc(size, 1);
        _cleanup_(freep) Range *ranges = NULL;
        size_t n = 0, used = 0;

        for (size_t i = 0; i < RANGES_TEXT_MAX; i++)
                used += (size_t)snprintf(text + used, size - used, "%s%zu:1", i > 0 ? "," : "", i);
        expect_int("as many as there may be", ranges_parse(text, &ranges, &n, NULL), VSS_S_OK);
        expect_int("are read", n, RANGES_TEXT_MAX);
        (void)snprintf(text + used, size - used, ",%u:1", RANGES_TEXT_MAX);
        expect_int("not one more", ranges_parse(text, &ranges, &n, NULL), VSS_E_INVALIDARG);
}

static void test_binary(void) {
        static const Range given[] = { { 0, 5 }, { 1ull << 40, 20 } };
        _cleanup_(freep) uint8_t *data = NULL;
        _cleanup_(freep) Range *ranges = NULL;
        Why why = { "" };
        size_t size = 0, n = 0;

        expect_int("written", ranges_format_binary(given, 2, &data, &size), 0);
        expect_int("count and two pairs", size, 8 + 2 * 16);
        expect_true("little-endian", data[0] == 2 && data[1] == 0 && data[16] == 5 && data[24 + 5] == 1);
        expect_int("read", ranges_parse_binary(data, size, &ranges, &n, &why), VSS_S_OK);
        expect_true("the same", n == 2 && memcmp(ranges, given, sizeof(given)) == 0);
        expect_int("cut off", ranges_parse_binary(data, size - 1, &ranges, &n, &why), VSS_E_INVALIDARG);
        expect_int("cut to nothing", ranges_parse_binary(data, 0, &ranges, &n, &why), VSS_E_INVALIDARG);
        data[0] = 1;
        expect_int("more than it says", ranges_parse_binary(data, size, &ranges, &n, &why),
                   VSS_E_INVALIDARG);
        data[7] = 0x10;
        expect_int("a count beyond all", ranges_parse_binary(data, size, &ranges, &n, &why),
                   VSS_E_INVALIDARG);
        data[0] = 2;
        data[7] = 0;
        data[24] = 4;
        data[24 + 5] = 0;
        expect_int("overlapping", ranges_parse_binary(data, size, &ranges, &n, &why), VSS_E_INVALIDARG);
}

static void test_file(void) {
        expect_str("a ranges file", ranges_file("File=/var/ranges"), "/var/ranges");
        expect_str("in any case, after blanks", ranges_file(" file=/r"), "/r");
        expect_str("ranges are none", ranges_file("0:5"), NULL);
        expect_int("an absolute one", ranges_check("File=/var/ranges", NULL), VSS_S_OK);
        expect_int("not a relative one", ranges_check("File=ranges", NULL), VSS_E_INVALIDARG);
        expect_int("not one that climbs", ranges_check("File=/a/../b", NULL), VSS_E_INVALIDARG);
        expect_int("ranges", ranges_check("0:5", NULL), VSS_S_OK);
        expect_int("neither", ranges_check("all", NULL), VSS_E_INVALIDARG);
}

int main(void) {
        test_text();
        test_limits();
        test_binary();
        test_file();
        return test_end();
}
