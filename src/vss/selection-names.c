/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writers and components as people name them
 */

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include "vss/selection.h"

static const char *text_of(const vss_value *dict, const char *key) {
        return vss_value_get_string(dict, key, "");
}

/* What --writer says, in its parts. */
typedef struct Spec {
        char *writer, *logical_path, *name; /* the last two NULL for all of the writer */
} Spec;

static void spec_clear(Spec *spec) {
        free(spec->writer);
        free(spec->logical_path);
        free(spec->name);
}

/* "SQLite:/srv/a", or as Windows writes it "{id}:\srv\a". Braces may be around a UUID. */
static int spec_parse(const char *text, Spec *spec) {
        const char *colon = strchr(text, ':');
        size_t n = colon ? (size_t)(colon - text) : strlen(text);
        char *slash;

        if (n >= 2 && text[0] == '{' && text[n - 1] == '}') {
                text++;
                n -= 2;
        }
        spec->writer = strndup(text, n);
        if (!spec->writer)
                return -ENOMEM;
        if (!colon)
                return 0;
        spec->logical_path = strdup(colon + 1 + strspn(colon + 1, "/\\"));
        if (!spec->logical_path)
                return -ENOMEM;
        for (char *p = spec->logical_path; *p; p++)
                if (*p == '\\')
                        *p = '/';
        slash = strrchr(spec->logical_path, '/');
        spec->name = strdup(slash ? slash + 1 : spec->logical_path);
        *(slash ?: spec->logical_path) = '\0';
        return !spec->name ? -ENOMEM : *spec->name ? 0 : -EINVAL;
}

static bool is_writer(const vss_value *writer, const char *name) {
        static const char *const keys[] = { "name", "friendly-name", "id", "instance-id" };
        const char *own = text_of(writer, "name");

        FOREACH_ELEMENT (key, keys)
                if (*name && strcasecmp(text_of(writer, *key), name) == 0)
                        return true;
        /* the class of an instance */
        return *name && strchr(own, '.') && strlen(name) == strcspn(own, ".") &&
               strncasecmp(own, name, strlen(name)) == 0;
}

static int _printf_(2, 3) problem(char **ret_problem, const char *format, ...) {
        va_list args;

        va_start(args, format);
        if (vasprintf(ret_problem, format, args) < 0)
                *ret_problem = NULL;
        va_end(args);
        return -ENOENT;
}

static int append_key(vss_value *list, const char *writer, const Spec *spec) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();

        if (vss_value_set_string(entry, "writer", writer) < 0 ||
            (spec->name && (vss_value_set_string(entry, "logical-path", spec->logical_path) < 0 ||
                            vss_value_set_string(entry, "name", spec->name) < 0)) ||
            vss_value_append(list, TAKE_PTR(entry)) < 0)
                return -ENOMEM;
        return 0;
}

/* The keys of all writers' components that @text names. */
static int resolve(const vss_value *writers, const char *text, vss_value *list, char **ret_problem) {
        _cleanup_(spec_clear) Spec spec = {};
        bool found = false;
        int r = spec_parse(text, &spec);

        if (r == -EINVAL) {
                (void)problem(ret_problem, "'%s' names no component; write WRITER:/LOGICAL/PATH/COMPONENT",
                              text);
                return r;
        }
        for (size_t i = 0; r >= 0 && i < vss_value_count(writers); i++)
                if (is_writer(vss_value_at(writers, i), spec.writer)) {
                        found = true;
                        r = append_key(list, text_of(vss_value_at(writers, i), "name"), &spec);
                }
        if (r >= 0 && !found)
                return problem(ret_problem, "there is no writer '%s' (see vss list writers)", spec.writer);
        return r;
}

bool selection_names(const vss_value *keys, const char *writer, const char *logical_path, const char *name) {
        for (size_t i = 0; i < vss_value_count(keys); i++) {
                const vss_value *key = vss_value_at(keys, i);

                if (strcmp(text_of(key, "writer"), writer) == 0 &&
                    (!vss_value_get(key, "name") ||
                     (strcmp(text_of(key, "name"), name) == 0 &&
                      strcmp(text_of(key, "logical-path"), logical_path) == 0)))
                        return true;
        }
        return false;
}

int selection_resolve(const vss_value *writers, const Strings *specs, vss_value **ret_keys,
                      char **ret_problem) {
        _cleanup_value_ vss_value *keys = vss_value_new_list();
        int r = keys ? 0 : -ENOMEM;

        *ret_problem = NULL;
        for (size_t i = 0; r >= 0 && i < specs->n; i++)
                r = resolve(writers, specs->items[i], keys, ret_problem);
        if (r >= 0)
                *ret_keys = TAKE_PTR(keys);
        return r;
}
