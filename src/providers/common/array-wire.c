/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the array of vss-array(8) and its hosts say to each other
 */

#include <endian.h>
#include <poll.h>
#include <string.h>
#include "providers/common/array-wire.h"
#include "providers/common/info.h"
#include "util/clock.h"

bool array_name_is_valid(const char *name) {
        size_t n = name ? strlen(name) : 0;

        return n > 0 && n <= ARRAY_NAME_MAX && name[0] != '.' && name[0] != '_' && name[0] != '-' &&
               strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static int await(int fd, short events, uint64_t deadline) {
        for (;;) {
                struct pollfd p = { .fd = fd, .events = events };
                uint64_t now = now_usec();
                int r;

                if (deadline && now >= deadline)
                        return -ETIMEDOUT;
                r = poll(&p, 1, deadline ? (int)((deadline - now) / USEC_PER_MSEC) + 1 : -1);
                if (r > 0)
                        return 0;
                if (r < 0 && errno != EINTR)
                        return -errno;
        }
}

static int send_all(int fd, const void *data, size_t n, uint64_t deadline) {
        const char *at = data;

        while (n > 0) {
                ssize_t k = write(fd, at, n);
                int r;

                if (k >= 0) {
                        at += k;
                        n -= (size_t)k;
                        continue;
                }
                if (errno == EINTR)
                        continue;
                if (errno != EAGAIN)
                        return -errno;
                r = await(fd, POLLOUT, deadline);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int receive_all(int fd, void *data, size_t n, uint64_t deadline) {
        char *at = data;

        while (n > 0) {
                ssize_t k = read(fd, at, n);
                int r;

                if (k == 0)
                        return -EPIPE;
                if (k > 0) {
                        at += k;
                        n -= (size_t)k;
                        continue;
                }
                if (errno == EINTR)
                        continue;
                if (errno != EAGAIN)
                        return -errno;
                r = await(fd, POLLIN, deadline);
                if (r < 0)
                        return r;
        }
        return 0;
}

int array_wire_send(int fd, const vss_value *message, uint64_t deadline) {
        _cleanup_(freep) char *text = NULL, *frame = NULL;
        uint32_t length;
        size_t n;
        int r;

        r = info_encode(message, &text);
        if (r < 0)
                return r;
        n = strlen(text);
        if (n > ARRAY_WIRE_MAX)
                return -E2BIG;
        frame = malloc(sizeof(length) + n);
        if (!frame)
                return -ENOMEM;
        length = htole32((uint32_t)n);
        memcpy(frame, &length, sizeof(length));
        memcpy(frame + sizeof(length), text, n);
        return send_all(fd, frame, sizeof(length) + n, deadline);
}

int array_wire_receive(int fd, uint64_t deadline, vss_value **ret_message) {
        _cleanup_value_ vss_value *message = NULL;
        _cleanup_(freep) char *text = NULL;
        uint32_t length;
        int r;

        r = receive_all(fd, &length, sizeof(length), deadline);
        if (r < 0)
                return r;
        length = le32toh(length);
        if (length > ARRAY_WIRE_MAX)
                return -EBADMSG;
        text = malloc((size_t)length + 1);
        if (!text)
                return -ENOMEM;
        r = receive_all(fd, text, length, deadline);
        if (r == 0)
                r = info_decode(text, length, &message);
        if (r < 0)
                return r;
        if (vss_value_kind(message) != VSS_KIND_DICT)
                return -EBADMSG;
        *ret_message = TAKE_PTR(message);
        return 0;
}
