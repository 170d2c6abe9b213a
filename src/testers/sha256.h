/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SHA-256 (FIPS 180-4), to tell whether a file is byte for byte what it was
 */

#include <stddef.h>
#include <stdint.h>

#define SHA256_TEXT_SIZE 65

typedef struct Sha256 {
        uint32_t state[8];
        uint64_t size;
        uint8_t block[64];
} Sha256;

void sha256_begin(Sha256 *sha);
void sha256_add(Sha256 *sha, const void *data, size_t n);
/* In hexadecimal digits. */
void sha256_end(Sha256 *sha, char ret_text[SHA256_TEXT_SIZE]);
/* @length bytes of an open file at @offset, added; fewer if it ends before. 0 or a negative errno. */
int sha256_add_file(Sha256 *sha, int fd, uint64_t offset, uint64_t length);
