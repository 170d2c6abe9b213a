/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: ranges of partial files, as text and as a ranges file
 */

#include "fuzz.h"
#include "model/ranges.h"

/* What was read lies within a file, shares no byte, and reads the same in both forms. */
static void check_ranges(const Range *ranges, size_t n) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(freep) uint8_t *data = NULL;
        _cleanup_(freep) Range *from_text = NULL, *from_data = NULL;
        size_t n_text = 0, n_data = 0, size = 0;

        for (size_t i = 0; i < n; i++) {
                fuzz_require(ranges[i].length <= UINT64_MAX - ranges[i].offset);
                for (size_t j = 0; j < i && j < 64; j++)
                        fuzz_require(ranges[i].length == 0 || ranges[j].length == 0 ||
                                     ranges[i].offset >= ranges[j].offset + ranges[j].length ||
                                     ranges[j].offset >= ranges[i].offset + ranges[i].length);
        }
        fuzz_require(ranges_format_binary(ranges, n, &data, &size) == 0);
        fuzz_require(ranges_parse_binary(data, size, &from_data, &n_data, NULL) == VSS_S_OK);
        fuzz_require(n_data == n && memcmp(from_data, ranges, n * sizeof(*ranges)) == 0);
        if (n > RANGES_TEXT_MAX)
                return;
        fuzz_require(ranges_format(ranges, n, &text) == 0);
        fuzz_require(ranges_parse(text, &from_text, &n_text, NULL) == VSS_S_OK);
        fuzz_require(n_text == n && memcmp(from_text, ranges, n * sizeof(*ranges)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) Range *from_text = NULL, *from_data = NULL;
        _cleanup_(freep) char *text = NULL;
        size_t n = 0;
        Why why = { "" };

        if (size > FUZZ_SIZE_MAX)
                return 0;
        text = fuzz_text(data, size);
        if (ranges_parse(text, &from_text, &n, &why) == VSS_S_OK) {
                check_ranges(from_text, n);
                fuzz_require(!ranges_file(text));
        } else
                fuzz_require(*why.text);
        if (ranges_check(text, &why) == VSS_S_OK && ranges_file(text))
                fuzz_require(ranges_file(text)[0] == '/');
        if (ranges_parse_binary(data, size, &from_data, &n, &why) == VSS_S_OK)
                check_ranges(from_data, n);
        return 0;
}
