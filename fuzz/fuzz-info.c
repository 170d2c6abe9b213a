/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: info.json, on file systems that may come from anywhere
 */

#include "fuzz.h"
#include "providers/common/info.h"

/* What was read can be written, and reads the same. */
static void check_round_trip(const vss_value *info) {
        _cleanup_(freep) char *text = NULL, *again = NULL;
        _cleanup_value_ vss_value *copy = NULL;
        int r = info_encode(info, &text);

        fuzz_require(r == 0);
        r = info_decode(text, strlen(text), &copy);
        fuzz_require(r == 0);
        r = info_encode(copy, &again);
        fuzz_require(r == 0 && strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(freep) char *text = NULL;
        int r;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        text = fuzz_text(data, size);
        if (info_id_is_valid(text))
                fuzz_require(strlen(text) == VSS_ID_SIZE - 1);
        r = info_decode((const char *)data, size, &info);
        if (r < 0) {
                fuzz_require(r == -EBADMSG);
                return 0;
        }
        fuzz_require(vss_value_kind(info) == VSS_KIND_DICT);
        (void)info_id_is_valid(vss_value_get_string(info, "set", NULL));
        check_round_trip(info);
        return 0;
}
