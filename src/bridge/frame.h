/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Frames between vss and vss-bridge: what a verb on another machine needs, over one pair of pipes
 *
 * A frame is its length (of type and payload) in four bytes, its type in one, and the payload; numbers are
 * little-endian. Both sides first send HELLO, whose layout never changes. The caller sends FILE and PASSWORD
 * as needed and then RUN; from there on DATA, END, CLOSE and WINDOW go both ways, until the bridge sends
 * EXIT or FAIL.
 *
 * Each stream has a window: who sends has at most that much on its way, so that one stream which nobody
 * reads never stops another, or a signal. Either side is sent PING when nothing else was sent for a while,
 * so that a link that has gone without a word is found out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/macro.h"

/* Another number is another language: it is refused. */
#define BRIDGE_PROTOCOL 1u
/* A frame, without its length. */
#define FRAME_MAX (128u * 1024)
#define FRAME_HEAD 5u
/* Of DATA, so that frames of other streams get through in between. */
#define FRAME_DATA_MAX (64u * 1024)

#define BRIDGE_WINDOW (4u << 20)
#define BRIDGE_WORDS_MAX 4096u
#define BRIDGE_VARIABLES_MAX 64u
#define BRIDGE_FILES_MAX 1024u
#define BRIDGE_FILES_SIZE_MAX (64u << 20)
#define BRIDGE_NAME_MAX 255u
#define BRIDGE_PASSWORD_MAX 4096u
#define BRIDGE_TEXT_MAX 4096u

typedef enum FrameType {
        FRAME_HELLO = 1, /* magic, u32 protocol, text: version, text: name of the machine */
        FRAME_FILE,      /* text: name, bytes; once more with the same name appends */
        FRAME_PASSWORD,  /* bytes */
        FRAME_RUN,       /* u32 flags, list of words, list of NAME=VALUE */
        FRAME_DATA,      /* u8 stream, bytes */
        FRAME_END,       /* u8 stream: the sender has no more */
        FRAME_CLOSE,     /* u8 stream: the sender takes no more */
        FRAME_WINDOW,    /* u8 stream, u32: so many bytes more may be sent */
        FRAME_SIGNAL,    /* u8 number */
        FRAME_EXIT,      /* u32: the exit status */
        FRAME_FAIL,      /* text: why there is none */
        FRAME_PING,
        FRAME_TYPES,
} FrameType;

enum { STREAM_STDIN, STREAM_STDOUT, STREAM_STDERR, STREAM_CHANNEL, STREAMS };

/* Flags of RUN. */
enum { RUN_CHANNEL = 1, RUN_STDIN = 2, RUN_TERMINAL_IN = 4, RUN_TERMINAL_OUT = 8, RUN_TERMINAL_ERROR = 16 };

/* Bytes that wait: taken from the front, added behind. */
typedef struct Queue {
        uint8_t *data;
        size_t start, end, capacity;
} Queue;

void queue_clear(Queue *queue);
static inline size_t queue_size(const Queue *queue) {
        return queue->end - queue->start;
}
static inline const uint8_t *queue_data(const Queue *queue) {
        return queue->data + queue->start;
}
/* Room for @size bytes behind what waits; @size of them may be written, and counted by queue_added(). NULL
 * without memory. */
uint8_t *queue_room(Queue *queue, size_t size);
void queue_added(Queue *queue, size_t size);
int queue_add(Queue *queue, const void *data, size_t size);
void queue_taken(Queue *queue, size_t size);

/*
 * Writing: frame_begin(), what goes in, frame_end(). What cannot be appended fails the frame, and leaves the
 * queue as it was.
 */
typedef struct FrameWriter {
        Queue *queue;
        size_t start; /* of the frame, counted from the queue's start */
        bool failed;
} FrameWriter;

FrameWriter frame_begin(Queue *queue, FrameType type);
void frame_put_u8(FrameWriter *writer, uint8_t number);
void frame_put_u32(FrameWriter *writer, uint32_t number);
void frame_put_bytes(FrameWriter *writer, const void *data, size_t size);
/* Its length and its bytes. */
void frame_put_text(FrameWriter *writer, const char *text);
/* How many and the texts. @n may be more than the words up to a NULL. */
void frame_put_list(FrameWriter *writer, const char *const *texts);
/* 0, -ENOMEM, or -E2BIG for more than FRAME_MAX. */
int frame_end(FrameWriter *writer);

/*
 * Reading: what is cut off reads as nothing, and fails the frame.
 */
typedef struct Frame {
        FrameType type;
        const uint8_t *p, *end;
        bool failed;
} Frame;

/*
 * frame_next() - the frame at the front of @queue
 * It points into the queue, and is valid until the queue is added to; it has been taken from it.
 * Return: 1, 0 if it is not there as a whole, -EBADMSG for what is no frame.
 */
int frame_next(Queue *queue, Frame *ret_frame);
uint8_t frame_take_u8(Frame *frame);
uint32_t frame_take_u32(Frame *frame);
const uint8_t *frame_take_rest(Frame *frame, size_t *ret_size);
/* Without zero bytes, of at most @max bytes; allocated. NULL for what is none, or without memory. */
char *frame_take_text(Frame *frame, size_t max);
/* Up to @max texts and a NULL behind them; allocated, with each of them. NULL likewise. */
char **frame_take_list(Frame *frame, size_t max);
/* 0, or -EBADMSG if something was cut off, or is left. */
int frame_finish(const Frame *frame);

char **frame_list_free(char **list);
DEFINE_CLEANUP(char **, frame_list_free)
#define _cleanup_list_ _cleanup_(frame_list_freep)

/* What both sides say first. */
typedef struct Hello {
        uint32_t protocol;
        char *version, *machine;
} Hello;

void hello_clear(Hello *hello);
int hello_put(Queue *queue, const char *version, const char *machine);
/* 0, -EBADMSG for what is no hello. */
int hello_take(Frame *frame, Hello *ret_hello);

/* Is it a name that a file of FRAME_FILE may have? */
bool bridge_file_name_is_valid(const char *name);
/* Is it a variable that a verb may be given? */
bool bridge_variable_is_valid(const char *variable);
