/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the header of difference areas
 */

#include "providers/dm/area-header.h"
#include "util/test.h"

#define ID "aaaaaaaa-0000-4000-8000-00000000000a"
#define SET "5e700000-0000-4000-8000-000000000001"
#define FILESYSTEM "ffffffff-0000-4000-8000-00000000000f"

static AreaHeader example(size_t n_extents) {
        AreaHeader header = { .root = { .id = ID, .filesystem = FILESYSTEM, .size = AREA_HEADER_MIN },
                              .sequence = 1 };

        for (size_t i = 0; i < AREA_NONCE_SIZE; i++)
                header.root.nonce[i] = (uint8_t)(i * 7);
        header.info = vss_value_new_dict();
        (void)vss_value_set_string(header.info, "id", ID);
        (void)vss_value_set_string(header.info, "set", SET);
        (void)vss_value_set_string(header.info, "volume", "/srv");
        header.extents = calloc(n_extents + 1, sizeof(AreaExtent));
        header.n_extents = n_extents;
        for (size_t i = 0; i < n_extents; i++)
                header.extents[i] = (AreaExtent){ 8192 * i + 4096, 4096 };
        return header;
}

static int write_record(uint8_t *data, const AreaHeader *header) {
        uint32_t at, size;

        area_header_record_place(header->root.size, header->sequence, &at, &size);
        return area_header_encode_record(header, data + at, size);
}

static void test_round_trip(void) {
        static uint8_t data[AREA_HEADER_MIN];
        _cleanup_area_header_ AreaHeader header = example(3), got = { 0 };

        area_header_encode_root(&header.root, data);
        expect_int("a root alone", area_header_decode(data, sizeof(data), &got), 0);
        expect_true("has no identity", !got.info && got.sequence == 0);
        area_header_done(&got);
        expect_int("a record", write_record(data, &header), 0);
        expect_int("a token", area_header_encode_token("mounted 1 2 3", data + AREA_TOKEN_AT), 0);
        expect_int("decode", area_header_decode(data, sizeof(data), &got), 0);
        expect_str("id", got.root.id, ID);
        expect_str("file system", got.root.filesystem, FILESYSTEM);
        expect_true("nonce", memcmp(got.root.nonce, header.root.nonce, AREA_NONCE_SIZE) == 0);
        expect_str("identity", vss_value_get_string(got.info, "volume", ""), "/srv");
        expect_int("extents", got.n_extents, 3);
        expect_int("the last one", got.extents[2].physical, 8192 * 2 + 4096);
        expect_str("token", got.token, "mounted 1 2 3");
        expect_int("too short", area_header_decode(data, sizeof(data) - 1, &header), -EBADMSG);
}

/* A record that was half written leaves the one before. */
static void test_two_records(void) {
        static uint8_t data[AREA_HEADER_MIN];
        _cleanup_area_header_ AreaHeader header = example(1);
        uint32_t at, size;

        area_header_encode_root(&header.root, data);
        for (uint64_t sequence = 1; sequence <= 5; sequence++) {
                _cleanup_area_header_ AreaHeader got = { 0 };

                header.sequence = sequence;
                (void)vss_value_set_integer(header.info, "count", (int64_t)sequence);
                expect_int("write", write_record(data, &header), 0);
                expect_int("  read", area_header_decode(data, sizeof(data), &got), 0);
                expect_int("  the newer", vss_value_get_integer(got.info, "count", 0), sequence);
        }
        area_header_record_place(AREA_HEADER_MIN, 5, &at, &size);
        for (uint32_t torn = 0; torn < size; torn += 512) {
                _cleanup_area_header_ AreaHeader got = { 0 };
                uint8_t was = data[at + torn];

                data[at + torn] ^= 1;
                if (area_header_decode(data, sizeof(data), &got) != 0 ||
                    vss_value_get_integer(got.info, "count", 0) != 4)
                        expect_int("a record that is torn leaves the one before, byte", torn, -1);
                data[at + torn] = was;
        }
        expect_true("torn records leave the one before", true);
}

