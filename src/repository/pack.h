/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Packs: sealed blobs one after the other, and a sealed header that lists them
 *
 *     blob 1 || ... || blob N || sealed (header) || length of that, 32 bits, little endian
 *
 * A header entry is type, stored length, for compressed blobs the plain length, and the id; offsets are the
 * sum of what comes before.
 */

#include "repository/bytes.h"
#include "repository/crypto.h"

/* The type byte of a header. */
typedef enum BlobType { BLOB_DATA = 0, BLOB_TREE = 1 } BlobType;
#define BLOB_TYPES 2u

#define PACK_HEADER_MAX (16u << 20)
#define PACK_ENTRY_MAX 41u
#define PACK_TRAILER 4u

typedef struct PackBlob {
        BlobId id;
        BlobType type;
        uint32_t offset, length; /* stored */
        uint32_t plain_length;   /* 0: not compressed */
} PackBlob;

/* What it holds when it is opened. */
static inline uint64_t pack_blob_plain_size(uint32_t length, uint32_t plain_length) {
        return plain_length ?: length - CRYPTO_OVERHEAD;
}

/* One that is being filled. */
typedef struct Pack {
        Bytes bytes;
        PackBlob *blobs;
        size_t n_blobs, capacity;
} Pack;

void pack_clear(Pack *pack);
#define _cleanup_pack_ _cleanup_(pack_clear)

/* Takes in what is sealed already. @plain_length 0: not compressed. 0, -E2BIG, -ENOMEM. */
int pack_add(Pack *pack, BlobType type, const BlobId *id, const void *sealed, size_t size,
             uint32_t plain_length);
/* Adds the header. Nothing can be added any more. */
int pack_finish(Pack *pack, const CryptoKey *key);

/* What one blob takes in a header. */
static inline size_t pack_entry_size(uint32_t plain_length) {
        return plain_length ? 41 : 37;
}

/* How many bytes at the end of a pack the header and its length are, from its last four bytes. -EBADMSG. */
int pack_tail_size(const uint8_t trailer[static PACK_TRAILER], uint64_t pack_size, size_t *ret_size);
/*
 * pack_parse_tail() - read the header from these bytes
 * @ret_blobs: to be freed
 * Return: 0; -EBADMSG for what is damaged, or does not fill the pack; -ENOMEM.
 */
int pack_parse_tail(const CryptoKey *key, const uint8_t *tail, size_t size, uint64_t pack_size,
                    PackBlob **ret_blobs, size_t *ret_n);
/* The same for a header that has been opened. */
int pack_parse_header(const uint8_t *header, size_t size, uint64_t blobs_size, PackBlob **ret_blobs,
                      size_t *ret_n);
