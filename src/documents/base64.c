/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Base64
 */

#include <stdint.h>
#include <string.h>
#include "documents/base64.h"
#include "util/macro.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(const char *data, size_t size, char **ret_text) {
        const unsigned char *in = (const unsigned char *)data;
        char *text = malloc(size / 3 * 4 + 5), *out = text;

        if (!text)
                return -ENOMEM;
        for (; size > 0; in += 3) {
                size_t n = MIN(size, (size_t)3);
                uint32_t group = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0) |
                                 (n > 2 ? in[2] : 0);

                *out++ = alphabet[group >> 18];
                *out++ = alphabet[group >> 12 & 63];
                *out++ = n > 1 ? alphabet[group >> 6 & 63] : '=';
                *out++ = n > 2 ? alphabet[group & 63] : '=';
                size -= n;
        }
        *out = '\0';
        *ret_text = text;
        return 0;
}

/* The three bytes of a group of four characters, of which the last @padding are '='. */
static int decode_group(const char *text, size_t padding, char out[3]) {
        uint32_t group = 0;

        for (size_t i = 0; i < 4; i++) {
                const char *found = i < 4 - padding ? strchr(alphabet, text[i]) : alphabet;

                if (!found || !text[i])
                        return -EBADMSG;
                group = group << 6 | (uint32_t)(found - alphabet);
        }
        /* There is one text for the same bytes: what is cut off must be zero. */
        if (group & (padding == 2 ? 0xFFFFu : padding == 1 ? 0xFFu : 0))
                return -EBADMSG;
        out[0] = (char)(group >> 16);
        out[1] = (char)(group >> 8);
        out[2] = (char)group;
        return 0;
}

int base64_decode(const char *text, char **ret_data, size_t *ret_size) {
        size_t size = strlen(text), padding = 0;
        _cleanup_(freep) char *data = NULL;

        if (size % 4 != 0)
                return -EBADMSG;
        while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
                padding++;
        data = malloc(size / 4 * 3 + 1);
        if (!data)
                return -ENOMEM;
        for (size_t i = 0; i < size; i += 4) {
                int r = decode_group(text + i, i + 4 == size ? padding : 0, data + i / 4 * 3);

                if (r < 0)
                        return r;
        }
        *ret_size = size / 4 * 3 - padding;
        data[*ret_size] = '\0';
        *ret_data = TAKE_PTR(data);
        return 0;
}
