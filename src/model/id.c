/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Identities of sessions, sets and shadow copies
 */

#include <string.h>
#include <sys/random.h>
#include "model/id.h"
#include "util/macro.h"

static const char hex[] = "0123456789abcdef";

static bool is_dash_at(size_t i) {
        return i == 8 || i == 13 || i == 18 || i == 23;
}

int id_new(char ret_id[VSS_ID_SIZE]) {
        uint8_t bytes[16];
        ssize_t n;
        char *p = ret_id;

        do
                n = getrandom(bytes, sizeof(bytes), 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if ((size_t)n != sizeof(bytes))
                return -EIO;

        bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4 */
        bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* the usual variant */
        FOREACH_ELEMENT (byte, bytes) {
                if (is_dash_at((size_t)(p - ret_id)))
                        *p++ = '-';
                *p++ = hex[*byte >> 4];
                *p++ = hex[*byte & 0x0f];
        }
        *p = '\0';
        return 0;
}

bool id_is_valid(const char *id) {
        if (!id || strnlen(id, VSS_ID_SIZE) != VSS_ID_SIZE - 1)
                return false;
        for (size_t i = 0; i < VSS_ID_SIZE - 1; i++)
                if (is_dash_at(i) ? id[i] != '-' : !strchr(hex, id[i]))
                        return false;
        return true;
}
