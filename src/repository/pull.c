/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading JSON, one value after the other
 */

#include <string.h>
#include "repository/go-text.h"
#include "repository/pull.h"

void pull_init(Pull *pull, const void *data, size_t size) {
        *pull = (Pull){ .p = data, .end = (const char *)data + size };
}

void pull_refuse(Pull *pull) {
        pull->failed = true;
        pull->p = pull->end;
}

static void skip_blanks(Pull *pull) {
        while (pull->p < pull->end &&
               (*pull->p == ' ' || *pull->p == '\n' || *pull->p == '\t' || *pull->p == '\r'))
                pull->p++;
}

static bool take(Pull *pull, char c) {
        skip_blanks(pull);
        if (pull->p == pull->end || *pull->p != c)
                return false;
        pull->p++;
        return true;
}

static void enter(Pull *pull, char c) {
        if (pull->failed || pull->depth == PULL_DEPTH_MAX || !take(pull, c)) {
                pull_refuse(pull);
                return;
        }
        pull->first[++pull->depth] = true;
}

/* true if one more member follows, the comma before it taken. */
static bool go_on(Pull *pull, char close) {
        if (pull->failed || pull->depth == 0)
                return false;
        if (take(pull, close)) {
                pull->depth--;
                return false;
        }
        if (!pull->first[pull->depth] && !take(pull, ',')) {
                pull_refuse(pull);
                return false;
        }
        pull->first[pull->depth] = false;
        skip_blanks(pull);
        if (pull->p == pull->end) {
                pull_refuse(pull);
                return false;
        }
        return true;
}

void pull_object(Pull *pull) {
        enter(pull, '{');
}

void pull_array(Pull *pull) {
        enter(pull, '[');
}

bool pull_item(Pull *pull) {
        return go_on(pull, ']');
}

/* The end of the string that begins at @p, behind its quote; NULL if there is none. */
static const char *string_end(const Pull *pull, bool *ret_escapes) {
        const char *p = pull->p;

        *ret_escapes = false;
        for (; p < pull->end && *p != '"'; p++) {
                if ((uint8_t)*p < 0x20)
                        return NULL;
                if (*p != '\\')
                        continue;
                *ret_escapes = true;
                if (++p == pull->end)
                        return NULL;
        }
        return p < pull->end ? p : NULL;
}

const char *pull_plain(Pull *pull, size_t *ret_size) {
        const char *start, *end;
        bool escapes = false;

        if (pull->failed || !take(pull, '"') || !(end = string_end(pull, &escapes)) || escapes) {
                pull_refuse(pull);
                *ret_size = 0;
                return "";
        }
        start = pull->p;
        pull->p = end + 1;
        *ret_size = (size_t)(end - start);
        return start;
}

bool pull_member(Pull *pull, char key[static PULL_KEY_SIZE]) {
        const char *start, *end;
        bool escapes;

        key[0] = '\0';
        if (!go_on(pull, '}'))
                return false;
        if (!take(pull, '"') || !(end = string_end(pull, &escapes))) {
                pull_refuse(pull);
                return false;
        }
        start = pull->p;
        pull->p = end + 1;
        if (!take(pull, ':')) {
                pull_refuse(pull);
                return false;
        }
        /* Keys that we know have no escapes and are short. */
        if ((size_t)(end - start) < PULL_KEY_SIZE && !memchr(start, 0, (size_t)(end - start))) {
                memcpy(key, start, (size_t)(end - start));
                key[end - start] = '\0';
        }
        return true;
}

static bool take_word(Pull *pull, const char *word) {
        size_t n = strlen(word);

        skip_blanks(pull);
        if ((size_t)(pull->end - pull->p) < n || memcmp(pull->p, word, n) != 0)
                return false;
        pull->p += n;
        return true;
}

bool pull_null(Pull *pull) {
        return !pull->failed && take_word(pull, "null");
}

bool pull_boolean(Pull *pull) {
        if (!pull->failed && take_word(pull, "true"))
                return true;
        if (pull->failed || !take_word(pull, "false"))
                pull_refuse(pull);
        return false;
}

uint64_t pull_unsigned(Pull *pull) {
        uint64_t number = 0;
        const char *start;

        if (pull->failed)
                return 0;
        skip_blanks(pull);
        start = pull->p;
        for (; pull->p < pull->end && *pull->p >= '0' && *pull->p <= '9'; pull->p++)
                if (__builtin_mul_overflow(number, 10u, &number) ||
                    __builtin_add_overflow(number, (uint64_t)(*pull->p - '0'), &number)) {
                        pull_refuse(pull);
                        return 0;
                }
        if (pull->p == start || (*start == '0' && pull->p - start > 1)) {
                pull_refuse(pull);
                return 0;
        }
        return number;
}

