/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The header of a difference area
 */

#include <endian.h>
#include <string.h>
#include "providers/common/info.h"
#include "providers/dm/area-header.h"

#define MAGIC_SIZE 8u
#define VERSION 1u

/* Places in a sector. */
#define CRC_AT 508u
#define ROOT_ID_AT 16u
#define ROOT_FILESYSTEM_AT 52u
#define ROOT_NONCE_AT 88u
#define TOKEN_TEXT_AT 12u
/* Places in a record. */
#define RECORD_CRC_AT 24u
#define RECORD_HEAD 32u

static const char root_magic[] = "LVSSAREA";
static const char token_magic[] = "LVSSTOKN";
static const char record_magic[] = "LVSSRCRD";

/* CRC-32C, a bit at a time: headers are small, and seldom read. */
static uint32_t crc32c(uint32_t crc, const uint8_t *data, size_t size) {
        crc = ~crc;
        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
        }
        return ~crc;
}

static void put32(uint8_t *at, uint32_t value) {
        value = htole32(value);
        memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value) {
        value = htole64(value);
        memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at) {
        uint32_t value;

        memcpy(&value, at, sizeof(value));
        return le32toh(value);
}

static uint64_t get64(const uint8_t *at) {
        uint64_t value;

        memcpy(&value, at, sizeof(value));
        return le64toh(value);
}

static size_t align8(size_t n) {
        return (n + 7) & ~(size_t)7;
}

void area_header_done(AreaHeader *header) {
        (void)vss_value_free(header->info);
        free(header->extents);
        *header = (AreaHeader){ 0 };
}

int area_header_size(size_t identity, size_t n_extents, uint32_t *ret_size) {
        uint64_t record, size;

        if (identity > INFO_SIZE_MAX || n_extents > AREA_EXTENTS_MAX)
                return -ENOSPC;
        /* Properties are added later, and an area that grows gets more extents. */
        record = RECORD_HEAD + 2 * identity + AREA_BLOCK + 2 * n_extents * sizeof(AreaExtent) + AREA_BLOCK;
        size = AREA_RECORDS_AT + 2 * record;
        size = (size + AREA_HEADER_MIN - 1) / AREA_HEADER_MIN * AREA_HEADER_MIN;
        if (size > AREA_HEADER_MAX)
                return -ENOSPC;
        *ret_size = (uint32_t)size;
        return 0;
}

void area_header_encode_root(const AreaRoot *root, uint8_t ret_sector[static AREA_ROOT_SIZE]) {
        memset(ret_sector, 0, AREA_ROOT_SIZE);
        memcpy(ret_sector, root_magic, MAGIC_SIZE);
        put32(ret_sector + 8, VERSION);
        put32(ret_sector + 12, root->size);
        memcpy(ret_sector + ROOT_ID_AT, root->id, VSS_ID_SIZE - 1);
        memcpy(ret_sector + ROOT_FILESYSTEM_AT, root->filesystem, VSS_ID_SIZE - 1);
        memcpy(ret_sector + ROOT_NONCE_AT, root->nonce, AREA_NONCE_SIZE);
        put32(ret_sector + CRC_AT, crc32c(0, ret_sector, CRC_AT));
}

int area_header_decode_root(const uint8_t sector[static AREA_ROOT_SIZE], AreaRoot *ret_root) {
        AreaRoot root = { 0 };

        if (memcmp(sector, root_magic, MAGIC_SIZE) != 0 ||
            get32(sector + CRC_AT) != crc32c(0, sector, CRC_AT))
                return -EBADMSG;
        if (get32(sector + 8) != VERSION)
                return -EPROTONOSUPPORT;
        root.size = get32(sector + 12);
        memcpy(root.id, sector + ROOT_ID_AT, VSS_ID_SIZE - 1);
        memcpy(root.filesystem, sector + ROOT_FILESYSTEM_AT, VSS_ID_SIZE - 1);
        memcpy(root.nonce, sector + ROOT_NONCE_AT, AREA_NONCE_SIZE);
        if (root.size < AREA_HEADER_MIN || root.size > AREA_HEADER_MAX || root.size % AREA_HEADER_MIN != 0 ||
            !info_id_is_valid(root.id) || !info_id_is_valid(root.filesystem))
                return -EBADMSG;
        *ret_root = root;
        return 0;
}

int area_header_encode_token(const char *text, uint8_t ret_sector[static AREA_TOKEN_SIZE]) {
        size_t n = strlen(text);

        if (n > AREA_TOKEN_TEXT_MAX)
                return -ENOSPC;
        memset(ret_sector, 0, AREA_TOKEN_SIZE);
        memcpy(ret_sector, token_magic, MAGIC_SIZE);
        put32(ret_sector + 8, (uint32_t)n);
        memcpy(ret_sector + TOKEN_TEXT_AT, text, n);
        put32(ret_sector + CRC_AT, crc32c(0, ret_sector, CRC_AT));
        return 0;
}

int area_header_decode_token(const uint8_t sector[static AREA_TOKEN_SIZE],
                             char ret_text[static AREA_TOKEN_TEXT_MAX + 1]) {
        uint32_t n = get32(sector + 8);

        if (memcmp(sector, token_magic, MAGIC_SIZE) != 0 ||
            get32(sector + CRC_AT) != crc32c(0, sector, CRC_AT) || n > AREA_TOKEN_TEXT_MAX ||
            memchr(sector + TOKEN_TEXT_AT, 0, n))
                return -EBADMSG;
        memcpy(ret_text, sector + TOKEN_TEXT_AT, n);
        ret_text[n] = 0;
        return 0;
}

