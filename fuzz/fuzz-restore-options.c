/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: the text of SetRestoreOptions
 */

#include "fuzz.h"
#include "model/component.h"
#include "model/restore-options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_value_ vss_value *options = NULL, *again = NULL;
        _cleanup_(freep) char *text = NULL, *written = NULL;
        Why why = { "" };

        if (size > FUZZ_SIZE_MAX)
                return 0;
        text = fuzz_text(data, size);
        if (restore_options_parse(text, &options, &why) < 0) {
                fuzz_require(*why.text && !options);
                return 0;
        }
        fuzz_require(vss_value_count(options) <= RESTORE_OPTIONS_MAX);
        for (size_t i = 0; i < vss_value_count(options) && i < 64; i++) {
                const vss_value *entry = vss_value_at(options, i);
                const char *logical_path = component_logical_path(entry), *name = component_name(entry);
                _cleanup_value_ vss_value *typed = NULL;

                /* Each is found again, by its own component and name. */
                fuzz_require(restore_options_get(options, logical_path, name,
                                                 vss_value_get_string(entry, "option", "")) ==
                             vss_value_get_string(entry, "value", NULL));
                fuzz_require(restore_options_typed(options, logical_path, name, &typed, &why) >= 0 ||
                             !typed);
        }
        /* Written, it reads the same. Quotes of blanks may make it longer than what may be read. */
        fuzz_require(restore_options_format(options, &written) == 0);
        if (strlen(written) <= RESTORE_OPTIONS_SIZE_MAX) {
                fuzz_require(restore_options_parse(written, &again, &why) == VSS_S_OK);
                fuzz_require(value_equals(options, again));
        }
        return 0;
}
