/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: UTF-8, which decides what may go over the bus
 */

#include <jansson.h>
#include "fuzz.h"
#include "util/utf8.h"

/* What jansson thinks of it: an opinion that is not ours. */
static bool is_json_text(const char *text) {
        json_t *json = json_string(text);
        bool is = json != NULL;

        json_decref(json);
        return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = NULL, *made = NULL;
        bool was;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        text = fuzz_text(data, size);
        made = fuzz_text(data, size);
        was = text_is_utf8(text);
        fuzz_require(was == is_json_text(text));
        fuzz_require(text_make_utf8(made) == made && text_is_utf8(made) && is_json_text(made));
        fuzz_require(strlen(made) == strlen(text));
        if (was)
                fuzz_require(strcmp(made, text) == 0);
        return 0;
}
