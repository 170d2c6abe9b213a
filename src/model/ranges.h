/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ranges of a file: which bytes of it belong to a backup
 *
 * Pure. As text they are "offset:length, offset:length", each number decimal or 0x...; or "File=path" names
 * a file that holds them in binary form: their count, then offset and length of each, all 64-bit
 * little-endian.
 */

#include <stddef.h>
#include "model/why.h"

/* Ranges in a text and in a ranges file; bytes of a text. */
#define RANGES_TEXT_MAX 65536u
#define RANGES_BINARY_MAX (4u << 20)
#define RANGES_TEXT_SIZE_MAX (4u << 20)

typedef struct Range {
        uint64_t offset, length;
} Range;

/* The path of a "File=path" text, borrowed; NULL if it is none. */
const char *ranges_file(const char *text);
/**
 * ranges_parse() - ranges of a text that is not "File=path"
 *
 * Their order is kept. A text of blanks only has no ranges.
 *
 * Return: VSS_S_OK with an array that the caller frees; VSS_E_INVALIDARG for other texts, too many ranges,
 * one that ends beyond 2^64 - 1, or two that overlap; VSS_E_OUTOFMEMORY.
 */
vss_result ranges_parse(const char *text, Range **ret_ranges, size_t *ret_n, Why *why);
/* The same from a ranges file; bytes behind the last range are an error. */
vss_result ranges_parse_binary(const uint8_t *data, size_t size, Range **ret_ranges, size_t *ret_n,
                               Why *why);
/* "offset:length, ..." in decimal. Return: 0, -ENOMEM. */
int ranges_format(const Range *ranges, size_t n, char **ret_text);
/* A ranges file. Return: 0, -E2BIG, -ENOMEM. */
int ranges_format_binary(const Range *ranges, size_t n, uint8_t **ret_data, size_t *ret_size);
/* Is this a text of ranges, or a "File=" with an absolute path? Return: VSS_S_OK or as ranges_parse(). */
vss_result ranges_check(const char *text, Why *why);
