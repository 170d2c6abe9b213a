/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bytes that grow, and memory that is given back all at once
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/macro.h"

typedef struct Bytes {
        uint8_t *data;
        size_t size, capacity;
} Bytes;

void bytes_clear(Bytes *bytes);
#define _cleanup_bytes_ _cleanup_(bytes_clear)

/* Room for @more bytes behind what is there. 0 or -ENOMEM. */
int bytes_reserve(Bytes *bytes, size_t more);
/* The first memory of bytes that have none: at the beginning of a page, as direct I/O needs it. 0 or
 * -ENOMEM. */
int bytes_reserve_pages(Bytes *bytes, size_t size);
#define BYTES_PAGE 4096u
int bytes_append(Bytes *bytes, const void *data, size_t size);
int bytes_append_text(Bytes *bytes, const char *text);
int bytes_printf(Bytes *bytes, const char *format, ...) _printf_(2, 3);

/*
 * An arena: what belongs to one document, and goes with it
 */
typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
        ArenaBlock *blocks;
        size_t used, room; /* of the newest block */
} Arena;

void arena_clear(Arena *arena);
/* Zeroed, aligned for anything. NULL without memory. */
void *arena_alloc(Arena *arena, size_t size);
/* A copy with a NUL behind it, not aligned. */
char *arena_copy(Arena *arena, const void *data, size_t size);
/* What @from has belongs to @to afterwards. */
void arena_join(Arena *to, Arena *from);
