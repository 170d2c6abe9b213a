/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ranges of a file: which bytes of it belong to a backup
 *
 * Writers of any language write these texts, and ranges files lie on media for years, so both forms are read
 * strictly: what is not understood is an error, never a file with fewer bytes in it.
 */

#include <endian.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include "model/path.h"
#include "model/ranges.h"

const char *ranges_file(const char *text) {
        text += strspn(text, " \t");
        return strncasecmp(text, "File=", strlen("File=")) == 0 ? text + strlen("File=") : NULL;
}

static const char *skip_blanks(const char *s) {
        return s + strspn(s, " \t\r\n");
}

/* A number at @s, decimal or 0x...; returns what follows, NULL if there is none or it is too large. */
static const char *read_number(const char *s, uint64_t *ret_number) {
        unsigned base = 10;
        uint64_t number = 0;
        const char *first;

        if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
                base = 16;
                s += 2;
        }
        for (first = s;; s++) {
                unsigned digit;

                if (*s >= '0' && *s <= '9')
                        digit = (unsigned)(*s - '0');
                else if (base == 16 && (*s | 0x20) >= 'a' && (*s | 0x20) <= 'f')
                        digit = (unsigned)((*s | 0x20) - 'a') + 10;
                else
                        break;
                if (__builtin_mul_overflow(number, base, &number) ||
                    __builtin_add_overflow(number, digit, &number))
                        return NULL;
        }
        if (s == first)
                return NULL;
        *ret_number = number;
        return s;
}

static int by_offset(const void *a, const void *b) {
        const Range *ra = a, *rb = b;

        return ra->offset < rb->offset ? -1 : ra->offset > rb->offset;
}

/* Each ends within 64 bits, and no two share a byte. */
static vss_result check_ranges(const Range *ranges, size_t n, Why *why) {
        _cleanup_(freep) Range *sorted = calloc(n + 1, sizeof(*sorted));
        size_t kept = 0;

        if (!sorted)
                return why_no_memory(why);
        for (size_t i = 0; i < n; i++) {
                if (ranges[i].length > UINT64_MAX - ranges[i].offset)
                        return why_set(why, VSS_E_INVALIDARG,
                                       "Range %zu ends beyond what a file can hold: offset %" PRIu64
                                       ", length %" PRIu64 ".",
                                       i + 1, ranges[i].offset, ranges[i].length);
                if (ranges[i].length > 0)
                        sorted[kept++] = ranges[i];
        }
        qsort(sorted, kept, sizeof(*sorted), by_offset);
        for (size_t i = 1; i < kept; i++)
                if (sorted[i].offset < sorted[i - 1].offset + sorted[i - 1].length)
                        return why_set(why, VSS_E_INVALIDARG,
                                       "The range at offset %" PRIu64 " overlaps the one at %" PRIu64 ".",
                                       sorted[i].offset, sorted[i - 1].offset);
        return VSS_S_OK;
}

/* "offset:length" at @s; returns what follows. */
static const char *read_range(const char *s, Range *ret_range) {
        s = read_number(skip_blanks(s), &ret_range->offset);
        if (s)
                s = skip_blanks(s);
        if (!s || *s != ':')
                return NULL;
        s = read_number(skip_blanks(s + 1), &ret_range->length);
        return s ? skip_blanks(s) : NULL;
}

vss_result ranges_parse(const char *text, Range **ret_ranges, size_t *ret_n, Why *why) {
        _cleanup_(freep) Range *ranges = NULL;
        const char *s = skip_blanks(text);
        size_t n = 0, most = 1;
        vss_result result;

        if (strnlen(text, RANGES_TEXT_SIZE_MAX + 1) > RANGES_TEXT_SIZE_MAX)
                return why_set(why, VSS_E_INVALIDARG,
                               "The ranges are longer than %u bytes; use a ranges file.",
                               RANGES_TEXT_SIZE_MAX);
        for (const char *c = s; (c = strchr(c, ',')); c++)
                most++;
        if (most > RANGES_TEXT_MAX)
                return why_set(why, VSS_E_INVALIDARG, "There are more than %u ranges; use a ranges file.",
                               RANGES_TEXT_MAX);
        ranges = calloc(most, sizeof(*ranges));
        if (!ranges)
                return why_no_memory(why);
        while (*s) {
                const char *next = read_range(s, &ranges[n]);

                if (!next || (*next && *next != ',') || (*next == ',' && !*skip_blanks(next + 1)))
                        return why_set(why, VSS_E_INVALIDARG,
                                       "Range %zu is not \"offset:length\": \"%.32s\".", n + 1, s);
                n++;
                s = *next ? skip_blanks(next + 1) : next;
        }
        result = check_ranges(ranges, n, why);
        if (result < 0)
                return result;
        *ret_ranges = TAKE_PTR(ranges);
        *ret_n = n;
        return VSS_S_OK;
}

static uint64_t read_u64(const uint8_t *data) {
        uint64_t number;

        memcpy(&number, data, sizeof(number));
        return le64toh(number);
}

static void write_u64(uint8_t *data, uint64_t number) {
        number = htole64(number);
        memcpy(data, &number, sizeof(number));
}

vss_result ranges_parse_binary(const uint8_t *data, size_t size, Range **ret_ranges, size_t *ret_n,
                               Why *why) {
        _cleanup_(freep) Range *ranges = NULL;
        uint64_t n = size >= 8 ? read_u64(data) : 0;
        vss_result result;

        if (size < 8 || n > RANGES_BINARY_MAX || size != 8 + n * 16)
                return why_set(why, VSS_E_INVALIDARG,
                               "The ranges file has %zu bytes and says that it holds %" PRIu64
                               " ranges of 16 bytes (at most %u).",
                               size, n, RANGES_BINARY_MAX);
        ranges = calloc(n + 1, sizeof(*ranges));
        if (!ranges)
                return why_no_memory(why);
        for (size_t i = 0; i < n; i++)
                ranges[i] = (Range){ read_u64(data + 8 + i * 16), read_u64(data + 16 + i * 16) };
        result = check_ranges(ranges, n, why);
        if (result < 0)
                return result;
        *ret_ranges = TAKE_PTR(ranges);
        *ret_n = n;
        return VSS_S_OK;
}

int ranges_format(const Range *ranges, size_t n, char **ret_text) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                (void)fprintf(stream, "%s%" PRIu64 ":%" PRIu64, i > 0 ? ", " : "", ranges[i].offset,
                              ranges[i].length);
        if (fclose(stream) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret_text = text;
        return 0;
}

int ranges_format_binary(const Range *ranges, size_t n, uint8_t **ret_data, size_t *ret_size) {
        uint8_t *data;

        if (n > RANGES_BINARY_MAX)
                return -E2BIG;
        data = malloc(8 + n * 16);
        if (!data)
                return -ENOMEM;
        write_u64(data, n);
        for (size_t i = 0; i < n; i++) {
                write_u64(data + 8 + i * 16, ranges[i].offset);
                write_u64(data + 16 + i * 16, ranges[i].length);
        }
        *ret_data = data;
        *ret_size = 8 + n * 16;
        return 0;
}

vss_result ranges_check(const char *text, Why *why) {
        _cleanup_(freep) Range *ranges = NULL;
        const char *path = ranges_file(text);
        size_t n;

        if (!path)
                return ranges_parse(text, &ranges, &n, why);
        return path_is_normal(path) ? VSS_S_OK
                                    : why_set(why, VSS_E_INVALIDARG,
                                              "The ranges file \"%.256s\" must be an absolute path without "
                                              "\".\" and \"..\".",
                                              path);
}
