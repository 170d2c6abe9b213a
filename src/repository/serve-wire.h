/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What travels between who uses a repository and who has it
 *
 * Packets as those of SFTP: a length, a type, a tag that the answer bears, and a body. They name kinds, ids
 * and offsets, and never a path. Many requests may be on their way; answers come in any order, data of
 * several in turn.
 *
 *   asked                                          answered
 *   HELLO magic, version                           DONE version, whether it is near
 *   CREATE                                         DONE
 *   SAVE kind, id, size; then PIECE until all      DONE
 *     of it has been sent
 *   LOAD kind, id, offset, length; 0: all there is DATA..., DONE
 *   SIZE kind, id                                  DONE size
 *   LIST kind                                      DATA of ids and sizes..., DONE
 *   REMOVE kind, id                                DONE
 *   SWEEP kind                                     DONE count
 *
 * or FAILED with a code and a sentence. WORKING says that somebody still does.
 */

#include "repository/backend.h"
#include "repository/sftp-wire.h"

#define SERVE_MAGIC UINT32_C(0x76737372)
#define SERVE_VERSION 1u
#define SERVE_NEAR (UINT64_C(1) << 32) /* beside the version: listing the store takes no time there */

enum {
        SERVE_HELLO = 1,
        SERVE_CREATE,
        SERVE_SAVE,
        SERVE_PIECE,
        SERVE_LOAD,
        SERVE_SIZE,
        SERVE_LIST,
        SERVE_REMOVE,
        SERVE_SWEEP,
        SERVE_DATA = 64,
        SERVE_DONE,
        SERVE_FAILED,
        SERVE_WORKING,
};

#define SERVE_HEAD 9u /* length, type, tag */
/* Of PIECE and DATA: what others wait for at most, who have less to send. */
#define SERVE_PIECE_MAX (256u * 1024)
#define SERVE_BODY_MAX SERVE_PIECE_MAX
/* One file to be saved; all that are on their way, so that nobody has to keep more. */
#define SERVE_SAVE_MAX (256u << 20)
#define SERVE_WINDOW (64u << 20)
#define SERVE_REQUESTS_MAX 64u
#define SERVE_ENTRY (BLOB_ID_SIZE + 8u) /* of a list */
#define SERVE_ENTRIES_MAX 20000000u

/* Who waits for an answer is told that often that it is worked on, and gives up after so long without. */
#define SERVE_WORKING_MS 10000
#define SERVE_SILENCE_MS 90000

typedef struct ServeHead {
        uint8_t type;
        uint32_t tag;
        uint32_t size; /* of the body */
} ServeHead;

/* 0, or -EBADMSG for a length that none has. */
int serve_take_head(const uint8_t head[static SERVE_HEAD], ServeHead *ret_head);

typedef struct ServeRequest {
        StoreKind kind;
        BlobId id;
        uint64_t offset, length; /* of LOAD; of SAVE the length */
} ServeRequest;

/* All requests but PIECE. 0, or -EBADMSG for one that nobody makes who knows how. */
int serve_take_request(const ServeHead *head, const uint8_t *body, ServeRequest *ret_request);

/* Behind what is in @out. 0 or -ENOMEM. */
int serve_put_head(Bytes *out, uint8_t type, uint32_t tag, size_t size);
int serve_put_request(Bytes *out, uint8_t type, uint32_t tag, const ServeRequest *request);
int serve_put_done(Bytes *out, uint32_t tag, uint64_t number);
int serve_put_failed(Bytes *out, uint32_t tag, int error, const char *text);

/* The body of FAILED: a negative errno, and the sentence. */
int serve_take_failed(const uint8_t *body, size_t size, int *ret_error, Why *ret_why);

/*
 * On a socket. Both return 0, or a negative errno: -ENOTCONN at its end, -ETIMEDOUT if nothing moves for
 * SERVE_SILENCE_MS.
 */
int serve_send(int fd, const void *data, size_t size);
int serve_receive(int fd, void *data, size_t size);
