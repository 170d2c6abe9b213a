/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * scrypt (RFC 7914), several parts at a time
 */

#include <stddef.h>
#include <stdint.h>

/*
 * scrypt_derive() - a key from a password
 * @n: a power of two; @n, @r and @p are within what the caller allows
 * Takes half of the memory that the definition asks for, for each of at most two threads. 0, -ENOMEM or
 * -EIO.
 */
int scrypt_derive(const void *password, size_t password_size, const uint8_t *salt, size_t salt_size,
                  uint64_t n, uint64_t r, uint64_t p, uint8_t *key, size_t key_size);
