/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where files are cut: restic's content-defined chunks
 *
 * A Rabin fingerprint of the last 64 bytes over an irreducible polynomial of degree 53, which is the
 * repository's. A cut depends on bytes of its own chunk alone, so that looking for it may begin at any cut
 * that is known, and go on in several places at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_MIN (512u * 1024)
#define CHUNK_MAX (8u * 1024 * 1024)

typedef struct Chunker {
        uint64_t polynomial;
        uint64_t out[256], mod[256];
} Chunker;

/* -EBADMSG for a polynomial that is of another degree, or reducible. */
int chunker_init(Chunker *chunker, uint64_t polynomial);

/*
 * chunker_cut() - the length of the chunk that begins at @data
 * @known: lengths that have been looked at before are below; 0 at first
 * @last:  nothing follows @size bytes: the end of the file
 * Return: its length, or 0 if more bytes are needed. @size is at least 1.
 */
size_t chunker_cut(const Chunker *chunker, const uint8_t *data, size_t size, size_t known, bool last);

bool chunker_is_irreducible(uint64_t polynomial);
/* A new one, from random bits. 0 or a negative errno. */
int chunker_random_polynomial(uint64_t *ret_polynomial);
