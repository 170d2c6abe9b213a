/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names of units
 */

#include <string.h>
#include "model/unit.h"
#include "util/macro.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.\\-"

enum { NAME_LENGTH_MAX = 255 };

/* The dot of the type; NULL if it is of none that is stopped and started. */
static const char *suffix_of(const char *unit) {
        static const char *const suffixes[] = { ".service", ".socket", ".target", ".timer", ".path" };
        const char *dot = strrchr(unit, '.');

        FOREACH_ELEMENT (suffix, suffixes)
                if (dot && strcmp(dot, *suffix) == 0)
                        return dot;
        return NULL;
}

static bool is_name(const char *unit, const char *instance_letters) {
        const char *suffix = suffix_of(unit), *at = strchr(unit, '@');
        size_t prefix;

        if (!suffix || suffix == unit || unit[0] == '-' || strlen(unit) > NAME_LENGTH_MAX)
                return false;
        prefix = strspn(unit, LETTERS);
        if (!at || at > suffix)
                return unit[prefix] == '\0';
        return prefix > 0 && unit + prefix == at && at + 1 < suffix &&
               at + 1 + strspn(at + 1, instance_letters) >= suffix;
}

bool unit_is_valid(const char *unit) {
        return is_name(unit, LETTERS "@");
}

bool unit_is_pattern(const char *pattern) {
        return is_name(pattern, LETTERS "@*");
}

/* '*' for any characters, @n of @text in all. */
static bool matches(const char *pattern, size_t pattern_size, const char *text, size_t n) {
        const char *star = memchr(pattern, '*', pattern_size);
        size_t fixed = star ? (size_t)(star - pattern) : pattern_size;

        if (n < fixed || memcmp(pattern, text, fixed) != 0)
                return false;
        if (!star)
                return n == fixed;
        for (size_t skip = fixed; skip <= n; skip++)
                if (matches(star + 1, pattern_size - fixed - 1, text + skip, n - skip))
                        return true;
        return false;
}

bool unit_matches(const char *pattern, const char *unit) {
        const char *star = strchr(pattern, '*');
        size_t parts = 0;

        if (!star)
                return strcmp(pattern, unit) == 0;
        /* What many stars could mean takes long to find out. */
        for (const char *c = pattern; *c; c++)
                parts += *c == '*';
        return parts <= 2 && matches(pattern, strlen(pattern), unit, strlen(unit));
}
