/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages between this program's own processes
 */

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "util/value-codec.h"
#include "vss/channel.h"

int channel_pair(int *ret_ours, int *ret_theirs) {
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        *ret_ours = fds[0];
        *ret_theirs = fds[1];
        return 0;
}

static ssize_t send_some(int fd, const void *data, size_t size, int passed) {
        union {
                char buffer[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (passed >= 0) {
                struct cmsghdr *header = &control.align;

                message.msg_control = control.buffer;
                message.msg_controllen = sizeof(control.buffer);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(header), &passed, sizeof(int));
        }
        do
                n = sendmsg(fd, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? (errno == EPIPE ? -ECONNRESET : -errno) : n;
}

int channel_send_bytes(int fd, const void *data, size_t size, int passed) {
        const char *rest = data;

        while (size > 0) {
                ssize_t n = send_some(fd, rest, size, passed);

                if (n < 0)
                        return (int)n;
                rest += n;
                size -= (size_t)n;
                passed = -1;
        }
        return 0;
}

static ssize_t receive_some(int fd, void *data, size_t size, int *passed) {
        union {
                char buffer[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = { .iov_base = data, .iov_len = size };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.buffer,
                .msg_controllen = sizeof(control.buffer),
        };
        struct cmsghdr *header;
        ssize_t n;

        do
                n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : -ECONNRESET;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int))) {
                closep(passed);
                memcpy(passed, CMSG_DATA(header), sizeof(int));
        }
        return n;
}

int channel_receive_bytes(int fd, void *data, size_t size, int *ret_passed) {
        _cleanup_(closep) int passed = -1;
        char *rest = data;

        while (size > 0) {
                ssize_t n = receive_some(fd, rest, size, &passed);

                if (n < 0)
                        return (int)n;
                rest += n;
                size -= (size_t)n;
        }
        if (ret_passed)
                *ret_passed = TAKE_FD(passed);
        return 0;
}

int channel_send(int fd, const vss_value *value, int passed) {
        _cleanup_(freep) uint8_t *data = NULL;
        uint32_t length;
        size_t size = 0;
        int r = value_encode(value, &data, &size);

        if (r < 0)
                return r;
        length = (uint32_t)size;
        r = channel_send_bytes(fd, &length, sizeof(length), passed);
        return r < 0 ? r : channel_send_bytes(fd, data, size, -1);
}

int channel_receive(int fd, int timeout_ms, vss_value **ret_value, int *ret_passed) {
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        _cleanup_(closep) int passed = -1;
        _cleanup_(freep) uint8_t *data = NULL;
        uint32_t length;
        int r = poll(&poller, 1, timeout_ms);

        if (r <= 0)
                return r < 0 ? -errno : -ETIMEDOUT;
        r = channel_receive_bytes(fd, &length, sizeof(length), &passed);
        if (r == 0 && length > VALUE_ENCODED_MAX)
                r = -EBADMSG;
        if (r == 0 && !(data = malloc(length + 1u)))
                r = -ENOMEM;
        if (r == 0)
                r = channel_receive_bytes(fd, data, length, NULL);
        if (r == 0)
                r = value_decode(data, length, ret_value);
        if (r == 0 && ret_passed)
                *ret_passed = TAKE_FD(passed);
        return r;
}