static bool parse_unit(const char *p, const char *end, uint32_t *ret_unit) {
        uint32_t unit = 0;

        if (end - p < 4)
                return false;
        for (unsigned i = 0; i < 4; i++) {
                char c = p[i];

                if (c >= '0' && c <= '9')
                        unit = unit << 4 | (uint32_t)(c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        unit = unit << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
                else
                        return false;
        }
        *ret_unit = unit;
        return true;
}

static char *put_rune(char *to, uint32_t rune) {
        if (rune < 0x80) {
                *to++ = (char)rune;
        } else if (rune < 0x800) {
                *to++ = (char)(0xc0 | rune >> 6);
                *to++ = (char)(0x80 | (rune & 63));
        } else if (rune < 0x10000) {
                *to++ = (char)(0xe0 | rune >> 12);
                *to++ = (char)(0x80 | (rune >> 6 & 63));
                *to++ = (char)(0x80 | (rune & 63));
        } else {
                *to++ = (char)(0xf0 | rune >> 18);
                *to++ = (char)(0x80 | (rune >> 12 & 63));
                *to++ = (char)(0x80 | (rune >> 6 & 63));
                *to++ = (char)(0x80 | (rune & 63));
        }
        return to;
}

/* The escape at *@p, behind the backslash. NULL for what is none. */
static char *put_escape(const char **p, const char *end, char *to) {
        static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        const char *name = **p ? strchr(names, **p) : NULL;
        uint32_t unit, low;

        if (name) {
                (*p)++;
                *to++ = values[name - names];
                return to;
        }
        if (**p != 'u' || !parse_unit(*p + 1, end, &unit))
                return NULL;
        *p += 5;
        if (unit >= 0xd800 && unit < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' &&
            parse_unit(*p + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
                *p += 6;
                return put_rune(to, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        }
        return put_rune(to, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
}

char *pull_string(Pull *pull, Arena *arena, size_t *ret_size) {
        const char *p, *end;
        char *text, *to;
        bool escapes = false;

        if (pull->failed || !take(pull, '"') || !(end = string_end(pull, &escapes))) {
                pull_refuse(pull);
                return NULL;
        }
        p = pull->p;
        /* A byte that is none takes three; an escape never takes more than it has. */
        text = to = arena_alloc(arena, (size_t)(end - p) * 3 + 1);
        while (text && p < end) {
                uint32_t rune;
                size_t n;

                if (*p == '\\') {
                        p++;
                        to = put_escape(&p, end, to);
                        if (to)
                                continue;
                        pull_refuse(pull);
                        return NULL;
                }
                n = go_decode_rune(p, (size_t)(end - p), &rune);
                if (rune == UINT32_MAX)
                        to = put_rune(to, 0xfffd);
                else
                        for (size_t i = 0; i < n; i++)
                                *to++ = p[i];
                p += n;
        }
        if (!text) {
                pull_refuse(pull);
                return NULL;
        }
        *to = '\0';
        pull->p = end + 1;
        if (ret_size)
                *ret_size = (size_t)(to - text);
        return text;
}

static void skip_number(Pull *pull) {
        const char *start = pull->p;

        while (pull->p < pull->end && *pull->p && strchr("+-0123456789.eE", *pull->p))
                pull->p++;
        if (pull->p == start)
                pull_refuse(pull);
}

void pull_skip(Pull *pull) {
        char key[PULL_KEY_SIZE];
        bool escapes;
        const char *end;

        skip_blanks(pull);
        if (pull->failed || pull->p == pull->end) {
                pull_refuse(pull);
                return;
        }
        switch (*pull->p) {
        case '{':
                pull_object(pull);
                while (pull_member(pull, key))
                        pull_skip(pull);
                break;
        case '[':
                pull_array(pull);
                while (pull_item(pull))
                        pull_skip(pull);
                break;
        case '"':
                pull->p++;
                end = string_end(pull, &escapes);
                if (end)
                        pull->p = end + 1;
                else
                        pull_refuse(pull);
                break;
        case 'n':
                if (!pull_null(pull))
                        pull_refuse(pull);
                break;
        case 't':
        case 'f':
                (void)pull_boolean(pull);
                break;
        default:
                skip_number(pull);
        }
}

int pull_end(Pull *pull) {
        skip_blanks(pull);
        return pull->failed || pull->depth > 0 || pull->p != pull->end ? -EBADMSG : 0;
}
