/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Key files
 */

#include <pwd.h>
#include <string.h>
#include "repository/go-text.h"
#include "repository/pull.h"
#include "repository/keyfile.h"

#define NAME_SIZE 256u

const ScryptParams key_params_default = { .n = 32768, .r = 8, .p = 5 };

/* Base64 of exactly @size bytes. */
static int read_exactly(Pull *pull, void *to, size_t size) {
        _cleanup_bytes_ Bytes bytes = {};
        size_t n;
        const char *text = pull_plain(pull, &n);
        int r = go_decode_base64(text, n, &bytes);

        if (r < 0)
                return r;
        if (bytes.size != size)
                return -EBADMSG;
        memcpy(to, bytes.data, size);
        crypto_forget(bytes.data, bytes.size);
        return 0;
}

static int read_data(Pull *pull, KeyFile *file) {
        _cleanup_bytes_ Bytes bytes = {};
        size_t n;
        const char *text = pull_plain(pull, &n);
        int r = go_decode_base64(text, n, &bytes);

        if (r < 0)
                return r;
        if (bytes.size > KEY_DATA_MAX || bytes.size < CRYPTO_OVERHEAD)
                return -EBADMSG;
        memcpy(file->data, bytes.data, bytes.size);
        file->data_size = bytes.size;
        return 0;
}

int keyfile_parse(const void *text, size_t size, KeyFile *ret_file) {
        char key[PULL_KEY_SIZE];
        KeyFile file = {};
        bool kdf = false, salt = false;
        size_t n;
        Pull pull;
        int r = 0;

        pull_init(&pull, text, size);
        pull_object(&pull);
        while (r == 0 && pull_member(&pull, key)) {
                if (strcmp(key, "kdf") == 0) {
                        const char *name = pull_plain(&pull, &n);

                        kdf = n == 6 && memcmp(name, "scrypt", 6) == 0;
                } else if (strcmp(key, "N") == 0) {
                        file.params.n = pull_unsigned(&pull);
                } else if (strcmp(key, "r") == 0) {
                        file.params.r = pull_unsigned(&pull);
                } else if (strcmp(key, "p") == 0) {
                        file.params.p = pull_unsigned(&pull);
                } else if (strcmp(key, "salt") == 0) {
                        r = read_exactly(&pull, file.salt, KEY_SALT_SIZE);
                        salt = r == 0;
                } else if (strcmp(key, "data") == 0) {
                        r = read_data(&pull, &file);
                } else {
                        pull_skip(&pull);
                }
        }
        if (r == 0)
                r = pull_end(&pull);
        if (r < 0 || !kdf || !salt || file.data_size == 0)
                return r == -ENOMEM ? r : -EBADMSG;
        *ret_file = file;
        return 0;
}

/* {"mac":{"k":"","r":""},"encrypt":""} */
static int parse_key(const void *text, size_t size, CryptoKey *ret_key) {
        char name[PULL_KEY_SIZE];
        CryptoKey key = {};
        unsigned found = 0;
        Pull pull;
        int r = 0;

        pull_init(&pull, text, size);
        pull_object(&pull);
        while (r == 0 && pull_member(&pull, name)) {
                if (strcmp(name, "encrypt") == 0) {
                        r = read_exactly(&pull, key.encrypt, sizeof(key.encrypt));
                        found |= 1;
                } else if (strcmp(name, "mac") == 0) {
                        pull_object(&pull);
                        while (r == 0 && pull_member(&pull, name)) {
                                if (strcmp(name, "k") == 0) {
                                        r = read_exactly(&pull, key.k, sizeof(key.k));
                                        found |= 2;
                                } else if (strcmp(name, "r") == 0) {
                                        r = read_exactly(&pull, key.r, sizeof(key.r));
                                        found |= 4;
                                } else {
                                        pull_skip(&pull);
                                }
                        }
                } else {
                        pull_skip(&pull);
                }
        }
        if (r == 0)
                r = pull_end(&pull);
        if (r == 0 && found == 7)
                *ret_key = key;
        else if (r != -ENOMEM)
                r = -EBADMSG;
        crypto_forget(&key, sizeof(key));
        return r;
}

