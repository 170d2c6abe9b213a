/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sizes as people write and read them
 */

#include <stdbool.h>
#include <stdint.h>

#define SIZE_UNLIMITED UINT64_MAX

typedef struct Size {
        uint64_t bytes;   /* SIZE_UNLIMITED: "unlimited" */
        uint64_t percent; /* in hundredths; of something else. 0: the bytes count */
} Size;

/* "10G", "1.5 TiB", "500 MB", "4096", "15%", "unlimited". K, M, G, T, P are powers of 1024, with or without
 * "iB"; KB, MB,
 * ... are powers of 1000. Return: 0; -EINVAL: no size; -ERANGE: too large, or more than 100 percent. */
int size_parse(const char *text, Size *ret_size);
/* Of @whole bytes. */
uint64_t size_bytes(const Size *size, uint64_t whole);

/* "512 B", "1.5 GiB"; "-" for less than 0. Return: @buffer. */
#define SIZE_TEXT 32u
const char *format_size(int64_t bytes, char buffer[SIZE_TEXT]);
