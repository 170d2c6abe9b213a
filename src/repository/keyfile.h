/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Key files: the repository's key, sealed with a password
 *
 * {"created":T,"username":"","hostname":"","kdf":"scrypt","N":32768,"r":8,"p":7,"salt":"...","data":"..."}
 */

#include "repository/bytes.h"
#include "repository/crypto.h"

#define KEY_SALT_SIZE 64u
#define KEY_DATA_MAX 4096u

typedef struct KeyFile {
        ScryptParams params;
        uint8_t salt[KEY_SALT_SIZE];
        uint8_t data[KEY_DATA_MAX]; /* sealed */
        size_t data_size;
} KeyFile;

/* What a password costs whoever guesses it; tests take less. */
extern const ScryptParams key_params_default;

int keyfile_parse(const void *text, size_t size, KeyFile *ret_file);
/* -EKEYREJECTED if the password is another one; -EBADMSG for a file that is damaged. */
int keyfile_open(const KeyFile *file, const void *password, size_t password_size, CryptoKey *ret_key);
/* The text of a new one. */
int keyfile_make(const CryptoKey *key, const void *password, size_t password_size,
                 const ScryptParams *params, Bytes *ret_text);
