/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SHA-256 (FIPS 180-4)
 */

#include <stdio.h>
#include <string.h>
#include "testers/sha256.h"
#include "util/macro.h"

#define READ_SIZE (64u * 1024)

static const uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n) {
        return x >> n | x << (32 - n);
}

static void add_block(Sha256 *sha, const uint8_t *block) {
        uint32_t w[64], s[8];

        for (unsigned i = 0; i < 16; i++)
                w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
        for (unsigned i = 16; i < 64; i++) {
                uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
                uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

                w[i] = w[i - 16] + a + w[i - 7] + b;
        }
        memcpy(s, sha->state, sizeof(s));
        for (unsigned i = 0; i < 64; i++) {
                uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
                uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
                uint32_t a = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice +
                             constants[i] + w[i];
                uint32_t b = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;

                memmove(s + 1, s, 7 * sizeof(*s));
                s[4] += a;
                s[0] = a + b;
        }
        for (unsigned i = 0; i < 8; i++)
                sha->state[i] += s[i];
}

void sha256_begin(Sha256 *sha) {
        static const uint32_t begin[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

        *sha = (Sha256){ 0 };
        memcpy(sha->state, begin, sizeof(begin));
}

void sha256_add(Sha256 *sha, const void *data, size_t n) {
        const uint8_t *bytes = data;

        while (n > 0) {
                size_t used = sha->size % 64, k = MIN(n, 64 - used);

                memcpy(sha->block + used, bytes, k);
                sha->size += k;
                bytes += k;
                n -= k;
                if (used + k == 64)
                        add_block(sha, sha->block);
        }
}

void sha256_end(Sha256 *sha, char ret_text[SHA256_TEXT_SIZE]) {
        uint64_t bits = sha->size * 8;
        uint8_t length[8];

        for (unsigned i = 0; i < 8; i++)
                length[i] = (uint8_t)(bits >> (56 - 8 * i));
        sha256_add(sha, "\x80", 1);
        while (sha->size % 64 != 56)
                sha256_add(sha, "", 1);
        sha256_add(sha, length, sizeof(length));
        for (unsigned i = 0; i < 8; i++)
                (void)snprintf(ret_text + 8 * i, 9, "%08x", sha->state[i]);
}

int sha256_add_file(Sha256 *sha, int fd, uint64_t offset, uint64_t length) {
        _cleanup_(freep) char *block = malloc(READ_SIZE);

        if (!block)
                return -ENOMEM;
        if (offset > INT64_MAX)
                return -EOVERFLOW;
        while (length > 0) {
                ssize_t n = pread(fd, block, MIN(length, (uint64_t)READ_SIZE), (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                sha256_add(sha, block, (size_t)n);
                offset += (uint64_t)n;
                length -= (uint64_t)n;
        }
        return 0;
}