int keyfile_open(const KeyFile *file, const void *password, size_t password_size, CryptoKey *ret_key) {
        uint8_t plain[KEY_DATA_MAX];
        CryptoKey user;
        int r = crypto_scrypt(password, password_size, file->salt, KEY_SALT_SIZE, &file->params, &user);

        if (r < 0)
                return r;
        r = crypto_open(&user, file->data, file->data_size, plain);
        if (r == -EBADMSG)
                r = -EKEYREJECTED;
        if (r == 0)
                r = parse_key(plain, file->data_size - CRYPTO_OVERHEAD, ret_key);
        crypto_forget(plain, sizeof(plain));
        crypto_forget(&user, sizeof(user));
        return r;
}

/* Appended: ,"NAME":"base64" */
static int append_secret(Bytes *bytes, const char *before, const void *data, size_t size) {
        int r = bytes_append_text(bytes, before);

        if (r == 0)
                r = go_append_base64(bytes, data, size);
        return r < 0 ? r : bytes_append(bytes, "\"", 1);
}

static int seal_key(const CryptoKey *key, const CryptoKey *user, Bytes *ret_sealed) {
        _cleanup_bytes_ Bytes text = {};
        int r = append_secret(&text, "{\"mac\":{\"k\":\"", key->k, sizeof(key->k));

        if (r == 0)
                r = append_secret(&text, ",\"r\":\"", key->r, sizeof(key->r));
        if (r == 0)
                r = append_secret(&text, "},\"encrypt\":\"", key->encrypt, sizeof(key->encrypt));
        if (r == 0)
                r = bytes_append(&text, "}", 1);
        if (r == 0)
                r = bytes_reserve(ret_sealed, text.size + CRYPTO_OVERHEAD);
        if (r == 0)
                r = crypto_seal(user, text.data, text.size, ret_sealed->data);
        if (r == 0)
                ret_sealed->size = text.size + CRYPTO_OVERHEAD;
        if (text.data)
                crypto_forget(text.data, text.size);
        return r;
}

static int append_whose(Bytes *text) {
        struct timespec now;
        struct passwd *user = getpwuid(geteuid());
        char host[NAME_SIZE] = "";
        int r = bytes_append_text(text, "{\"created\":\"");

        (void)clock_gettime(CLOCK_REALTIME, &now);
        (void)gethostname(host, sizeof(host) - 1);
        if (r == 0)
                r = go_append_time(text, &now);
        if (r == 0)
                r = bytes_append_text(text, "\",\"username\":");
        if (r == 0)
                r = go_append_json(text, user ? user->pw_name : "", user ? strlen(user->pw_name) : 0);
        if (r == 0)
                r = bytes_append_text(text, ",\"hostname\":");
        return r < 0 ? r : go_append_json(text, host, strlen(host));
}

int keyfile_make(const CryptoKey *key, const void *password, size_t password_size,
                 const ScryptParams *params, Bytes *ret_text) {
        _cleanup_bytes_ Bytes text = {}, sealed = {};
        uint8_t salt[KEY_SALT_SIZE];
        CryptoKey user;
        int r = crypto_random(salt, sizeof(salt));

        if (r == 0)
                r = crypto_scrypt(password, password_size, salt, sizeof(salt), params, &user);
        if (r < 0)
                return r;
        r = seal_key(key, &user, &sealed);
        crypto_forget(&user, sizeof(user));
        if (r == 0)
                r = append_whose(&text);
        if (r == 0)
                r = bytes_printf(&text, ",\"kdf\":\"scrypt\",\"N\":%llu,\"r\":%llu,\"p\":%llu,\"salt\":\"",
                                 (unsigned long long)params->n, (unsigned long long)params->r,
                                 (unsigned long long)params->p);
        if (r == 0)
                r = go_append_base64(&text, salt, sizeof(salt));
        if (r == 0)
                r = append_secret(&text, "\",\"data\":\"", sealed.data, sealed.size);
        if (r == 0)
                r = bytes_append(&text, "}", 1);
        if (r < 0)
                return r;
        *ret_text = text;
        text = (Bytes){};
        return 0;
}
