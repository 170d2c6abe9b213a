/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: documents, which anybody may have saved
 */

#include "documents/document.h"
#include "fuzz.h"

/* What was read can be written, and that reads and is written the same. */
static void check_round_trip(const vss_value *document) {
        _cleanup_(freep) char *text = NULL, *again = NULL, *error = NULL;
        _cleanup_value_ vss_value *back = NULL;
        size_t size = 0, again_size = 0;
        vss_result result;

        result = vss_document_format(document, &text, &size, &error);
        fuzz_require(result == VSS_S_OK && !error);
        result = vss_document_parse(text, size, &back, &error);
        fuzz_require(result == VSS_S_OK && !error);
        fuzz_require(!vss_value_get(back, "ignored"));
        result = vss_document_format(back, &again, &again_size, &error);
        fuzz_require(result == VSS_S_OK && !error);
        fuzz_require(size == again_size && memcmp(text, again, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *error = NULL;
        vss_result result;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        result = vss_document_parse((const char *)data, size, &document, &error);
        if (result < 0) {
                fuzz_require(result == VSS_E_CORRUPT_XML_DOCUMENT || result == VSS_E_INVALID_XML_DOCUMENT);
                fuzz_require(!document && error && strncmp(error, "line ", 5) == 0);
                return 0;
        }
        fuzz_require(document && !error);
        check_round_trip(document);
        return 0;
}
