/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Packs
 */

#include <endian.h>
#include <string.h>
#include "repository/pack.h"

#define TYPE_COMPRESSED 2u
#define ENTRY_PLAIN 37u
#define ENTRY_COMPRESSED 41u

void pack_clear(Pack *pack) {
        bytes_clear(&pack->bytes);
        free(pack->blobs);
        *pack = (Pack){};
}

static int append_number(Bytes *bytes, uint32_t number) {
        uint32_t little = htole32(number);

        return bytes_append(bytes, &little, sizeof(little));
}

int pack_add(Pack *pack, BlobType type, const BlobId *id, const void *sealed, size_t size,
             uint32_t plain_length) {
        uint64_t end = (uint64_t)pack->bytes.size + size;

        if (end > UINT32_MAX || (pack->n_blobs + 1) * PACK_ENTRY_MAX > PACK_HEADER_MAX - CRYPTO_OVERHEAD)
                return -E2BIG;
        if (pack->n_blobs == pack->capacity) {
                size_t capacity = pack->capacity ? pack->capacity * 2 : 32;
                PackBlob *blobs = reallocarray(pack->blobs, capacity, sizeof(*blobs));

                if (!blobs)
                        return -ENOMEM;
                pack->blobs = blobs;
                pack->capacity = capacity;
        }
        pack->blobs[pack->n_blobs] = (PackBlob){
                .id = *id,
                .type = type,
                .offset = (uint32_t)pack->bytes.size,
                .length = (uint32_t)size,
                .plain_length = plain_length,
        };
        if (bytes_append(&pack->bytes, sealed, size) < 0)
                return -ENOMEM;
        pack->n_blobs++;
        return 0;
}

static int format_header(const Pack *pack, Bytes *header) {
        int r = bytes_reserve(header, pack->n_blobs * PACK_ENTRY_MAX);

        for (size_t i = 0; r == 0 && i < pack->n_blobs; i++) {
                const PackBlob *blob = &pack->blobs[i];
                uint8_t type = (uint8_t)(blob->type | (blob->plain_length ? TYPE_COMPRESSED : 0));

                r = bytes_append(header, &type, 1);
                if (r == 0)
                        r = append_number(header, blob->length);
                if (r == 0 && blob->plain_length)
                        r = append_number(header, blob->plain_length);
                if (r == 0)
                        r = bytes_append(header, blob->id.bytes, BLOB_ID_SIZE);
        }
        return r;
}

int pack_finish(Pack *pack, const CryptoKey *key) {
        _cleanup_bytes_ Bytes header = {};
        size_t sealed;
        int r = format_header(pack, &header);

        sealed = header.size + CRYPTO_OVERHEAD;
        if (r == 0)
                r = bytes_reserve(&pack->bytes, sealed + PACK_TRAILER);
        if (r == 0)
                r = crypto_seal(key, header.data, header.size, pack->bytes.data + pack->bytes.size);
        if (r < 0)
                return r;
        pack->bytes.size += sealed;
        return append_number(&pack->bytes, (uint32_t)sealed);
}

static uint32_t read_number(const uint8_t *at) {
        uint32_t little;

        memcpy(&little, at, sizeof(little));
        return le32toh(little);
}

int pack_tail_size(const uint8_t trailer[static PACK_TRAILER], uint64_t pack_size, size_t *ret_size) {
        uint32_t sealed = read_number(trailer);

        if (sealed < CRYPTO_OVERHEAD + ENTRY_PLAIN || sealed > PACK_HEADER_MAX ||
            (uint64_t)sealed + PACK_TRAILER > pack_size)
                return -EBADMSG;
        *ret_size = sealed + PACK_TRAILER;
        return 0;
}

/* One entry. Return: how long it is; 0 for what is none. */
static size_t parse_entry(const uint8_t *at, size_t size, uint64_t offset, PackBlob *ret_blob) {
        bool compressed;
        size_t n;

        if (size < ENTRY_PLAIN || at[0] > 3)
                return 0;
        compressed = at[0] & TYPE_COMPRESSED;
        n = compressed ? ENTRY_COMPRESSED : ENTRY_PLAIN;
        if (size < n || offset > UINT32_MAX)
                return 0;
        *ret_blob = (PackBlob){
                .type = at[0] & 1 ? BLOB_TREE : BLOB_DATA,
                .offset = (uint32_t)offset,
                .length = read_number(at + 1),
                .plain_length = compressed ? read_number(at + 5) : 0,
        };
        memcpy(ret_blob->id.bytes, at + n - BLOB_ID_SIZE, BLOB_ID_SIZE);
        if (ret_blob->length < CRYPTO_OVERHEAD || (compressed && ret_blob->plain_length == 0))
                return 0;
        return n;
}

int pack_parse_header(const uint8_t *header, size_t size, uint64_t blobs_size, PackBlob **ret_blobs,
                      size_t *ret_n) {
        _cleanup_(freep) PackBlob *blobs = NULL;
        uint64_t offset = 0;
        size_t n = 0, used;

        /* More than there can be, and bounded by the size of the header. */
        blobs = calloc(size / ENTRY_PLAIN + 1, sizeof(*blobs));
        if (!blobs)
                return -ENOMEM;
        for (size_t at = 0; at < size; at += used, n++) {
                used = parse_entry(header + at, size - at, offset, &blobs[n]);
                if (used == 0)
                        return -EBADMSG;
                offset += blobs[n].length;
        }
        if (offset != blobs_size)
                return -EBADMSG;
        *ret_blobs = TAKE_PTR(blobs);
        *ret_n = n;
        return 0;
}

int pack_parse_tail(const CryptoKey *key, const uint8_t *tail, size_t size, uint64_t pack_size,
                    PackBlob **ret_blobs, size_t *ret_n) {
        _cleanup_(freep) uint8_t *header = NULL;
        size_t expected;
        int r;

        if (size < PACK_TRAILER || pack_tail_size(tail + size - PACK_TRAILER, pack_size, &expected) < 0 ||
            expected != size)
                return -EBADMSG;
        size -= PACK_TRAILER;
        header = malloc(size);
        if (!header)
                return -ENOMEM;
        r = crypto_open(key, tail, size, header);
        if (r < 0)
                return r;
        return pack_parse_header(header, size - CRYPTO_OVERHEAD, pack_size - size - PACK_TRAILER, ret_blobs,
                                 ret_n);
}
