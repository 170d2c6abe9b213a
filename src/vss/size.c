/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sizes as people write and read them
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "util/macro.h"
#include "vss/size.h"

#define FRACTION_DIGITS 4u

static const struct {
        const char *name;
        uint64_t bytes;
} units[] = {
        { "", 1 },
        { "b", 1 },
        { "k", UINT64_C(1) << 10 },
        { "kib", UINT64_C(1) << 10 },
        { "kb", UINT64_C(1000) },
        { "m", UINT64_C(1) << 20 },
        { "mib", UINT64_C(1) << 20 },
        { "mb", UINT64_C(1000000) },
        { "g", UINT64_C(1) << 30 },
        { "gib", UINT64_C(1) << 30 },
        { "gb", UINT64_C(1000000000) },
        { "t", UINT64_C(1) << 40 },
        { "tib", UINT64_C(1) << 40 },
        { "tb", UINT64_C(1000000000000) },
        { "p", UINT64_C(1) << 50 },
        { "pib", UINT64_C(1) << 50 },
        { "pb", UINT64_C(1000000000000000) },
};

/* A decimal number with at most FRACTION_DIGITS behind its point, in units of the last of them. */
static int parse_decimal(const char **text, uint64_t *ret_number) {
        uint64_t number = 0;
        unsigned digits = 0, behind = 0;
        bool point = false;
        const char *s = *text;

        for (; (*s >= '0' && *s <= '9') || (*s == '.' && !point); s++) {
                if (*s == '.') {
                        point = true;
                        continue;
                }
                if (point && ++behind > FRACTION_DIGITS)
                        return -EINVAL;
                if (number > (UINT64_MAX - 9) / 10)
                        return -ERANGE;
                number = number * 10 + (uint64_t)(*s - '0');
                digits++;
        }
        if (digits == 0 || (point && behind == 0))
                return -EINVAL;
        for (; behind < FRACTION_DIGITS; behind++) {
                if (number > UINT64_MAX / 10)
                        return -ERANGE;
                number *= 10;
        }
        *text = s;
        *ret_number = number;
        return 0;
}

int size_parse(const char *text, Size *ret_size) {
        const uint64_t one = 10000; /* FRACTION_DIGITS */
        uint64_t number;
        int r;

        if (strcasecmp(text, "unlimited") == 0) {
                *ret_size = (Size){ .bytes = SIZE_UNLIMITED };
                return 0;
        }
        r = parse_decimal(&text, &number);
        if (r < 0)
                return r;
        text += strspn(text, " ");
        if (strcmp(text, "%") == 0) {
                if (number == 0 || number > 100 * one || number % (one / 100) != 0)
                        return number > 100 * one ? -ERANGE : -EINVAL;
                *ret_size = (Size){ .percent = number / (one / 100) };
                return 0;
        }
        FOREACH_ELEMENT (unit, units) {
                unsigned __int128 bytes = (unsigned __int128)number * unit->bytes / one;

                if (strcasecmp(unit->name, text) != 0)
                        continue;
                if (bytes > INT64_MAX)
                        return -ERANGE;
                if (unit->bytes == 1 && number % one != 0)
                        return -EINVAL;
                *ret_size = (Size){ .bytes = (uint64_t)bytes };
                return 0;
        }
        return -EINVAL;
}

uint64_t size_bytes(const Size *size, uint64_t whole) {
        return size->percent == 0 ? size->bytes
                                  : (uint64_t)((unsigned __int128)whole * size->percent / 10000);
}

const char *format_size(int64_t bytes, char buffer[SIZE_TEXT]) {
        static const char names[] = "KMGTPE";
        uint64_t unit = 1024;
        size_t i = 0;

        if (bytes < 0) {
                (void)snprintf(buffer, SIZE_TEXT, "-");
                return buffer;
        }
        if (bytes < 1024) {
                (void)snprintf(buffer, SIZE_TEXT, "%" PRId64 " B", bytes);
                return buffer;
        }
        /* What would be rounded to 1024 of a unit is one of the next. */
        while (i + 2 < sizeof(names) && (double)bytes / (double)unit >= 1023.95) {
                unit *= 1024;
                i++;
        }
        (void)snprintf(buffer, SIZE_TEXT, "%.1f %ciB", (double)bytes / (double)unit, names[i]);
        return buffer;
}
