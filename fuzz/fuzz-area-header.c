/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: headers of difference areas, on disks that may come from anywhere
 *
 * An input is laid over a header that is valid, and its checksums are put right where the first byte asks
 * for it: or none would get past them.
 */

#include "fuzz.h"
#include "providers/dm/area-header.h"

#define ID "aaaaaaaa-0000-4000-8000-00000000000a"

static void make_valid(uint8_t *data) {
        AreaRoot root = { .id = ID, .filesystem = ID, .size = AREA_HEADER_MIN };

        area_header_encode_root(&root, data);
        fuzz_require(area_header_encode_token("clean", data + AREA_TOKEN_AT) == 0);
}

/* The text as the identity of the first record, under a checksum that is right. */
static void lay_record(uint8_t *data, const uint8_t *text, size_t size) {
        _cleanup_area_header_ AreaHeader header = { .root.size = AREA_HEADER_MIN, .sequence = 1 };
        uint32_t at, record_size;

        header.info = vss_value_new_dict();
        header.n_extents = size / sizeof(AreaExtent) % 64;
        header.extents = calloc(header.n_extents + 1, sizeof(AreaExtent));
        fuzz_require(header.info && header.extents);
        fuzz_require(vss_value_set_string(header.info, "id", ID) >= 0 &&
                     vss_value_set_string(header.info, "set", ID) >= 0);
        memcpy(header.extents, text, header.n_extents * sizeof(AreaExtent));
        area_header_record_place(AREA_HEADER_MIN, 1, &at, &record_size);
        fuzz_require(area_header_encode_record(&header, data + at, record_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_area_header_ AreaHeader header = { 0 };
        _cleanup_(freep) uint8_t *block = calloc(1, AREA_HEADER_MIN);
        int r;

        if (size < 1 || size > AREA_HEADER_MIN || !block) /* the block is as large as a header has to be */
                return 0;
        if (data[0] & 1)
                make_valid(block);
        if (data[0] & 2)
                lay_record(block, data + 1, size - 1);
        else
                memcpy(block + ((data[0] & 1) ? AREA_TOKEN_AT - AREA_ROOT_SIZE : 0) / 2, data + 1,
                       MIN(size - 1, (size_t)AREA_HEADER_MIN - AREA_TOKEN_AT));
        r = area_header_decode(block, AREA_HEADER_MIN, &header);
        if (r < 0) {
                fuzz_require(r == -EBADMSG || r == -EPROTONOSUPPORT);
                return 0;
        }
        fuzz_require(strlen(header.token) <= AREA_TOKEN_TEXT_MAX && header.n_extents <= AREA_EXTENTS_MAX);
        fuzz_require((header.sequence == 0) == (header.info == NULL));
        for (size_t i = 0; i < header.n_extents; i++)
                fuzz_require(header.extents[i].length > 0 &&
                             header.extents[i].physical + header.extents[i].length >
                                     header.extents[i].physical);
        return 0;
}
