/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which blob is where: the index in memory, and its files
 *
 * A million blobs take about 60 MB: entries in one array, found by a table of their numbers, with the first
 * bytes of the id as the hash. A blob may stand in several packs; each is an entry.
 *
 * Whoever uses one from several threads locks it.
 */

#include "repository/pack.h"

#define INDEX_FILE_BLOBS_MAX 50000u
/* Numbers of packs have 31 bits, entries 32; and this much is more than a machine holds. */
#define INDEX_ENTRIES_MAX (UINT32_C(1) << 30)
/* The pack of a blob that has been taken in, and is not in any pack's file yet. */
#define INDEX_NO_PACK UINT32_C(0x7fffffff)

typedef struct IndexEntry {
        BlobId id;
        uint32_t pack : 31;
        uint32_t tree : 1;
        uint32_t offset, length, plain_length;
} IndexEntry;

typedef struct Index {
        IndexEntry *entries;
        size_t n_entries, entries_capacity;
        uint32_t *table; /* numbers of entries plus one */
        size_t table_size;
        BlobId *packs;
        size_t n_packs, packs_capacity;
} Index;

void index_clear(Index *index);
#define _cleanup_index_ _cleanup_(index_clear)

int index_add_pack(Index *index, const BlobId *pack, uint32_t *ret_number);
int index_add(Index *index, uint32_t pack, const PackBlob *blob);
/* The first entry of a blob, or the next one behind @after (which may be NULL). NULL if there is none. */
const IndexEntry *index_find(const Index *index, BlobType type, const BlobId *id, const IndexEntry *after);
/* The entry that has no pack yet is now in one. */
void index_settle(Index *index, uint32_t pack, const PackBlob *blob);
/* Takes out all that is in the packs which @gone, one for each pack, says have gone. */
void index_remove_packs(Index *index, const bool *gone);
/* Makes room for so many more at once. 0 or -ENOMEM. */
int index_reserve(Index *index, size_t more);

/* Takes in an index file. On failure what came before the damage has been taken in. */
int index_parse(Index *index, const void *text, size_t size);

/* Text of an index file, pack by pack. */
int index_format_begin(Bytes *text);
int index_format_pack(Bytes *text, const BlobId *pack, const PackBlob *blobs, size_t n, bool first);
int index_format_end(Bytes *text);
