/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: sizes as people write and read them
 */

#include <errno.h>
#include "util/macro.h"
#include "util/test.h"
#include "vss/size.h"

static void test_parse(void) {
        static const struct {
                const char *text;
                int want;
                uint64_t bytes, percent;
        } rows[] = {
                { "4096", 0, 4096, 0 },
                { "0", 0, 0, 0 },
                { "1K", 0, 1024, 0 },
                { "10G", 0, UINT64_C(10) << 30, 0 },
                { "10 GiB", 0, UINT64_C(10) << 30, 0 },
                { "10gb", 0, UINT64_C(10000000000), 0 },
                { "1.5T", 0, UINT64_C(3) << 39, 0 },
                { "0.25k", 0, 256, 0 },
                { "1.0001 kb", 0, 1000, 0 },
                { "15%", 0, 0, 1500 },
                { "2.5 %", 0, 0, 250 },
                { "100%", 0, 0, 10000 },
                { "UNLIMITED", 0, SIZE_UNLIMITED, 0 },
                { "8191P", 0, UINT64_C(8191) << 50, 0 },
                { "8192P", -ERANGE, 0, 0 },
                { "18446744073709551616", -ERANGE, 0, 0 },
                { "100.01%", -ERANGE, 0, 0 },
                { "", -EINVAL, 0, 0 },
                { "G", -EINVAL, 0, 0 },
                { "-1", -EINVAL, 0, 0 },
                { "+1", -EINVAL, 0, 0 },
                { " 1", -EINVAL, 0, 0 },
                { "1.", -EINVAL, 0, 0 },
                { ".", -EINVAL, 0, 0 },
                { "1.2.3", -EINVAL, 0, 0 },
                { "1.00001G", -EINVAL, 0, 0 },
                { "0.5", -EINVAL, 0, 0 },
                { "0%", -EINVAL, 0, 0 },
                { "1.255%", -EINVAL, 0, 0 },
                { "10X", -EINVAL, 0, 0 },
                { "10G5", -EINVAL, 0, 0 },
                { "0x10", -EINVAL, 0, 0 },
                { "1e3", -EINVAL, 0, 0 },
        };

        FOREACH_ELEMENT (row, rows) {
                Size size = { 1, 1 };

                expect_int(row->text, size_parse(row->text, &size), row->want);
                if (row->want == 0)
                        expect_true("  its value", size.bytes == row->bytes && size.percent == row->percent);
                else
                        expect_true("  nothing is answered", size.bytes == 1 && size.percent == 1);
        }
}

static void test_bytes(void) {
        expect_int("15 percent", (int64_t)size_bytes(&(Size){ .percent = 1500 }, 1000), 150);
        expect_true("of very much", size_bytes(&(Size){ .percent = 10000 }, UINT64_MAX) == UINT64_MAX);
        expect_int("bytes are bytes", (int64_t)size_bytes(&(Size){ .bytes = 7 }, 1000), 7);
}

static void test_format(void) {
        static const struct {
                int64_t bytes;
                const char *want;
        } rows[] = {
                { -1, "-" },
                { 0, "0 B" },
                { 1023, "1023 B" },
                { 1024, "1.0 KiB" },
                { 1536, "1.5 KiB" },
                { 1048575, "1.0 MiB" },
                { INT64_C(10) << 30, "10.0 GiB" },
                { INT64_MAX, "8.0 EiB" },
        };
        char text[SIZE_TEXT];

        FOREACH_ELEMENT (row, rows)
                expect_str(row->want, format_size(row->bytes, text), row->want);
}

int main(void) {
        test_parse();
        test_bytes();
        test_format();
        return test_end();
}
