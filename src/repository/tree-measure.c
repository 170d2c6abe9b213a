/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How much a tree stands for
 */

#include "repository/tree-measure.h"

#define TABLE_FIRST 1024u

typedef struct Known {
        BlobId id;
        uint64_t entries;
        bool used;
} Known;

typedef struct Measure {
        Repository *repo;
        Known *table;
        size_t size, n;
        unsigned depth;
} Measure;

static Known *find_known(Known *table, size_t size, const BlobId *id) {
        size_t i = blob_id_hash(id) & (size - 1);

        while (table[i].used && !blob_id_equals(&table[i].id, id))
                i = (i + 1) & (size - 1);
        return &table[i];
}

static int remember(Measure *measure, const BlobId *id, uint64_t entries) {
        if (measure->n * 2 >= measure->size) {
                size_t size = measure->size * 2;
                Known *table = calloc(size, sizeof(*table));

                if (!table)
                        return -ENOMEM;
                for (size_t i = 0; i < measure->size; i++)
                        if (measure->table[i].used)
                                *find_known(table, size, &measure->table[i].id) = measure->table[i];
                free(measure->table);
                measure->table = table;
                measure->size = size;
        }
        *find_known(measure->table, measure->size, id) = (Known){ *id, entries, true };
        measure->n++;
        return 0;
}

static uint64_t add_up(uint64_t a, uint64_t b) {
        uint64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static int measure_tree(Measure *measure, const BlobId *id, uint64_t *ret_entries) {
        const Known *known = find_known(measure->table, measure->size, id);
        _cleanup_tree_ Tree tree = {};
        uint64_t entries = 0, below;
        int r = 0;

        *ret_entries = known->entries;
        if (known->used || measure->depth == TREE_DEPTH_MAX)
                return 0;
        if (repo_load_tree(measure->repo, id, &tree, NULL) < 0)
                tree.n = 0;
        measure->depth++;
        for (size_t i = 0; r == 0 && i < tree.n; i++) {
                entries = add_up(entries, 1);
                if (tree.nodes[i].type != NODE_DIR || !tree.nodes[i].has_subtree)
                        continue;
                r = measure_tree(measure, &tree.nodes[i].subtree, &below);
                entries = add_up(entries, below);
        }
        measure->depth--;
        *ret_entries = entries;
        return r < 0 ? r : remember(measure, id, entries);
}

int tree_measure(Repository *repo, const BlobId *tree, uint64_t *ret_entries) {
        Measure measure = { .repo = repo, .size = TABLE_FIRST };
        int r;

        measure.table = calloc(measure.size, sizeof(*measure.table));
        r = measure.table ? measure_tree(&measure, tree, ret_entries) : -ENOMEM;
        free(measure.table);
        return r;
}
