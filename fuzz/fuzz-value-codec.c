/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: values as bytes, as they come from workers
 */

#include "fuzz.h"
#include "util/value-codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_value_ vss_value *value = NULL;
        _cleanup_(freep) uint8_t *encoded = NULL;
        size_t encoded_size = 0;
        int r;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        r = value_decode(data, size, &value);
        if (r < 0) {
                fuzz_require(r == -EBADMSG);
                return 0;
        }
        /* There is one encoding of a tree. */
        r = value_encode(value, &encoded, &encoded_size);
        fuzz_require(r == 0);
        fuzz_require(encoded_size == size && memcmp(encoded, data, size) == 0);
        return 0;
}
