/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Frames between vss and vss-bridge
 */

#include <string.h>
#include "bridge/frame.h"

#define QUEUE_MIN 4096u
#define LENGTH_SIZE 4u

/* So that whatever else a login or another program says first is known for what it is. */
static const char magic[8] = { 'v', 's', 's', '-', 'b', 'r', 'd', 'g' };

void queue_clear(Queue *queue) {
        free(queue->data);
        *queue = (Queue){};
}

/* Moving is cheap enough when at least as much has been taken as is left. */
static void close_gap(Queue *queue) {
        if (queue->start == 0)
                return;
        memmove(queue->data, queue->data + queue->start, queue->end - queue->start);
        queue->end -= queue->start;
        queue->start = 0;
}

uint8_t *queue_room(Queue *queue, size_t size) {
        size_t wanted = queue_size(queue) + size, capacity = MAX(queue->capacity, (size_t)QUEUE_MIN);
        uint8_t *data;

        if (size > SIZE_MAX / 4 || wanted > SIZE_MAX / 4)
                return NULL;
        if (queue->capacity - queue->end >= size && queue->data)
                return queue->data + queue->end;
        if (wanted <= queue->capacity && queue->start >= queue_size(queue)) {
                close_gap(queue);
                return queue->data + queue->end;
        }
        while (capacity < queue->end + size)
                capacity *= 2;
        data = realloc(queue->data, capacity);
        if (!data)
                return NULL;
        queue->data = data;
        queue->capacity = capacity;
        return queue->data + queue->end;
}

void queue_added(Queue *queue, size_t size) {
        queue->end += size;
}

int queue_add(Queue *queue, const void *data, size_t size) {
        uint8_t *room = queue_room(queue, size);

        if (!room)
                return -ENOMEM;
        if (size > 0)
                memcpy(room, data, size);
        queue->end += size;
        return 0;
}

void queue_taken(Queue *queue, size_t size) {
        queue->start += size;
        if (queue->start == queue->end)
                queue->start = queue->end = 0;
}

static void put_number(uint8_t to[4], uint32_t number) {
        for (unsigned i = 0; i < 4; i++)
                to[i] = (uint8_t)(number >> (8 * i));
}

static uint32_t get_number(const uint8_t from[4]) {
        return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
               (uint32_t)from[3] << 24;
}

FrameWriter frame_begin(Queue *queue, FrameType type) {
        FrameWriter writer = { .queue = queue, .start = queue_size(queue) };

        frame_put_u32(&writer, 0);
        frame_put_u8(&writer, (uint8_t)type);
        return writer;
}

void frame_put_bytes(FrameWriter *writer, const void *data, size_t size) {
        if (!writer->failed && queue_add(writer->queue, data, size) < 0)
                writer->failed = true;
}

void frame_put_u8(FrameWriter *writer, uint8_t number) {
        frame_put_bytes(writer, &number, 1);
}

void frame_put_u32(FrameWriter *writer, uint32_t number) {
        uint8_t bytes[4];

        put_number(bytes, number);
        frame_put_bytes(writer, bytes, sizeof(bytes));
}

void frame_put_text(FrameWriter *writer, const char *text) {
        size_t size = strlen(text);

        /* What is more than a frame fails it at its end. */
        frame_put_u32(writer, (uint32_t)MIN(size, (size_t)UINT32_MAX));
        frame_put_bytes(writer, text, size);
}

void frame_put_list(FrameWriter *writer, const char *const *texts) {
        uint32_t n = 0;

        while (texts[n])
                n++;
        frame_put_u32(writer, n);
        for (uint32_t i = 0; i < n; i++)
                frame_put_text(writer, texts[i]);
}

int frame_end(FrameWriter *writer) {
        Queue *queue = writer->queue;
        size_t size = queue_size(queue) - writer->start;

        if (writer->failed || size - LENGTH_SIZE > FRAME_MAX) {
                queue->end = queue->start + writer->start;
                return writer->failed ? -ENOMEM : -E2BIG;
        }
        put_number(queue->data + queue->start + writer->start, (uint32_t)(size - LENGTH_SIZE));
        return 0;
}

int frame_next(Queue *queue, Frame *ret_frame) {
        const uint8_t *at = queue_data(queue);
        size_t have = queue_size(queue), length;

        if (have < LENGTH_SIZE)
                return 0;
        length = get_number(at);
        if (length == 0 || length > FRAME_MAX)
                return -EBADMSG;
        if (have > LENGTH_SIZE && (at[LENGTH_SIZE] == 0 || at[LENGTH_SIZE] >= FRAME_TYPES))
                return -EBADMSG;
        if (have < LENGTH_SIZE + length)
                return 0;
        *ret_frame = (Frame){ .type = at[LENGTH_SIZE],
                              .p = at + FRAME_HEAD,
                              .end = at + LENGTH_SIZE + length };
        queue_taken(queue, LENGTH_SIZE + length);
        return 1;
}