static void test_limits(void) {
        _cleanup_area_header_ AreaHeader many = example(2000);
        static uint8_t data[AREA_HEADER_MIN];
        char text[AREA_TOKEN_TEXT_MAX + 2];
        uint8_t sector[AREA_TOKEN_SIZE];
        uint32_t size = 0;

        expect_int("more extents than fit", write_record(data, &many), -ENOSPC);
        expect_int("a header for few", area_header_size(2000, 10, &size), 0);
        expect_int("is the smallest", size, AREA_HEADER_MIN);
        expect_int("a header for many", area_header_size(2000, 20000, &size), 0);
        expect_true("is larger", size > 20000 * 16 * 4 && size % AREA_HEADER_MIN == 0);
        expect_int("too many", area_header_size(2000, AREA_EXTENTS_MAX + 1, &size), -ENOSPC);
        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = 0;
        expect_int("a token too long", area_header_encode_token(text, sector), -ENOSPC);
        text[sizeof(text) - 2] = 0;
        expect_int("the longest", area_header_encode_token(text, sector), 0);
        expect_int("  read", area_header_decode_token(sector, text), 0);
        expect_int("  is as long", strlen(text), AREA_TOKEN_TEXT_MAX);
        expect_int("none", area_header_encode_token("", sector), 0);
        expect_int("  read", area_header_decode_token(sector, text), 0);
        expect_str("  is empty", text, "");
}

/* Each change of a root is found. */
static void test_root(void) {
        _cleanup_area_header_ AreaHeader header = example(0);
        uint8_t sector[AREA_ROOT_SIZE];
        unsigned accepted = 0;
        AreaRoot root;

        area_header_encode_root(&header.root, sector);
        expect_int("a root", area_header_decode_root(sector, &root), 0);
        for (size_t i = 0; i < sizeof(sector); i++) {
                sector[i] ^= 0x10;
                accepted += area_header_decode_root(sector, &root) == 0;
                sector[i] ^= 0x10;
        }
        expect_int("changed ones that pass", accepted, 0);
        root = header.root;
        header.root.size = AREA_HEADER_MIN + 512;
        area_header_encode_root(&header.root, sector);
        header.root = root;
        expect_int("an odd size", area_header_decode_root(sector, &root), -EBADMSG);
        header.root.id[3] = '/';
        area_header_encode_root(&header.root, sector);
        expect_int("an odd id", area_header_decode_root(sector, &root), -EBADMSG);
}

/* What is well-formed by its checksum, and wrong. */
static void test_hostile(void) {
        static uint8_t data[AREA_HEADER_MIN];
        static const AreaExtent bad[] = {
                { 0, 0 },          { 100, 512 },        { 512, 100 },
                { 0, 1ull << 63 }, { 1ull << 63, 512 }, { INT64_MAX - 511, 1024 }
        };

        FOREACH_ELEMENT (extent, bad) {
                _cleanup_area_header_ AreaHeader header = example(1), got = { 0 };

                memset(data, 0, sizeof(data));
                area_header_encode_root(&header.root, data);
                header.extents[0] = *extent;
                expect_int("an extent", write_record(data, &header), 0);
                expect_int("  that cannot be", area_header_decode(data, sizeof(data), &got), -EBADMSG);
        }
        for (unsigned i = 0; i < 3; i++) {
                _cleanup_area_header_ AreaHeader header = example(1), got = { 0 };
                static const struct {
                        const char *key, *value;
                } wrong[] = { { "id", SET }, { "set", "x" }, { "set", "" } };

                memset(data, 0, sizeof(data));
                area_header_encode_root(&header.root, data);
                (void)vss_value_set_string(header.info, wrong[i].key, wrong[i].value);
                expect_int("an identity", write_record(data, &header), 0);
                expect_int("  of another", area_header_decode(data, sizeof(data), &got), -EBADMSG);
        }
}

int main(void) {
        test_round_trip();
        test_two_records();
        test_limits();
        test_root();
        test_hostile();
        return test_end();
}
