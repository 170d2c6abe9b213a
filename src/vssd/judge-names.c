/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a writer calls itself and its components
 *
 * It goes into the Backup Components Document, which is one for all writers: a name that cannot stand there
 * would cost the others theirs, after the backup. So whoever has such a name is left out before.
 */

#include <stdarg.h>
#include <string.h>
#include "model/component.h"
#include "model/id.h"
#include "util/utf8.h"
#include "vssd/judge.h"

/* As documents have it. */
enum { NAME_SIZE_MAX = 4095 };

static int _printf_(2, 3) misnamed(char **ret_why, const char *format, ...) {
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(ret_why, format, args);
        va_end(args);
        if (n < 0)
                *ret_why = NULL;
        return n < 0 ? -ENOMEM : 1;
}

/* XML has no control characters. */
static bool is_plain(const char *text) {
        if (strnlen(text, NAME_SIZE_MAX + 1) > NAME_SIZE_MAX || !text_is_utf8(text))
                return false;
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7F)
                        return false;
        return true;
}

static bool is_name(const char *name) {
        return *name && !strchr(name, '/') && is_plain(name);
}

static bool is_logical_path(const char *path) {
        if (!*path)
                return true;
        for (const char *s = path;; s++) {
                size_t n = strcspn(s, "/");

                if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
                        return false;
                s += n;
                if (!*s)
                        return is_plain(path);
        }
}

int judge_names(const vss_value *metadata, char **ret_why) {
        const char *id = vss_value_get_string(metadata, "id", "");
        const char *instance = vss_value_get_string(metadata, "instance-id", "");
        const vss_value *components = vss_value_get(metadata, "components");

        if (!id_is_valid(id))
                return misnamed(ret_why, "its id \"%.64s\" is no UUID in lower-case letters", id);
        if (*instance && !id_is_valid(instance))
                return misnamed(ret_why, "its instance-id \"%.64s\" is no UUID in lower-case letters",
                                instance);
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);

                if (!is_name(component_name(component)))
                        return misnamed(ret_why,
                                        "the name of its component %zu is empty, longer than %d bytes, or "
                                        "has a '/' or a character in it that documents cannot have",
                                        i + 1, NAME_SIZE_MAX);
                if (!is_logical_path(component_logical_path(component)))
                        return misnamed(ret_why,
                                        "the logical path of its component \"%.200s\" has an element that "
                                        "is empty or made of dots, is longer than %d bytes, or has a "
                                        "character in it that documents cannot have",
                                        component_name(component), NAME_SIZE_MAX);
        }
        return 0;
}
