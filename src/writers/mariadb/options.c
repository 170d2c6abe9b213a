/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Options and versions of servers; see options.h
 */

#include <ctype.h>
#include <string.h>
#include "writers/mariadb/options.h"

void options_clear(Options *options) {
        for (size_t i = 0; i < options->n; i++)
                free(options->items[i]);
        free(options->items);
        *options = (Options){ 0 };
}

int options_add(Options *options, const char *word) {
        char **items, *copy;

        if (options->n >= OPTIONS_MAX)
                return -E2BIG;
        items = reallocarray(options->items, options->n + 2, sizeof(*items));
        if (!items)
                return -ENOMEM;
        options->items = items;
        copy = strdup(word);
        if (!copy)
                return -ENOMEM;
        items[options->n++] = copy;
        items[options->n] = NULL;
        return 0;
}

int options_split(Options *options, const char *text, size_t size, char separator) {
        const char *end = text + size;

        while (text < end) {
                const char *stop = memchr(text, separator, (size_t)(end - text));
                _cleanup_(freep) char *word = strndup(text, (size_t)((stop ?: end) - text));
                int r;

                if (!word)
                        return -ENOMEM;
                r = options_add(options, word);
                if (r < 0)
                        return r;
                text = stop ? stop + 1 : end;
        }
        return 0;
}

/* Behind the name of an option, if it is the one. */
static const char *match(const char *word, const char *name) {
        if (word[0] != '-' || word[1] != '-')
                return NULL;
        word += 2;
        if (strncmp(word, "loose-", 6) == 0 || strncmp(word, "loose_", 6) == 0)
                word += 6;
        for (; *name; name++, word++)
                if (*word != *name && !(strchr("-_", *name) && *word && strchr("-_", *word)))
                        return NULL;
        return *word == '=' || *word == '\0' ? word : NULL;
}

const char *options_get(const Options *options, const char *name) {
        const char *value = NULL;

        for (size_t i = 0; i < options->n; i++) {
                const char *rest = match(options->items[i], name);

                if (!rest)
                        continue;
                if (*rest == '=')
                        value = rest + 1;
                else if (i + 1 < options->n && options->items[i + 1][0] != '-')
                        value = options->items[i + 1];
                else
                        value = "";
        }
        return value;
}

int options_get_defaults(const Options *options, Options *ret_defaults) {
        static const char *const names[] = { "defaults-file", "defaults-extra-file", "defaults-group-suffix",
                                             "no-defaults" };
        Options defaults = { 0 };

        for (size_t i = 0; i < options->n; i++)
                FOREACH_ELEMENT (name, names) {
                        int r;

                        if (!match(options->items[i], *name))
                                continue;
                        r = options_add(&defaults, options->items[i]);
                        if (r < 0) {
                                options_clear(&defaults);
                                return r;
                        }
                }
        *ret_defaults = defaults;
        return 0;
}

/* "10.11.19-...": numbers; what is missing is 0. */
static void parse_version(const char *version, unsigned numbers[static 3]) {
        for (size_t i = 0; i < 3; i++) {
                char *end;

                numbers[i] = isdigit((unsigned char)*version) ? (unsigned)strtoul(version, &end, 10) : 0;
                if (!isdigit((unsigned char)*version))
                        continue;
                version = *end == '.' ? end + 1 : end;
        }
}

enum ServerKind server_kind(const char *version) {
        unsigned v[3];

        parse_version(version, v);
        if (strcasestr(version, "mariadb"))
                return v[0] > 10 || (v[0] == 10 && (v[1] > 4 || (v[1] == 4 && v[2] >= 1)))
                               ? SERVER_MARIADB
                               : SERVER_UNSUPPORTED;
        return v[0] >= 8 ? SERVER_MYSQL : SERVER_UNSUPPORTED;
}

const char *server_replica_statement(const char *version) {
        unsigned v[3];

        if (server_kind(version) == SERVER_MARIADB)
                return "SHOW ALL SLAVES STATUS";
        parse_version(version, v);
        return v[0] == 8 && v[1] == 0 && v[2] < 22 ? "SHOW SLAVE STATUS" : "SHOW REPLICA STATUS";
}

void server_series(const char *version, char ret_series[static SERIES_SIZE]) {
        unsigned v[3];

        parse_version(version, v);
        (void)snprintf(ret_series, SERIES_SIZE, "%u.%u", v[0] % 10000, v[1] % 10000);
}

bool data_file_name(const char *path, size_t index, char *ret_name, size_t size) {
        size_t n;

        for (; index > 0 && path; index--) {
                path = strchr(path, ';');
                path = path ? path + 1 : NULL;
        }
        n = path ? strcspn(path, ":;") : 0;
        if (n == 0 || n >= size)
                return false;
        (void)snprintf(ret_name, size, "%.*s", (int)n, path);
        return true;
}
