/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names as hexadecimal digits, both ways
 */

#include "repository/blob-id.h"
#include "util/macro.h"

const char *blob_id_text(const BlobId *id, char text[static BLOB_ID_TEXT]) {
        static const char digits[] = "0123456789abcdef";

        for (unsigned i = 0; i < BLOB_ID_SIZE; i++) {
                text[2 * i] = digits[id->bytes[i] >> 4];
                text[2 * i + 1] = digits[id->bytes[i] & 15];
        }
        text[2 * BLOB_ID_SIZE] = '\0';
        return text;
}

static int digit_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int blob_id_parse(const char *text, size_t size, BlobId *ret_id) {
        BlobId id;

        if (size != 2 * BLOB_ID_SIZE)
                return -EBADMSG;
        for (unsigned i = 0; i < BLOB_ID_SIZE; i++) {
                int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EBADMSG;
                id.bytes[i] = (uint8_t)(high << 4 | low);
        }
        *ret_id = id;
        return 0;
}