static const uint8_t *take(Frame *frame, size_t size) {
        const uint8_t *at = frame->p;

        if (frame->failed || (size_t)(frame->end - frame->p) < size) {
                frame->failed = true;
                return NULL;
        }
        frame->p += size;
        return at;
}

uint8_t frame_take_u8(Frame *frame) {
        const uint8_t *at = take(frame, 1);

        return at ? *at : 0;
}

uint32_t frame_take_u32(Frame *frame) {
        const uint8_t *at = take(frame, 4);

        return at ? get_number(at) : 0;
}

const uint8_t *frame_take_rest(Frame *frame, size_t *ret_size) {
        const uint8_t *at = frame->p;

        *ret_size = frame->failed ? 0 : (size_t)(frame->end - frame->p);
        frame->p = frame->end;
        return at;
}

char *frame_take_text(Frame *frame, size_t max) {
        uint32_t size = frame_take_u32(frame);
        const uint8_t *at = size > max ? NULL : take(frame, size);
        char *text = at && !memchr(at, 0, size) ? malloc(size + 1u) : NULL;

        if (!text) {
                frame->failed = true;
                return NULL;
        }
        memcpy(text, at, size);
        text[size] = '\0';
        return text;
}

char **frame_take_list(Frame *frame, size_t max) {
        uint32_t n = frame_take_u32(frame);
        _cleanup_list_ char **list = NULL;

        /* Each takes four bytes at least. */
        if (frame->failed || n > max || n > (size_t)(frame->end - frame->p) / LENGTH_SIZE) {
                frame->failed = true;
                return NULL;
        }
        list = calloc(n + 1u, sizeof(*list));
        if (!list)
                frame->failed = true;
        for (uint32_t i = 0; i < n && !frame->failed; i++)
                list[i] = frame_take_text(frame, FRAME_MAX);
        return frame->failed ? NULL : TAKE_PTR(list);
}

int frame_finish(const Frame *frame) {
        return frame->failed || frame->p != frame->end ? -EBADMSG : 0;
}

char **frame_list_free(char **list) {
        for (char **each = list; each && *each; each++)
                free(*each);
        free(list);
        return NULL;
}

void hello_clear(Hello *hello) {
        free(hello->version);
        free(hello->machine);
        *hello = (Hello){};
}

int hello_put(Queue *queue, const char *version, const char *machine) {
        FrameWriter writer = frame_begin(queue, FRAME_HELLO);

        frame_put_bytes(&writer, magic, sizeof(magic));
        frame_put_u32(&writer, BRIDGE_PROTOCOL);
        frame_put_text(&writer, version);
        frame_put_text(&writer, machine);
        return frame_end(&writer);
}

/* What a later protocol says behind these is left unread: that it is another one is all that counts. */
int hello_take(Frame *frame, Hello *ret_hello) {
        _cleanup_(hello_clear) Hello hello = {};
        const uint8_t *at = frame->type == FRAME_HELLO ? take(frame, sizeof(magic)) : NULL;

        if (!at || memcmp(at, magic, sizeof(magic)) != 0)
                return -EBADMSG;
        hello.protocol = frame_take_u32(frame);
        hello.version = frame_take_text(frame, BRIDGE_NAME_MAX);
        hello.machine = frame_take_text(frame, BRIDGE_NAME_MAX);
        if (frame->failed || (hello.protocol == BRIDGE_PROTOCOL && frame_finish(frame) < 0))
                return -EBADMSG;
        *ret_hello = hello;
        hello = (Hello){};
        return 0;
}

bool bridge_file_name_is_valid(const char *name) {
        size_t n = strlen(name);

        if (n == 0 || n > BRIDGE_NAME_MAX || name[0] == '.')
                return false;
        return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@ ") == n;
}

bool bridge_variable_is_valid(const char *variable) {
        static const char *const names[] = { "TERM=", "LANG=", "LC_", "COLUMNS=", "TZ=", "NO_COLOR=" };
        size_t n = strcspn(variable, "=");

        if (variable[n] != '=' || strlen(variable) > BRIDGE_TEXT_MAX)
                return false;
        for (const char *p = variable; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f || (p < variable + n && strchr("/ ", *p)))
                        return false;
        FOREACH_ELEMENT (name, names)
                if (strncmp(variable, *name, strlen(*name)) == 0)
                        return true;
        return false;
}
