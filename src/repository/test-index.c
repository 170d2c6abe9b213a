/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Packs and indexes
 */

#include "repository/index.h"
#include "util/test.h"

#define MANY 200000u

static BlobId make_id(uint64_t number) {
        BlobId id;

        (void)crypto_sha256(&number, sizeof(number), &id);
        return id;
}

static void test_pack(void) {
        _cleanup_pack_ Pack pack = {};
        _cleanup_(freep) PackBlob *blobs = NULL;
        uint8_t sealed[64] = { 1 };
        size_t n = 0, tail = 0;
        BlobId a = make_id(1), b = make_id(2);
        bool refused = true;
        CryptoKey key;

        (void)crypto_key_generate(&key);
        expect_int("a blob", pack_add(&pack, BLOB_DATA, &a, sealed, 64, 0), 0);
        expect_int("another, compressed", pack_add(&pack, BLOB_TREE, &b, sealed, 40, 100), 0);
        expect_int("the header", pack_finish(&pack, &key), 0);
        expect_int("its size", pack.bytes.size, 64 + 40 + 37 + 41 + 32 + 4);
        expect_int("is found", pack_tail_size(pack.bytes.data + pack.bytes.size - 4, pack.bytes.size, &tail),
                   0);
        expect_int("to be this", tail, 37 + 41 + 32 + 4);
        expect_int("and read",
                   pack_parse_tail(&key, pack.bytes.data + pack.bytes.size - tail, tail, pack.bytes.size,
                                   &blobs, &n),
                   0);
        expect_int("two blobs", n, 2);
        expect_true("as they were", blobs && blob_id_equals(&blobs[1].id, &b) && blobs[1].offset == 64 &&
                                            blobs[1].length == 40 && blobs[1].plain_length == 100 &&
                                            blobs[1].type == BLOB_TREE && blobs[0].plain_length == 0);
        for (size_t i = pack.bytes.size - tail; i < pack.bytes.size; i++) {
                PackBlob *none = NULL;

                pack.bytes.data[i] ^= 1;
                refused &= pack_parse_tail(&key, pack.bytes.data + pack.bytes.size - tail, tail,
                                           pack.bytes.size, &none, &n) < 0;
                pack.bytes.data[i] ^= 1;
        }
        expect_true("no byte of it can be changed", refused);
}

static void test_memory(void) {
        _cleanup_index_ Index index = {};
        const IndexEntry *entry;
        uint32_t pack = 9;
        size_t wrong = 0;
        PackBlob blob = { .type = BLOB_DATA, .length = 40 };

        expect_true("nothing is in an empty one", !index_find(&index, BLOB_DATA, &blob.id, NULL));
        for (uint64_t i = 0; i < MANY; i++) {
                blob.id = make_id(i);
                blob.offset = (uint32_t)i;
                wrong += index_add(&index, INDEX_NO_PACK, &blob) < 0;
        }
        for (uint64_t i = 0; i < MANY; i++) {
                BlobId id = make_id(i);

                entry = index_find(&index, BLOB_DATA, &id, NULL);
                wrong += !entry || entry->offset != i || index_find(&index, BLOB_DATA, &id, entry) ||
                         index_find(&index, BLOB_TREE, &id, NULL);
        }
        expect_int("each is found, and once", wrong, 0);
        blob.id = make_id(MANY + 1);
        expect_true("others are not", !index_find(&index, BLOB_DATA, &blob.id, NULL));
        expect_int("a pack", index_add_pack(&index, &blob.id, &pack), 0);
        blob.id = make_id(7);
        blob.length = 99;
        index_settle(&index, pack, &blob);
        entry = index_find(&index, BLOB_DATA, &blob.id, NULL);
        expect_true("a blob comes into a pack", entry && entry->pack == 0 && entry->length == 99);
        blob.length = 55;
        expect_int("and into another", index_add(&index, pack, &blob), 0);
        entry = index_find(&index, BLOB_DATA, &blob.id, entry);
        expect_true("where it is found, too",
                    entry && entry->length == 55 && !index_find(&index, BLOB_DATA, &blob.id, entry));
}

static void test_file(void) {
        PackBlob blobs[2] = {
                { .id = make_id(1), .type = BLOB_DATA, .offset = 0, .length = 50 },
                { .id = make_id(2), .type = BLOB_TREE, .offset = 50, .length = 60, .plain_length = 200 }
        };
        _cleanup_bytes_ Bytes text = {};
        _cleanup_index_ Index index = {};
        BlobId pack = make_id(3);
        const IndexEntry *entry;
        int r = index_format_begin(&text);

        r = r ?: index_format_pack(&text, &pack, blobs, 2, true);
        r = r ?: index_format_end(&text);
        expect_int("an index file is written", r, 0);
        expect_int("and read", index_parse(&index, text.data, text.size), 0);
        entry = index_find(&index, BLOB_TREE, &blobs[1].id, NULL);
        expect_true("as it was", entry && entry->offset == 50 && entry->length == 60 &&
                                         entry->plain_length == 200 && index.n_packs == 1 &&
                                         blob_id_equals(&index.packs[0], &pack));
        expect_int("cut off it is none", index_parse(&index, text.data, text.size - 3), -EBADMSG);
}

static void test_foreign(void) {
        static const char text[] = "{\"supersedes\":[\"x\"],\"packs_to_delete\":[{\"id\":\"0\",\"blobs\":[]}"
                                   "],\"packs\":[{\"blobs\":[{\"type\":\"data\","
                                   "\"length\":40,\"offset\":3,\"id\":"
                                   "\"0000000000000000000000000000000000000000000000000000000000000000\"}],"
                                   "\"time\":\"x\",\"id\":"
                                   "\"1111111111111111111111111111111111111111111111111111111111111111\"}]}";
        static const char without_all[] =
                "{\"packs\":[{\"id\":\"1111111111111111111111111111111111111111111111111111111111111111\","
                "\"blobs\":[{}]}]}";
        static const char *const bad[] = { "{\"packs\":[{\"blobs\":[]}]}", without_all, "{\"packs\":{}}",
                                           "[]" };
        _cleanup_index_ Index index = {};
        const BlobId zero = {};
        const IndexEntry *entry;

        expect_int("what other programs add is passed over", index_parse(&index, text, strlen(text)), 0);
        entry = index_find(&index, BLOB_DATA, &zero, NULL);
        expect_true("in any order", entry && entry->pack == 0 && index.packs[0].bytes[0] == 0x11);
        FOREACH_ELEMENT (c, bad)
                expect_int("what is no index", index_parse(&index, *c, strlen(*c)), -EBADMSG);
}

int main(void) {
        test_pack();
        test_memory();
        test_file();
        test_foreign();
        return test_end();
}
