/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which blob is where
 */

#include <string.h>
#include "repository/index.h"

#define TABLE_MIN 1024u

void index_clear(Index *index) {
        free(index->entries);
        free(index->table);
        free(index->packs);
        *index = (Index){};
}

static void insert(uint32_t *table, size_t size, const BlobId *id, uint32_t number) {
        size_t i = blob_id_hash(id) & (size - 1);

        while (table[i] != 0)
                i = (i + 1) & (size - 1);
        table[i] = number + 1;
}

/* A table that is at most two thirds full with @n entries. */
static int grow_table(Index *index, size_t n) {
        size_t size = MAX(index->table_size, (size_t)TABLE_MIN);
        uint32_t *table;

        while (size / 3 * 2 < n)
                size *= 2;
        if (size == index->table_size)
                return 0;
        table = calloc(size, sizeof(*table));
        if (!table)
                return -ENOMEM;
        for (size_t i = 0; i < index->n_entries; i++)
                insert(table, size, &index->entries[i].id, (uint32_t)i);
        free(index->table);
        index->table = table;
        index->table_size = size;
        return 0;
}

int index_reserve(Index *index, size_t more) {
        size_t n = index->n_entries + more;

        if (more > INDEX_ENTRIES_MAX || n > INDEX_ENTRIES_MAX)
                return -ENOMEM;
        if (n > index->entries_capacity) {
                size_t capacity = MAX(n, index->entries_capacity + index->entries_capacity / 2);
                IndexEntry *entries = reallocarray(index->entries, capacity, sizeof(*entries));

                if (!entries)
                        return -ENOMEM;
                index->entries = entries;
                index->entries_capacity = capacity;
        }
        return grow_table(index, n);
}

int index_add_pack(Index *index, const BlobId *pack, uint32_t *ret_number) {
        if (index->n_packs == index->packs_capacity) {
                size_t capacity = index->packs_capacity ? index->packs_capacity * 2 : 64;
                BlobId *packs = reallocarray(index->packs, capacity, sizeof(*packs));

                if (!packs || capacity >= INDEX_NO_PACK) {
                        index->packs = packs ?: index->packs;
                        return -ENOMEM;
                }
                index->packs = packs;
                index->packs_capacity = capacity;
        }
        index->packs[index->n_packs] = *pack;
        *ret_number = (uint32_t)index->n_packs++;
        return 0;
}

int index_add(Index *index, uint32_t pack, const PackBlob *blob) {
        int r = index_reserve(index, 1);

        if (r < 0)
                return r;
        index->entries[index->n_entries] = (IndexEntry){
                .id = blob->id,
                .pack = pack & INDEX_NO_PACK,
                .tree = blob->type == BLOB_TREE,
                .offset = blob->offset,
                .length = blob->length,
                .plain_length = blob->plain_length,
        };
        insert(index->table, index->table_size, &blob->id, (uint32_t)index->n_entries);
        index->n_entries++;
        return 0;
}

const IndexEntry *index_find(const Index *index, BlobType type, const BlobId *id, const IndexEntry *after) {
        bool passed = !after;

        if (index->table_size == 0)
                return NULL;
        for (size_t i = blob_id_hash(id) & (index->table_size - 1); index->table[i] != 0;
             i = (i + 1) & (index->table_size - 1)) {
                const IndexEntry *entry = &index->entries[index->table[i] - 1];

                if (!blob_id_equals(&entry->id, id) || entry->tree != (type == BLOB_TREE))
                        continue;
                if (passed)
                        return entry;
                passed = entry == after;
        }
        return NULL;
}

void index_settle(Index *index, uint32_t pack, const PackBlob *blob) {
        const IndexEntry *entry = index_find(index, blob->type, &blob->id, NULL);

        for (; entry; entry = index_find(index, blob->type, &blob->id, entry)) {
                IndexEntry *settled = &index->entries[entry - index->entries];

                if (settled->pack != INDEX_NO_PACK)
                        continue;
                settled->pack = pack & INDEX_NO_PACK;
                settled->offset = blob->offset;
                settled->length = blob->length;
                settled->plain_length = blob->plain_length;
                return;
        }
}

void index_remove_packs(Index *index, const bool *gone) {
        size_t n = 0;

        for (size_t i = 0; i < index->n_entries; i++) {
                uint32_t pack = index->entries[i].pack;

                if (pack < index->n_packs && gone[pack])
                        continue;
                index->entries[n++] = index->entries[i];
        }
        index->n_entries = n;
        memset(index->table, 0, index->table_size * sizeof(*index->table));
        for (size_t i = 0; i < n; i++)
                insert(index->table, index->table_size, &index->entries[i].id, (uint32_t)i);
}
