/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Envelopes, hashes and keys
 *
 * Fetching an algorithm of libcrypto is slow and setting a context up is not free, so both are kept:
 * algorithms for the process, contexts for each thread until it ends.
 */

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>
#include "repository/crypto.h"
#include "util/macro.h"

#define NONCE_SIZE CRYPTO_NONCE
#define TAG_SIZE 16u

typedef struct Contexts {
        EVP_CIPHER_CTX *stream, *block;
        EVP_MAC_CTX *mac;
        EVP_MD_CTX *hash;
} Contexts;

static struct {
        EVP_CIPHER *stream, *block;
        EVP_MAC *mac;
        EVP_MD *hash;
        pthread_key_t key;
        bool usable;
} algorithms;

static __thread Contexts *contexts;

static void contexts_free(void *userdata) {
        Contexts *c = userdata;

        if (!c)
                return;
        EVP_CIPHER_CTX_free(c->stream);
        EVP_CIPHER_CTX_free(c->block);
        EVP_MAC_CTX_free(c->mac);
        EVP_MD_CTX_free(c->hash);
        free(c);
}

static void fetch_algorithms(void) {
        algorithms.stream = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
        algorithms.block = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
        algorithms.mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
        algorithms.hash = EVP_MD_fetch(NULL, "SHA256", NULL);
        algorithms.usable = algorithms.stream && algorithms.block && algorithms.mac && algorithms.hash &&
                            pthread_key_create(&algorithms.key, contexts_free) == 0;
}

static Contexts *get_contexts(void) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        Contexts *c;

        if (contexts)
                return contexts;
        (void)pthread_once(&once, fetch_algorithms);
        c = algorithms.usable ? calloc(1, sizeof(*c)) : NULL;
        if (!c)
                return NULL;
        c->stream = EVP_CIPHER_CTX_new();
        c->block = EVP_CIPHER_CTX_new();
        c->mac = EVP_MAC_CTX_new(algorithms.mac);
        c->hash = EVP_MD_CTX_new();
        if (!c->stream || !c->block || !c->mac || !c->hash || pthread_setspecific(algorithms.key, c) != 0) {
                contexts_free(c);
                return NULL;
        }
        contexts = c;
        return c;
}

/* Lengths of libcrypto are int: what is larger is none of ours. */
static int run_stream(Contexts *c, const CryptoKey *key, const uint8_t *nonce, const void *in, size_t size,
                      uint8_t *out) {
        int n = 0;

        if (size > INT32_MAX)
                return -EFBIG;
        if (EVP_EncryptInit_ex2(c->stream, algorithms.stream, key->encrypt, nonce, NULL) != 1 ||
            EVP_EncryptUpdate(c->stream, out, &n, in, (int)size) != 1 || (size_t)n != size)
                return -EIO;
        return 0;
}

static int make_tag(Contexts *c, const CryptoKey *key, const uint8_t *nonce, const uint8_t *cipher,
                    size_t size, uint8_t ret_tag[static TAG_SIZE]) {
        uint8_t one_time[32];
        size_t tag_size = 0;
        int n = 0;

        /* r is clamped by the MAC itself. */
        memcpy(one_time, key->r, 16);
        if (EVP_EncryptInit_ex2(c->block, algorithms.block, key->k, NULL, NULL) != 1 ||
            EVP_CIPHER_CTX_set_padding(c->block, 0) != 1 ||
            EVP_EncryptUpdate(c->block, one_time + 16, &n, nonce, NONCE_SIZE) != 1 || n != 16)
                return -EIO;
        if (EVP_MAC_init(c->mac, one_time, sizeof(one_time), NULL) != 1 ||
            EVP_MAC_update(c->mac, cipher, size) != 1 ||
            EVP_MAC_final(c->mac, ret_tag, &tag_size, TAG_SIZE) != 1 || tag_size != TAG_SIZE)
                return -EIO;
        crypto_forget(one_time, sizeof(one_time));
        return 0;
}

