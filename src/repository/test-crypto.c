/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Envelopes, keys, key files: published vectors, and that nothing opens that is not whole
 */

#include "repository/crypto.h"
#include "repository/keyfile.h"
#include "util/test.h"

static void hex(const char *text, uint8_t *bytes) {
        for (size_t i = 0; text[2 * i]; i++) {
                unsigned byte = 0;

                (void)sscanf(text + 2 * i, "%2x", &byte);
                bytes[i] = (uint8_t)byte;
        }
}

/* The first example of "The Poly1305-AES message-authentication code": what is sealed is its message. */
static void test_poly1305(void) {
        uint8_t sealed[34], plain[2];
        CryptoKey key = {};

        hex("ec074c835580741701425b623235add6", key.k);
        hex("851fc40c3467ac0be05cc20404f3f700", key.r);
        hex("fb447350c4e868c52ac3275cf9d4327ef3f6f4c633c3044fc145f84f335cb81953de", sealed);
        expect_int("the published tag is right", crypto_open(&key, sealed, sizeof(sealed), plain), 0);
        sealed[33] ^= 1;
        expect_int("another one is not", crypto_open(&key, sealed, sizeof(sealed), plain), -EBADMSG);
}

static void test_envelope(void) {
        const char text[] = "the quick brown fox";
        uint8_t sealed[sizeof(text) + CRYPTO_OVERHEAD], again[sizeof(sealed)], plain[sizeof(text)];
        bool refused = true;
        CryptoKey key;

        expect_int("a key is made", crypto_key_generate(&key), 0);
        expect_true("it is clamped", (key.r[3] & 0xf0) == 0 && (key.r[4] & 3) == 0);
        expect_int("seal", crypto_seal(&key, text, sizeof(text), sealed), 0);
        expect_int("seal again", crypto_seal(&key, text, sizeof(text), again), 0);
        expect_true("no two envelopes are alike", memcmp(sealed, again, sizeof(sealed)) != 0);
        expect_int("open", crypto_open(&key, sealed, sizeof(sealed), plain), 0);
        expect_str("what was sealed comes out", (char *)plain, text);
        for (size_t i = 0; i < sizeof(sealed); i++) {
                sealed[i] ^= 0x10;
                refused &= crypto_open(&key, sealed, sizeof(sealed), plain) == -EBADMSG;
                sealed[i] ^= 0x10;
        }
        expect_true("no byte can be changed", refused);
        expect_int("what is too short is refused", crypto_open(&key, sealed, 31, plain), -EBADMSG);
        memset(sealed, 0, 16);
        expect_int("so is a nonce of zeros", crypto_open(&key, sealed, sizeof(sealed), plain), -EBADMSG);
}

static void test_scrypt(void) {
        const ScryptParams params = { 16384, 8, 1 }, odd = { 16383, 8, 1 }, huge = { 1 << 20, 1024, 1 };
        uint8_t want[64];
        CryptoKey key, wanted;

        /* RFC 7914 */
        hex("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af"
            "9e61e85dc0d65"
            "1e40dfcf017b45575887",
            want);
        crypto_key_from_bytes(want, &wanted);
        expect_int("scrypt",
                   crypto_scrypt("pleaseletmein", 13, (const uint8_t *)"SodiumChloride", 14, &params, &key),
                   0);
        expect_true("gives the published key", memcmp(&key, &wanted, sizeof(key)) == 0);
        expect_int("N is a power of two", crypto_scrypt("a", 1, want, 64, &odd, &key), -EBADMSG);
        expect_int("memory has a limit", crypto_scrypt("a", 1, want, 64, &huge, &key), -EBADMSG);
}

static void test_keyfile(void) {
        const ScryptParams cheap = { 16, 8, 1 };
        _cleanup_bytes_ Bytes text = {};
        CryptoKey key, got = {};
        KeyFile file;

        (void)crypto_key_generate(&key);
        expect_int("a key file is made", keyfile_make(&key, "pass", 4, &cheap, &text), 0);
        expect_int("and read", keyfile_parse(text.data, text.size, &file), 0);
        expect_int("another password opens nothing", keyfile_open(&file, "past", 4, &got), -EKEYREJECTED);
        expect_true("and leaves nothing", got.encrypt[0] == 0 && got.encrypt[31] == 0);
        expect_int("the password opens it", keyfile_open(&file, "pass", 4, &got), 0);
        expect_true("to the same key", memcmp(&key, &got, sizeof(key)) == 0);
        expect_int("cut off it is none", keyfile_parse(text.data, text.size - 1, &file), -EBADMSG);
        expect_int("without anything, too", keyfile_parse("{}", 2, &file), -EBADMSG);
}

static void test_hash(void) {
        char text[BLOB_ID_TEXT];
        BlobId id, parsed;

        (void)crypto_sha256("abc", 3, &id);
        expect_str("SHA-256", blob_id_text(&id, text),
                   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        expect_int("a name is read", blob_id_parse(text, 64, &parsed), 0);
        expect_true("back", blob_id_equals(&id, &parsed));
        text[3] = 'A';
        expect_int("in lower case only", blob_id_parse(text, 64, &parsed), -EBADMSG);
        expect_int("and whole", blob_id_parse(text, 63, &parsed), -EBADMSG);
}

int main(void) {
        test_poly1305();
        test_envelope();
        test_scrypt();
        test_keyfile();
        test_hash();
        return test_end();
}
