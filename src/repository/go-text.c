/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Text as Go writes it
 */

#include <string.h>
#include "repository/go-text.h"

#define NO_RUNE UINT32_MAX

size_t go_decode_rune(const char *text, size_t size, uint32_t *ret_rune) {
        const uint8_t *s = (const uint8_t *)text;
        size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
        uint32_t rune;

        *ret_rune = NO_RUNE;
        if (s[0] < 0x80) {
                *ret_rune = s[0];
                return 1;
        }
        if (s[0] < 0xc2 || s[0] > 0xf4 || size < n)
                return 1;
        rune = s[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 1;
                rune = rune << 6 | (s[i] & 0x3f);
        }
        if ((n == 3 && (rune < 0x800 || (rune >= 0xd800 && rune < 0xe000))) ||
            (n == 4 && (rune < 0x10000 || rune > 0x10ffff)))
                return 1;
        *ret_rune = rune;
        return n;
}

bool go_is_print(uint32_t rune) {
        size_t low = 0, high = n_printable_ranges;

        if (rune < 0x7f)
                return rune >= 0x20;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (rune < printable_ranges[middle][0])
                        high = middle;
                else if (rune > printable_ranges[middle][1])
                        low = middle + 1;
                else
                        return true;
        }
        return false;
}

static int append_json_rune(Bytes *bytes, const char *text, size_t n, uint32_t rune) {
        switch (rune) {
        case '"':
                return bytes_append(bytes, "\\\"", 2);
        case '\\':
                return bytes_append(bytes, "\\\\", 2);
        case '\n':
                return bytes_append(bytes, "\\n", 2);
        case '\r':
                return bytes_append(bytes, "\\r", 2);
        case '\t':
                return bytes_append(bytes, "\\t", 2);
        case NO_RUNE:
                return bytes_append(bytes, "\\ufffd", 6);
        case '<':
        case '>':
        case '&':
        case 0x2028:
        case 0x2029:
                return bytes_printf(bytes, "\\u%04x", rune);
        default:
                return rune < 0x20 ? bytes_printf(bytes, "\\u%04x", rune) : bytes_append(bytes, text, n);
        }
}