void area_header_record_place(uint32_t header_size, uint64_t sequence, uint32_t *ret_at,
                              uint32_t *ret_size) {
        uint32_t size = (header_size - AREA_RECORDS_AT) / 2 / AREA_BLOCK * AREA_BLOCK;

        *ret_at = AREA_RECORDS_AT + (uint32_t)(sequence % 2) * size;
        *ret_size = size;
}

/* The checksum covers the four bytes of itself as zeros. */
static uint32_t record_crc(const uint8_t *record, uint32_t size) {
        static const uint8_t zeros[4];
        uint32_t crc;

        crc = crc32c(0, record, RECORD_CRC_AT);
        crc = crc32c(crc, zeros, sizeof(zeros));
        return crc32c(crc, record + RECORD_CRC_AT + sizeof(zeros), size - RECORD_CRC_AT - sizeof(zeros));
}

int area_header_encode_record(const AreaHeader *header, uint8_t *record, uint32_t size) {
        _cleanup_(freep) char *text = NULL;
        size_t identity, end;
        int r;

        r = info_encode(header->info, &text);
        if (r < 0)
                return r;
        identity = strlen(text);
        end = RECORD_HEAD + align8(identity) + header->n_extents * sizeof(AreaExtent);
        if (header->n_extents > AREA_EXTENTS_MAX || end > size)
                return -ENOSPC;
        memset(record, 0, size);
        memcpy(record, record_magic, MAGIC_SIZE);
        put64(record + 8, header->sequence);
        put32(record + 16, (uint32_t)identity);
        put32(record + 20, (uint32_t)header->n_extents);
        memcpy(record + RECORD_HEAD, text, identity);
        for (size_t i = 0; i < header->n_extents; i++) {
                uint8_t *at = record + RECORD_HEAD + align8(identity) + i * sizeof(AreaExtent);

                put64(at, header->extents[i].physical);
                put64(at + 8, header->extents[i].length);
        }
        put32(record + RECORD_CRC_AT, record_crc(record, size));
        return 0;
}

static int decode_extents(const uint8_t *at, size_t n, AreaExtent **ret_extents) {
        _cleanup_(freep) AreaExtent *extents = calloc(n + 1, sizeof(*extents));
        uint64_t total = 0;

        if (!extents)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                extents[i] = (AreaExtent){ .physical = get64(at + 16 * i),
                                           .length = get64(at + 16 * i + 8) };
                if (extents[i].length == 0 || ((extents[i].physical | extents[i].length) & 511) ||
                    extents[i].physical > INT64_MAX || extents[i].length > INT64_MAX ||
                    extents[i].physical + extents[i].length > INT64_MAX)
                        return -EBADMSG;
                total += extents[i].length;
                if (total > INT64_MAX)
                        return -EBADMSG;
        }
        *ret_extents = TAKE_PTR(extents);
        return 0;
}

/* Is the record's place in order, and its sequence @ret_sequence? */
static bool record_is_valid(const uint8_t *record, uint32_t size, uint64_t parity, uint64_t *ret_sequence) {
        uint64_t sequence = get64(record + 8);
        size_t identity = get32(record + 16), n = get32(record + 20);

        if (memcmp(record, record_magic, MAGIC_SIZE) != 0 || sequence == 0 || sequence % 2 != parity ||
            identity > size || n > AREA_EXTENTS_MAX ||
            RECORD_HEAD + align8(identity) + n * sizeof(AreaExtent) > size ||
            get32(record + RECORD_CRC_AT) != record_crc(record, size))
                return false;
        *ret_sequence = sequence;
        return true;
}

static int decode_record(const uint8_t *record, AreaHeader *header) {
        _cleanup_value_ vss_value *info = NULL;
        size_t identity = get32(record + 16), n = get32(record + 20);
        int r;

        r = info_decode((const char *)record + RECORD_HEAD, identity, &info);
        if (r < 0)
                return r;
        if (strcmp(vss_value_get_string(info, "id", ""), header->root.id) != 0 ||
            !info_id_is_valid(vss_value_get_string(info, "set", NULL)))
                return -EBADMSG;
        r = decode_extents(record + RECORD_HEAD + align8(identity), n, &header->extents);
        if (r < 0)
                return r;
        header->n_extents = n;
        header->info = TAKE_PTR(info);
        return 0;
}

int area_header_decode(const uint8_t *data, size_t size, AreaHeader *ret_header) {
        _cleanup_area_header_ AreaHeader header = { 0 };
        const uint8_t *best = NULL;
        int r;

        if (size < AREA_HEADER_MIN)
                return -EBADMSG;
        r = area_header_decode_root(data, &header.root);
        if (r < 0)
                return r;
        if (header.root.size > size)
                return -EBADMSG;
        if (area_header_decode_token(data + AREA_TOKEN_AT, header.token) < 0)
                header.token[0] = 0;
        for (uint64_t parity = 0; parity < 2; parity++) {
                uint32_t at, record_size;
                uint64_t sequence;

                area_header_record_place(header.root.size, parity, &at, &record_size);
                if (record_is_valid(data + at, record_size, parity, &sequence) &&
                    sequence > header.sequence) {
                        best = data + at;
                        header.sequence = sequence;
                }
        }
        r = best ? decode_record(best, &header) : 0;
        if (r < 0)
                return r;
        *ret_header = header;
        header = (AreaHeader){ 0 };
        return 0;
}