int crypto_seal(const CryptoKey *key, const void *plain, size_t size, uint8_t *sealed) {
        Contexts *c = get_contexts();
        int r;

        if (!c)
                return -ENOMEM;
        r = crypto_random(sealed, NONCE_SIZE);
        if (r == 0)
                r = run_stream(c, key, sealed, plain, size, sealed + NONCE_SIZE);
        return r < 0 ? r : make_tag(c, key, sealed, sealed + NONCE_SIZE, size, sealed + NONCE_SIZE + size);
}

int crypto_open(const CryptoKey *key, const void *sealed, size_t size, uint8_t *plain) {
        static const uint8_t no_nonce[NONCE_SIZE];
        Contexts *c = get_contexts();
        const uint8_t *nonce = sealed, *cipher = nonce + NONCE_SIZE;
        uint8_t tag[TAG_SIZE];
        int r;

        if (!c)
                return -ENOMEM;
        if (size < CRYPTO_OVERHEAD || memcmp(nonce, no_nonce, NONCE_SIZE) == 0)
                return -EBADMSG;
        size -= CRYPTO_OVERHEAD;
        r = make_tag(c, key, nonce, cipher, size, tag);
        if (r < 0)
                return r;
        if (CRYPTO_memcmp(tag, cipher + size, TAG_SIZE) != 0)
                return -EBADMSG;
        return run_stream(c, key, nonce, cipher, size, plain);
}

int crypto_sha256(const void *data, size_t size, BlobId *ret_id) {
        Contexts *c = get_contexts();
        BlobId id;
        unsigned n = 0;

        if (!c)
                return -ENOMEM;
        if (EVP_DigestInit_ex2(c->hash, algorithms.hash, NULL) != 1 ||
            EVP_DigestUpdate(c->hash, data, size) != 1 || EVP_DigestFinal_ex(c->hash, id.bytes, &n) != 1 ||
            n != BLOB_ID_SIZE)
                return -EIO;
        *ret_id = id;
        return 0;
}

int crypto_random(void *data, size_t size) {
        return RAND_bytes(data, (int)size) == 1 ? 0 : -EIO;
}

void crypto_forget(void *data, size_t size) {
        OPENSSL_cleanse(data, size);
}

void crypto_key_from_bytes(const uint8_t bytes[static CRYPTO_KEY_SIZE], CryptoKey *ret_key) {
        memcpy(ret_key->encrypt, bytes, 32);
        memcpy(ret_key->k, bytes + 32, 16);
        memcpy(ret_key->r, bytes + 48, 16);
}

int crypto_key_generate(CryptoKey *ret_key) {
        /* Written as it is used: clamped (Poly1305). */
        static const uint8_t mask[16] = { 255, 255, 255, 15, 252, 255, 255, 15,
                                          252, 255, 255, 15, 252, 255, 255, 15 };
        uint8_t bytes[CRYPTO_KEY_SIZE];
        int r = crypto_random(bytes, sizeof(bytes));

        if (r < 0)
                return r;
        crypto_key_from_bytes(bytes, ret_key);
        for (unsigned i = 0; i < 16; i++)
                ret_key->r[i] &= mask[i];
        crypto_forget(bytes, sizeof(bytes));
        return 0;
}

int crypto_scrypt(const void *password, size_t password_size, const uint8_t *salt, size_t salt_size,
                  const ScryptParams *params, CryptoKey *ret_key) {
        uint8_t bytes[CRYPTO_KEY_SIZE];
        uint64_t memory;

        if (params->n < 2 || params->n > SCRYPT_N_MAX || (params->n & (params->n - 1)) != 0 ||
            params->r < 1 || params->r > 1024 || params->p < 1 || params->p > 1024)
                return -EBADMSG;
        memory = 128 * params->r * (params->n + params->p + 2);
        if (memory > SCRYPT_MEMORY_MAX || params->n * params->r * params->p > (UINT64_C(1) << 28))
                return -EBADMSG;
        if (EVP_PBE_scrypt(password, password_size, salt, salt_size, params->n, params->r, params->p,
                           memory + (1u << 20), bytes, sizeof(bytes)) != 1)
                return -EIO;
        crypto_key_from_bytes(bytes, ret_key);
        crypto_forget(bytes, sizeof(bytes));
        return 0;
}
