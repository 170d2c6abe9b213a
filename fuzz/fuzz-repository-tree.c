/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzzing the reader of trees
 *
 * A tree that was read has names without zero bytes and can be walked; one that is in order is written, and
 * what is written reads as the same, byte for byte when it is written again.
 */

#include "fuzz/fuzz.h"
#include "repository/tree.h"

static void write_again(const Bytes *text) {
        _cleanup_bytes_ Bytes again = {};
        _cleanup_tree_ Tree tree = {};

        fuzz_require(tree_decode(text->data, text->size, &tree) == 0);
        fuzz_require(tree_encode(tree.nodes, tree.n, &again) == 0);
        fuzz_require(again.size == text->size && memcmp(again.data, text->data, text->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_bytes_ Bytes text = {};
        _cleanup_tree_ Tree tree = {};

        if (size > FUZZ_SIZE_MAX || tree_decode(data, size, &tree) < 0)
                return 0;
        for (size_t i = 0; i < tree.n; i++) {
                const Node *node = &tree.nodes[i];

                fuzz_require(node->name && *node->name);
                for (size_t j = 0; j < node->n_xattrs; j++)
                        fuzz_require(node->xattrs[j].name && node->xattrs[j].value);
                for (size_t j = 0; j < node->n_content; j++)
                        fuzz_require(sizeof(node->content[j]) == BLOB_ID_SIZE);
        }
        if (tree_encode(tree.nodes, tree.n, &text) == 0)
                write_again(&text);
        return 0;
}
