/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What travels between who uses a repository and who has it
 */

#include <endian.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "repository/serve-wire.h"

/* Numbers of errors are not the same everywhere. What is not here is -EIO. */
static const int errors[] = {
        -EIO,     -ENOENT, -EEXIST,  -EACCES, -EPERM, -EROFS,    -ENOSPC,    -EDQUOT,          -ENODATA,
        -EBADMSG, -EINVAL, -ENOMEM,  -E2BIG,  -EBUSY, -ENOTCONN, -ETIMEDOUT, -EPROTONOSUPPORT, -ECANCELED,
        -ENOTTY,  -EFBIG,  -ENOTDIR, -ESTALE, -ELOOP, -EMFILE,   -ENFILE,    -EKEYREJECTED,
};

int serve_take_head(const uint8_t head[static SERVE_HEAD], ServeHead *ret_head) {
        Wire wire = { .p = head, .end = head + SERVE_HEAD };
        uint32_t size = wire_take_u32(&wire);

        ret_head->type = wire_take_u8(&wire);
        ret_head->tag = wire_take_u32(&wire);
        if (size < SERVE_HEAD - 4 || size - (SERVE_HEAD - 4) > SERVE_BODY_MAX)
                return -EBADMSG;
        ret_head->size = size - (SERVE_HEAD - 4);
        return 0;
}

/* What a request says besides. */
enum { SAYS_KIND = 1, SAYS_ID = 2, SAYS_LENGTH = 4, SAYS_OFFSET = 8 };

static int what_it_says(uint8_t type) {
        switch (type) {
        case SERVE_CREATE:
                return 0;
        case SERVE_SAVE:
                return SAYS_KIND | SAYS_ID | SAYS_LENGTH;
        case SERVE_LOAD:
                return SAYS_KIND | SAYS_ID | SAYS_LENGTH | SAYS_OFFSET;
        case SERVE_SIZE:
        case SERVE_REMOVE:
                return SAYS_KIND | SAYS_ID;
        case SERVE_LIST:
        case SERVE_SWEEP:
                return SAYS_KIND;
        case SERVE_HELLO:
                return SAYS_OFFSET; /* magic and version */
        default:
                return -EBADMSG;
        }
}

static const uint8_t *take_bytes(Wire *wire, size_t size) {
        const uint8_t *at = wire->p;

        if (wire->failed || (size_t)(wire->end - wire->p) < size) {
                wire->failed = true;
                return NULL;
        }
        wire->p += size;
        return at;
}

int serve_take_request(const ServeHead *head, const uint8_t *body, ServeRequest *ret_request) {
        Wire wire = { .p = body, .end = body + head->size };
        ServeRequest request = {};
        int says = what_it_says(head->type);

        if (says < 0)
                return says;
        if (says & SAYS_KIND) {
                uint8_t kind = wire_take_u8(&wire);

                if (kind >= STORE_KINDS)
                        return -EBADMSG;
                request.kind = (StoreKind)kind;
        }
        if (says & SAYS_ID) {
                const uint8_t *id = take_bytes(&wire, BLOB_ID_SIZE);

                if (id)
                        memcpy(request.id.bytes, id, BLOB_ID_SIZE);
        }
        if (says & SAYS_OFFSET)
                request.offset = wire_take_u64(&wire);
        if (says & SAYS_LENGTH)
                request.length = wire_take_u64(&wire);
        if (wire.failed || wire.p != wire.end)
                return -EBADMSG;
        if (head->type == SERVE_SAVE && request.length > SERVE_SAVE_MAX)
                return -EBADMSG;
        if (request.offset > STORE_FILE_MAX && head->type == SERVE_LOAD)
                return -EBADMSG;
        if (request.length > STORE_FILE_MAX)
                return -EBADMSG;
        *ret_request = request;
        return 0;
}

