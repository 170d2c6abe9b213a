/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names in a repository: the SHA-256 of what bears them
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOB_ID_SIZE 32u
#define BLOB_ID_TEXT 65u

typedef struct BlobId {
        uint8_t bytes[BLOB_ID_SIZE];
} BlobId;

static inline bool blob_id_equals(const BlobId *a, const BlobId *b) {
        return memcmp(a->bytes, b->bytes, BLOB_ID_SIZE) == 0;
}

/* Of what is a hash already, the first bytes are one. */
static inline uint64_t blob_id_hash(const BlobId *id) {
        uint64_t hash;

        memcpy(&hash, id->bytes, sizeof(hash));
        return hash;
}

/* 64 hexadecimal digits in lower case. Return: @text. */
const char *blob_id_text(const BlobId *id, char text[static BLOB_ID_TEXT]);
/* The reverse, of exactly @size bytes. 0 or -EBADMSG. */
int blob_id_parse(const char *text, size_t size, BlobId *ret_id);
