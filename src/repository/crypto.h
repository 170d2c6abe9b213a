/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Envelopes: AES-256-CTR with Poly1305-AES, as the repository's format has them
 *
 *     nonce (16) || AES-256-CTR (plain) || tag (16)
 *
 * The tag is over the ciphertext alone; the nonce is bound by the one-time key. Each thread has cipher
 * contexts of its own, made when it first needs them.
 */

#include <stddef.h>
#include <stdint.h>
#include "repository/blob-id.h"

#define CRYPTO_OVERHEAD 32u
/* Where the ciphertext begins. */
#define CRYPTO_NONCE 16u
#define CRYPTO_KEY_SIZE 64u

typedef struct CryptoKey {
        uint8_t encrypt[32];
        uint8_t k[16], r[16]; /* of the tag */
} CryptoKey;

/* Into @sealed, which has room for @size + CRYPTO_OVERHEAD bytes. @plain stands elsewhere, or at its place in it
 * already: at CRYPTO_NONCE. 0, -EIO, -ENOMEM. */
int crypto_seal(const CryptoKey *key, const void *plain, size_t size, uint8_t *sealed);
/* The reverse, into room for @size - CRYPTO_OVERHEAD bytes. -EBADMSG for what was not sealed with this key.
 */
int crypto_open(const CryptoKey *key, const void *sealed, size_t size, uint8_t *plain);

int crypto_sha256(const void *data, size_t size, BlobId *ret_id);

/* @size random bytes. 0 or -EIO. */
int crypto_random(void *data, size_t size);

/* A key for data from a password's 64 bytes of scrypt, and the bytes of a key. */
void crypto_key_from_bytes(const uint8_t bytes[static CRYPTO_KEY_SIZE], CryptoKey *ret_key);
int crypto_key_generate(CryptoKey *ret_key);

/* What a key file may ask for: memory and time are the reader's. */
#define SCRYPT_N_MAX (1u << 20)
#define SCRYPT_MEMORY_MAX (1u << 30)

typedef struct ScryptParams {
        uint64_t n, r, p;
} ScryptParams;

/* -EBADMSG for parameters that are none, or too much. */
int crypto_scrypt(const void *password, size_t password_size, const uint8_t *salt, size_t salt_size,
                  const ScryptParams *params, CryptoKey *ret_key);

/* Overwrites what is secret; the compiler keeps it. */
void crypto_forget(void *data, size_t size);