int serve_put_head(Bytes *out, uint8_t type, uint32_t tag, size_t size) {
        uint8_t head[SERVE_HEAD];
        uint32_t number = htobe32((uint32_t)(size + SERVE_HEAD - 4));

        memcpy(head, &number, 4);
        head[4] = type;
        number = htobe32(tag);
        memcpy(head + 5, &number, 4);
        return bytes_append(out, head, sizeof(head));
}

static int put_u64(Bytes *out, uint64_t number) {
        number = htobe64(number);
        return bytes_append(out, &number, sizeof(number));
}

int serve_put_request(Bytes *out, uint8_t type, uint32_t tag, const ServeRequest *request) {
        int says = what_it_says(type), r;
        uint8_t kind = (uint8_t)request->kind;
        size_t size = (says & SAYS_KIND ? 1 : 0) + (says & SAYS_ID ? BLOB_ID_SIZE : 0) +
                      (says & SAYS_OFFSET ? 8 : 0) + (says & SAYS_LENGTH ? 8 : 0);

        r = serve_put_head(out, type, tag, size);
        if (r == 0 && (says & SAYS_KIND))
                r = bytes_append(out, &kind, 1);
        if (r == 0 && (says & SAYS_ID))
                r = bytes_append(out, request->id.bytes, BLOB_ID_SIZE);
        if (r == 0 && (says & SAYS_OFFSET))
                r = put_u64(out, request->offset);
        if (r == 0 && (says & SAYS_LENGTH))
                r = put_u64(out, request->length);
        return r;
}

int serve_put_done(Bytes *out, uint32_t tag, uint64_t number) {
        int r = serve_put_head(out, SERVE_DONE, tag, 8);

        return r < 0 ? r : put_u64(out, number);
}

int serve_put_failed(Bytes *out, uint32_t tag, int error, const char *text) {
        size_t length = strnlen(text, WHY_SIZE - 1);
        uint8_t code = 0;
        int r = serve_put_head(out, SERVE_FAILED, tag, 1 + length);

        for (size_t i = 0; i < ELEMENTS(errors); i++)
                if (errors[i] == error)
                        code = (uint8_t)i;
        if (r == 0)
                r = bytes_append(out, &code, 1);
        return r < 0 ? r : bytes_append(out, text, length);
}

int serve_take_failed(const uint8_t *body, size_t size, int *ret_error, Why *ret_why) {
        char text[WHY_SIZE] = "";

        if (size < 1 || size > WHY_SIZE || body[0] >= ELEMENTS(errors) || memchr(body + 1, 0, size - 1))
                return -EBADMSG;
        memcpy(text, body + 1, size - 1);
        *ret_error = errors[body[0]];
        /* It is a line of a terminal, perhaps. */
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = '?';
        *ret_why = (Why){};
        if (*text)
                (void)repo_fail(ret_why, *ret_error, "%s", text);
        return 0;
}

static int wait_for(int fd, short events) {
        struct pollfd poll_fd = { .fd = fd, .events = events };
        int n;

        do
                n = poll(&poll_fd, 1, SERVE_SILENCE_MS);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

int serve_send(int fd, const void *data, size_t size) {
        const uint8_t *at = data;
        int r = 0;

        while (r == 0 && size > 0) {
                ssize_t n = send(fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n >= 0) {
                        at += n;
                        size -= (size_t)n;
                } else if (errno == EAGAIN) {
                        r = wait_for(fd, POLLOUT);
                } else if (errno != EINTR) {
                        r = errno == EPIPE || errno == ECONNRESET ? -ENOTCONN : -errno;
                }
        }
        return r;
}

int serve_receive(int fd, void *data, size_t size) {
        uint8_t *at = data;
        int r = 0;

        while (r == 0 && size > 0) {
                ssize_t n = recv(fd, at, size, MSG_DONTWAIT);

                if (n > 0) {
                        at += n;
                        size -= (size_t)n;
                } else if (n == 0 || errno == ECONNRESET) {
                        r = -ENOTCONN;
                } else if (errno == EAGAIN) {
                        r = wait_for(fd, POLLIN);
                } else if (errno != EINTR) {
                        r = -errno;
                }
        }
        return r;
}
