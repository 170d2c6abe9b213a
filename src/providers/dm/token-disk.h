/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Superblocks and logs as they lie on the disk; what only the mount token needs of them
 */

#include "providers/dm/token.h"

/* What is read at once, at most. */
#define TOKEN_READ_MAX (64u * 1024)

int token_ext_parse(const TokenReader *reader, TokenState *ret_state);
int token_xfs_parse(const TokenReader *reader, TokenState *ret_state);

/* FNV-1a, to tell what is the same from what is not; nobody gains by a collision who can write to the disk
 * anyway. */
#define TOKEN_DIGEST_BEGIN UINT64_C(0xcbf29ce484222325)
static inline uint64_t token_digest(uint64_t digest, const void *data, size_t size) {
        const uint8_t *at = data;

        for (size_t i = 0; i < size; i++)
                digest = (digest ^ at[i]) * UINT64_C(0x100000001b3);
        return digest;
}
