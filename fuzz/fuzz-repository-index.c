/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzzing the reader of index files
 *
 * Whatever came in, each entry is found by its id, lies inside of what a pack can be, and names a pack that
 * is there or none.
 */

#include "fuzz/fuzz.h"
#include "repository/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_index_ Index index = {};

        if (size > FUZZ_SIZE_MAX)
                return 0;
        (void)index_parse(&index, data, size);
        for (size_t i = 0; i < index.n_entries; i++) {
                const IndexEntry *entry = &index.entries[i], *found = NULL;
                size_t n = 0;

                do {
                        found = index_find(&index, entry->tree ? BLOB_TREE : BLOB_DATA, &entry->id, found);
                        n++;
                } while (found && found != entry && n <= index.n_entries);
                fuzz_require(found == entry);
                fuzz_require(entry->pack == INDEX_NO_PACK || entry->pack < index.n_packs);
                fuzz_require((uint64_t)entry->offset + entry->length <= UINT32_MAX &&
                             entry->length >= CRYPTO_OVERHEAD);
        }
        return 0;
}
