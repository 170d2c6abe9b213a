/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Text as Go's encoding/json, strconv and time write it
 *
 * A tree's name is the hash of its text. Whoever writes the same directory with other escapes writes another
 * tree, and readers that encode again refuse it. So these are exact to the byte, and held against restic in
 * the tests.
 */

#include <stdbool.h>
#include <time.h>
#include "repository/bytes.h"

/* One character of UTF-8 as Go reads it. Return: its length; 1 with *@ret_rune UINT32_MAX for a byte that is
 * none. */
size_t go_decode_rune(const char *text, size_t size, uint32_t *ret_rune);
bool go_is_print(uint32_t rune);

/* A JSON string with its quotes. */
int go_append_json(Bytes *bytes, const char *text, size_t size);
/* strconv.Quote() without the outer quotes. */
int go_append_quoted(Bytes *bytes, const char *text, size_t size);
/* The reverse, in place: at most as long. 0 or -EBADMSG. */
int go_unquote(char *text, size_t size, size_t *ret_size);

/* RFC 3339 in UTC, no more digits than are needed; years beyond four digits are clamped. */
int go_append_time(Bytes *bytes, const struct timespec *time);
int go_parse_time(const char *text, size_t size, struct timespec *ret_time);

/* Standard base64, padded. */
int go_append_base64(Bytes *bytes, const void *data, size_t size);
int go_decode_base64(const char *text, size_t size, Bytes *ret_bytes);

extern const uint32_t printable_ranges[][2];
extern const size_t n_printable_ranges;
