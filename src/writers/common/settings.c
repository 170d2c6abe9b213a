/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What writers share that are told by files which applications there are
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "writers/common/child.h"
#include "writers/common/settings.h"

#define UNIT_MAX 255u

int warnings_add(Warnings *warnings, const char *format, ...) {
        char *text = NULL;
        va_list args;
        int n;

        if (warnings->n == WARNINGS_MAX)
                return 0;
        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0)
                return -ENOMEM;
        warnings->items[warnings->n++] = text;
        return 0;
}

void warnings_clear(Warnings *warnings) {
        for (size_t i = 0; i < warnings->n; i++)
                free(warnings->items[i]);
        *warnings = (Warnings){ 0 };
}

int settings_fail(ConfError *error, unsigned line, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
        error->line = line;
        return -EBADMSG;
}

int settings_set_string(char **string, const char *value) {
        free(*string);
        *string = strdup(value);
        return *string ? 0 : -ENOMEM;
}

int settings_take_level(const ConfEntry *entry, enum vss_application_level *ret_level, ConfError *error) {
        static const struct {
                const char *name;
                enum vss_application_level level;
        } levels[] = {
                { "front-end", VSS_APP_FRONT_END },
                { "back-end", VSS_APP_BACK_END },
                { "system", VSS_APP_SYSTEM },
        };

        FOREACH_ELEMENT (level, levels)
                if (strcmp(entry->value, level->name) == 0) {
                        *ret_level = level->level;
                        return 0;
                }
        return settings_fail(error, entry->line, "Level= is front-end, back-end or system, not \"%.100s\"",
                             entry->value);
}

bool settings_path_is_plain(const char *path) {
        if (path[0] != '/' || path[1] == '\0' || !text_is_clean(path))
                return false;
        for (const char *p = path; *p;) {
                size_t n = strcspn(p + 1, "/");

                if (n == 0 || (n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
                        return false;
                p += n + 1;
        }
        return true;
}

bool settings_is_unit(const char *name) {
        const char *dot = strrchr(name, '.');
        size_t n = strlen(name);

        return dot && dot != name && dot[1] && name[0] != '-' && n <= UNIT_MAX &&
               strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@") == n;
}
