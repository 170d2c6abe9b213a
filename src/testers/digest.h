/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SHA-256 of a file or of ranges of it, to tell whether it is byte for byte what it was
 */

#include <stdint.h>

#define DIGEST_TEXT_SIZE 65

typedef struct evp_md_ctx_st Digest;

/* -ENOMEM. */
int digest_new(Digest **ret_digest);
Digest *digest_free(Digest *digest);
/* @length bytes of an open file at @offset, added; fewer if it ends before. 0 or a negative errno. */
int digest_add_file(Digest *digest, int fd, uint64_t offset, uint64_t length);
/* In hexadecimal digits. 0 or a negative errno. */
int digest_end(Digest *digest, char ret_text[DIGEST_TEXT_SIZE]);
