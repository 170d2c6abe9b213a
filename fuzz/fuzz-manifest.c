/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: the index of a directory of saved documents, there and back
 */

#include "fuzz.h"
#include "vss/manifest.h"

static void check_files(const vss_value *manifest) {
        const vss_value *writers = vss_value_get(manifest, "writers");

        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const char *file = vss_value_get_string(vss_value_at(writers, i), "file", "");

                fuzz_require(*file && !strpbrk(file, "/\\") && strcmp(file, ".") != 0 &&
                             strcmp(file, "..") != 0);
        }
        fuzz_require(vss_value_count(writers) <= MANIFEST_ELEMENTS_MAX);
        fuzz_require(!strpbrk(vss_value_get_string(manifest, "document", ""), "/\\"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_value_ vss_value *manifest = NULL, *again = NULL;
        _cleanup_(freep) char *text = NULL, *second = NULL;
        ManifestError error = { 0 };
        int r;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        r = manifest_parse((const char *)data, size, &error, &manifest);
        if (r < 0) {
                fuzz_require(r == -EBADMSG && error.message[0] && error.line > 0 && !manifest);
                return 0;
        }
        check_files(manifest);
        text = manifest_format(manifest);
        fuzz_require(text);
        fuzz_require(manifest_parse(text, strlen(text), &error, &again) == 0);
        second = manifest_format(again);
        fuzz_require(second && strcmp(text, second) == 0);
        return 0;
}
