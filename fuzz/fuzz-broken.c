/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: one that is broken, to see that a fuzzer finds it
 */

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        fuzz_require(size < 2 || data[0] != 'x' || data[1] != 'y');
        return 0;
}
