/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: names and numbers of results, as somebody types them
 */

#include "fuzz.h"
#include "model/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = NULL;
        vss_result result = VSS_S_OK, again = VSS_E_UNEXPECTED;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        text = fuzz_text(data, size);
        if (vss_result_from_name(text, &result) < 0) {
                fuzz_require(result == VSS_S_OK);
                return 0;
        }
        /* What is understood is a result there is: its name means the same. */
        fuzz_require(vss_result_from_name(vss_result_name(result), &again) == VSS_S_OK && again == result);
        fuzz_require(vss_result_text(result)[0] && vss_result_remedy(result)[0]);
        return 0;
}