/* Letters, digits and the like: most of what comes. */
static bool is_plain(char c) {
        return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

int go_append_json(Bytes *bytes, const char *text, size_t size) {
        int r = bytes_reserve(bytes, size + 2);

        if (r == 0)
                r = bytes_append(bytes, "\"", 1);
        for (size_t i = 0; r == 0 && i < size;) {
                size_t plain = 0, n;
                uint32_t rune;

                while (i + plain < size && is_plain(text[i + plain]))
                        plain++;
                r = bytes_append(bytes, text + i, plain);
                i += plain;
                if (r < 0 || i == size)
                        continue;
                n = go_decode_rune(text + i, size - i, &rune);
                r = append_json_rune(bytes, text + i, n, rune);
                i += n;
        }
        return r < 0 ? r : bytes_append(bytes, "\"", 1);
}

static int append_quoted_rune(Bytes *bytes, const char *text, size_t n, uint32_t rune) {
        static const char letters[] = "abtnvfr"; /* of 7 to 13 */

        if (rune == NO_RUNE)
                return bytes_printf(bytes, "\\x%02x", (uint8_t)text[0]);
        if (rune == '"' || rune == '\\')
                return bytes_printf(bytes, "\\%c", (char)rune);
        if (go_is_print(rune))
                return bytes_append(bytes, text, n);
        if (rune >= 7 && rune <= 13)
                return bytes_printf(bytes, "\\%c", letters[rune - 7]);
        if (rune < 0x20 || rune == 0x7f)
                return bytes_printf(bytes, "\\x%02x", rune);
        return bytes_printf(bytes, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
}

int go_append_quoted(Bytes *bytes, const char *text, size_t size) {
        int r = bytes_reserve(bytes, size);

        for (size_t i = 0; r == 0 && i < size;) {
                size_t plain = 0, n;
                uint32_t rune;

                while (i + plain < size && is_plain(text[i + plain]))
                        plain++;
                r = bytes_append(bytes, text + i, plain);
                i += plain;
                if (r < 0 || i == size)
                        continue;
                n = go_decode_rune(text + i, size - i, &rune);
                r = append_quoted_rune(bytes, text + i, n, rune);
                i += n;
        }
        return r;
}

static int parse_hex(const char *text, size_t n, uint32_t *ret_number) {
        uint32_t number = 0;

        for (size_t i = 0; i < n; i++) {
                char c = text[i];
                uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                                 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                                 : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                        : 16;

                if (digit > 15)
                        return -EBADMSG;
                number = number << 4 | digit;
        }
        *ret_number = number;
        return 0;
}

static size_t encode_rune(char *to, uint32_t rune) {
        uint8_t *s = (uint8_t *)to;

        if (rune < 0x80) {
                s[0] = (uint8_t)rune;
                return 1;
        }
        if (rune < 0x800) {
                s[0] = (uint8_t)(0xc0 | rune >> 6);
                s[1] = (uint8_t)(0x80 | (rune & 63));
                return 2;
        }
        if (rune < 0x10000) {
                s[0] = (uint8_t)(0xe0 | rune >> 12);
                s[1] = (uint8_t)(0x80 | (rune >> 6 & 63));
                s[2] = (uint8_t)(0x80 | (rune & 63));
                return 3;
        }
        s[0] = (uint8_t)(0xf0 | rune >> 18);
        s[1] = (uint8_t)(0x80 | (rune >> 12 & 63));
        s[2] = (uint8_t)(0x80 | (rune >> 6 & 63));
        s[3] = (uint8_t)(0x80 | (rune & 63));
        return 4;
}

/* What follows a backslash. Return: how much of it, 0 for what is no escape. */
static size_t unescape(const char *text, size_t size, char *to, size_t *ret_written) {
        static const char letters[] = "abtnvfr";
        const char *letter;
        size_t digits = text[0] == 'x' ? 2 : text[0] == 'u' ? 4 : text[0] == 'U' ? 8 : 0;
        uint32_t rune;

        *ret_written = 1;
        if (text[0] == '"' || text[0] == '\\') {
                *to = text[0];
                return 1;
        }
        if (digits > 0) {
                if (size < 1 + digits || parse_hex(text + 1, digits, &rune) < 0)
                        return 0;
                if (digits == 2)
                        *to = (char)rune;
                else if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
                        return 0;
                else
                        *ret_written = encode_rune(to, rune);
                return 1 + digits;
        }
        if (text[0] >= '0' && text[0] <= '7') {
                if (size < 3 || text[0] > '3' || text[1] < '0' || text[1] > '7' || text[2] < '0' ||
                    text[2] > '7')
                        return 0;
                *to = (char)((text[0] - '0') << 6 | (text[1] - '0') << 3 | (text[2] - '0'));
                return 3;
        }
        letter = text[0] ? strchr(letters, text[0]) : NULL;
        if (!letter)
                return 0;
        *to = (char)(7 + (letter - letters));
        return 1;
}

int go_unquote(char *text, size_t size, size_t *ret_size) {
        size_t to = 0;

        for (size_t i = 0; i < size;) {
                size_t n, written;

                if (text[i] == '"' || text[i] == '\n')
                        return -EBADMSG;
                if (text[i] != '\\') {
                        text[to++] = text[i++];
                        continue;
                }
                if (i + 1 == size)
                        return -EBADMSG;
                n = unescape(text + i + 1, size - i - 1, text + to, &written);
                if (n == 0)
                        return -EBADMSG;
                i += 1 + n;
                to += written;
        }
        *ret_size = to;
        return 0;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int go_append_base64(Bytes *bytes, const void *data, size_t size) {
        const uint8_t *s = data;
        int r = bytes_reserve(bytes, (size + 2) / 3 * 4);

        for (size_t i = 0; r == 0 && i < size; i += 3) {
                uint32_t group = (uint32_t)s[i] << 16 | (i + 1 < size ? (uint32_t)s[i + 1] << 8 : 0) |
                                 (i + 2 < size ? s[i + 2] : 0);
                char four[4] = { base64_digits[group >> 18], base64_digits[group >> 12 & 63],
                                 i + 1 < size ? base64_digits[group >> 6 & 63] : '=',
                                 i + 2 < size ? base64_digits[group & 63] : '=' };

                r = bytes_append(bytes, four, 4);
        }
        return r;
}

int go_decode_base64(const char *text, size_t size, Bytes *ret_bytes) {
        size_t padding = size >= 2 && text[size - 2] == '=' ? 2 : size >= 1 && text[size - 1] == '=' ? 1 : 0;
        _cleanup_bytes_ Bytes bytes = {};
        uint32_t group = 0;

        if (size % 4 != 0)
                return -EBADMSG;
        if (bytes_reserve(&bytes, size / 4 * 3 + 1) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < size; i++) {
                const char *digit = text[i] ? strchr(base64_digits, text[i]) : NULL;

                if (!digit && (text[i] != '=' || i < size - padding))
                        return -EBADMSG;
                group = group << 6 | (digit ? (uint32_t)(digit - base64_digits) : 0);
                if (i % 4 == 3) {
                        bytes.data[bytes.size++] = (uint8_t)(group >> 16);
                        bytes.data[bytes.size++] = (uint8_t)(group >> 8);
                        bytes.data[bytes.size++] = (uint8_t)group;
                }
        }
        bytes.size -= padding;
        *ret_bytes = bytes;
        bytes = (Bytes){};
        return 0;
}
