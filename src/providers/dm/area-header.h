/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The header of a difference area: pure encoding and decoding
 *
 * An area is a file (area.h) whose first blocks, the header, are no store. They hold what the shadow copy
 * is. Numbers are little-endian.
 *
 *     0      root, 512 bytes, written once and through the file system, so that the same bytes are found
 *            in the file and on the device under it
 *                0   8  "LVSSAREA"
 *                8   4  version (1)
 *               12   4  bytes of the header
 *               16  36  id of the shadow copy
 *               52  36  UUID of the file system that holds the area
 *               88  32  random, to tell this root from any other block
 *              508   4  CRC-32C of what is before it
 *     4096   token, 512 bytes: one sector, so that it is the old or the new one
 *                0   8  "LVSSTOKN"
 *                8   4  bytes of text
 *               12   n  the text (token.h)
 *              508   4  CRC-32C
 *     8192   two records, each half of what is left, whole blocks; the valid one with the higher sequence
 *            counts, and the other is written next
 *                0   8  "LVSSRCRD"
 *                8   8  sequence
 *               16   4  bytes of identity
 *               20   4  extents
 *               24   4  CRC-32C of the record with these four bytes 0
 *               32   n  the identity, JSON (providers/common/info.h)
 *               ..  16  for each extent: 8 physical, 8 length, in bytes; aligned to 8
 *
 * The extents are the whole area's, header included, as they were on the device when they were recorded.
 * They are recorded for persistent copies: before the file system has replayed its journal they may not be
 * found otherwise.
 *
 * Everything that is decoded may come from anywhere. Functions return 0 or a negative errno: -EBADMSG for
 * what is no header, -EPROTONOSUPPORT for a newer version, -ENOSPC for what does not fit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/value.h"

#define AREA_BLOCK 4096u
#define AREA_HEADER_MIN 65536u
#define AREA_HEADER_MAX (4u << 20)
#define AREA_ROOT_SIZE 512u
#define AREA_TOKEN_AT 4096u
#define AREA_TOKEN_SIZE 512u
#define AREA_RECORDS_AT 8192u
#define AREA_NONCE_SIZE 32u
#define AREA_TOKEN_TEXT_MAX 400u
#define AREA_EXTENTS_MAX 65536u

typedef struct AreaExtent {
        uint64_t physical, length; /* in bytes, multiples of 512 */
} AreaExtent;

typedef struct AreaRoot {
        char id[VSS_ID_SIZE];         /* of the shadow copy */
        char filesystem[VSS_ID_SIZE]; /* UUID of the file system that holds the area */
        uint32_t size;                /* bytes of the header */
        uint8_t nonce[AREA_NONCE_SIZE];
} AreaRoot;

typedef struct AreaHeader {
        AreaRoot root;
        uint64_t sequence; /* of the record; 0: there is none that is valid */
        vss_value *info;   /* the identity; NULL if there is no valid record */
        AreaExtent *extents;
        size_t n_extents;
        char token[AREA_TOKEN_TEXT_MAX + 1]; /* "": none, or none that is valid */
} AreaHeader;

void area_header_done(AreaHeader *header);
#define _cleanup_area_header_ _cleanup_(area_header_done)

/* How large a header must be for an identity and extents, with room for both to grow; a multiple of
 * AREA_HEADER_MIN. */
int area_header_size(size_t identity, size_t n_extents, uint32_t *ret_size);

void area_header_encode_root(const AreaRoot *root, uint8_t ret_sector[static AREA_ROOT_SIZE]);
int area_header_decode_root(const uint8_t sector[static AREA_ROOT_SIZE], AreaRoot *ret_root);

/* The token's sector; "" erases it. */
int area_header_encode_token(const char *text, uint8_t ret_sector[static AREA_TOKEN_SIZE]);
int area_header_decode_token(const uint8_t sector[static AREA_TOKEN_SIZE],
                             char ret_text[static AREA_TOKEN_TEXT_MAX + 1]);

/* Where the record of a sequence lies in the header; the size is a multiple of AREA_BLOCK. */
void area_header_record_place(uint32_t header_size, uint64_t sequence, uint32_t *ret_at, uint32_t *ret_size);
/* @header's info, extents and sequence (not 0) as the record of @size bytes. */
int area_header_encode_record(const AreaHeader *header, uint8_t *record, uint32_t size);

/*
 * area_header_decode() - the whole header
 * One without a valid record is decoded, too, with info NULL: a crash in its making left it.
 */
int area_header_decode(const uint8_t *data, size_t size, AreaHeader *ret_header);
