/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lists of strings and questions about paths
 *
 * Kept free of the file system, so that the view of `vss exec` can be planned and tested without one.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include "util/macro.h"
#include "vss/stringlist.h"

#define WORD_MAX 32u

int strings_add(Strings *strings, const char *string) {
        char **items = reallocarray(strings->items, strings->n + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        strings->items = items;
        items[strings->n] = strdup(string);
        if (!items[strings->n])
                return -ENOMEM;
        strings->n++;
        return 0;
}

int strings_add_once(Strings *strings, const char *string) {
        return strings_contain(strings, string) ? 0 : strings_add(strings, string);
}

bool strings_contain(const Strings *strings, const char *string) {
        for (size_t i = 0; i < strings->n; i++)
                if (strcmp(strings->items[i], string) == 0)
                        return true;
        return false;
}

void strings_clear(Strings *strings) {
        for (size_t i = 0; i < strings->n; i++)
                free(strings->items[i]);
        free(strings->items);
        *strings = (Strings){};
}

bool path_is_within(const char *path, const char *base) {
        size_t n = strlen(base);

        if (strcmp(base, "/") == 0)
                return path[0] == '/';
        return strncmp(path, base, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

size_t path_depth(const char *path) {
        size_t depth = 0;

        if (strcmp(path, "/") == 0)
                return 0;
        for (; *path; path++)
                depth += *path == '/';
        return depth;
}

size_t path_longest_base(const char *path, const Strings *bases) {
        size_t longest = 0;

        for (size_t i = 0; i < bases->n; i++)
                if (path_is_within(path, bases->items[i]))
                        longest = MAX(longest, strlen(bases->items[i]));
        return longest;
}

const char *path_rest(const char *path, const char *base) {
        assert(path_is_within(path, base));

        if (strcmp(base, "/") != 0)
                path += strlen(base);
        return *path == '/' ? path + 1 : path;
}

size_t word_distance(const char *a, const char *b) {
        size_t row[WORD_MAX + 1], n_a = strlen(a), n_b = strlen(b);

        if (n_a > WORD_MAX || n_b > WORD_MAX)
                return WORD_MAX;
        for (size_t j = 0; j <= n_b; j++)
                row[j] = j;
        for (size_t i = 1; i <= n_a; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n_b; j++) {
                        size_t above = row[j], change = diagonal + (a[i - 1] != b[j - 1]);

                        row[j] = MIN(row[j - 1], above) + 1;
                        row[j] = MIN(row[j], change);
                        diagonal = above;
                }
        }
        return row[n_b];
}

const char *suggest_name(const char *word, const char *const *names, size_t n) {
        const char *best = NULL;
        size_t nearest = 3; /* more than two mistakes is another word */

        for (size_t i = 0; i < n; i++) {
                size_t distance = word_distance(word, names[i]);

                if (distance < nearest && distance < strlen(names[i])) {
                        nearest = distance;
                        best = names[i];
                }
        }
        return best;
}
