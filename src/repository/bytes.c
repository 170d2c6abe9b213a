/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes that grow, and memory that is given back all at once
 */

#include <stdarg.h>
#include <string.h>
#include "repository/bytes.h"

#define CAPACITY_MIN 256u
#define BLOCK_FIRST 1024u
#define BLOCK_LARGEST (256u * 1024)
#define ALIGNMENT 16u

struct ArenaBlock {
        ArenaBlock *next;
        size_t size;
        uint8_t data[] __attribute__((__aligned__(ALIGNMENT)));
};

void bytes_clear(Bytes *bytes) {
        free(bytes->data);
        *bytes = (Bytes){};
}

int bytes_reserve(Bytes *bytes, size_t more) {
        size_t needed, capacity = MAX(bytes->capacity, (size_t)CAPACITY_MIN);
        uint8_t *data;

        if (__builtin_add_overflow(bytes->size, more, &needed) || needed > SIZE_MAX / 4)
                return -ENOMEM;
        if (needed <= bytes->capacity)
                return 0;
        while (capacity < needed)
                capacity += capacity / 2;
        data = realloc(bytes->data, capacity);
        if (!data)
                return -ENOMEM;
        bytes->data = data;
        bytes->capacity = capacity;
        return 0;
}

int bytes_reserve_pages(Bytes *bytes, size_t size) {
        size_t capacity = (size + BYTES_PAGE - 1) / BYTES_PAGE * BYTES_PAGE;

        bytes->data = aligned_alloc(BYTES_PAGE, capacity);
        bytes->capacity = bytes->data ? capacity : 0;
        return bytes->data ? 0 : -ENOMEM;
}

int bytes_append(Bytes *bytes, const void *data, size_t size) {
        if (size == 0)
                return 0;
        if (bytes_reserve(bytes, size) < 0)
                return -ENOMEM;
        memcpy(bytes->data + bytes->size, data, size);
        bytes->size += size;
        return 0;
}

int bytes_append_text(Bytes *bytes, const char *text) {
        return bytes_append(bytes, text, strlen(text));
}

int bytes_printf(Bytes *bytes, const char *format, ...) {
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (n < 0)
                return -EINVAL;
        if (bytes_reserve(bytes, (size_t)n + 1) < 0)
                return -ENOMEM;
        va_start(args, format);
        (void)vsnprintf((char *)bytes->data + bytes->size, (size_t)n + 1, format, args);
        va_end(args);
        bytes->size += (size_t)n;
        return 0;
}

void arena_clear(Arena *arena) {
        while (arena->blocks) {
                ArenaBlock *next = arena->blocks->next;

                free(arena->blocks);
                arena->blocks = next;
        }
        *arena = (Arena){};
}

static void *take(Arena *arena, size_t size) {
        void *taken;

        if (arena->room - arena->used < size) {
                size_t wanted = arena->blocks ? MIN(arena->room * 2, (size_t)BLOCK_LARGEST) : BLOCK_FIRST;
                ArenaBlock *block;

                wanted = MAX(wanted, size);
                block = malloc(sizeof(*block) + wanted);
                if (!block)
                        return NULL;
                *block = (ArenaBlock){ .next = arena->blocks, .size = wanted };
                arena->blocks = block;
                arena->used = 0;
                arena->room = wanted;
        }
        taken = arena->blocks->data + arena->used;
        arena->used += size;
        return taken;
}

void *arena_alloc(Arena *arena, size_t size) {
        void *taken;

        if (size > SIZE_MAX / 2)
                return NULL;
        /* Behind text, which is not aligned. */
        arena->used = MIN((arena->used + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, arena->room);
        taken = take(arena, size);
        return taken ? memset(taken, 0, size) : NULL;
}

char *arena_copy(Arena *arena, const void *data, size_t size) {
        char *copy = size > SIZE_MAX / 2 ? NULL : take(arena, size + 1);

        if (!copy)
                return NULL;
        if (size > 0)
                memcpy(copy, data, size);
        copy[size] = '\0';
        return copy;
}

void arena_join(Arena *to, Arena *from) {
        ArenaBlock *last = from->blocks;

        if (!last)
                return;
        while (last->next)
                last = last->next;
        /* Behind the newest block of @to, which goes on being filled. */
        if (to->blocks) {
                last->next = to->blocks->next;
                to->blocks->next = from->blocks;
        } else {
                *to = *from;
        }
        *from = (Arena){};
}
