/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzzing the reader of pack headers
 *
 * The first four bytes say how much the blobs are. A header that was read covers just that, without gaps.
 */

#include "fuzz/fuzz.h"
#include "repository/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) PackBlob *blobs = NULL;
        uint32_t blobs_size;
        uint64_t offset = 0;
        size_t n = 0, tail;

        if (size > FUZZ_SIZE_MAX || size < sizeof(blobs_size))
                return 0;
        memcpy(&blobs_size, data, sizeof(blobs_size));
        if (pack_tail_size(data, size, &tail) == 0)
                fuzz_require(tail <= size);
        if (pack_parse_header(data + 4, size - 4, blobs_size, &blobs, &n) < 0)
                return 0;
        for (size_t i = 0; i < n; i++) {
                fuzz_require(blobs[i].offset == offset && blobs[i].length >= CRYPTO_OVERHEAD);
                offset += blobs[i].length;
        }
        fuzz_require(offset == blobs_size);
        return 0;
}
