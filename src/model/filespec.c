/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File sets: a directory, a file specification with * and ?, and perhaps all below
 */

#include <limits.h>
#include <string.h>
#include "model/filespec.h"
#include "util/utf8.h"

static bool is_printable(const char *text, size_t size_max) {
        if (strnlen(text, size_max) >= size_max || !text_is_utf8(text))
                return false;
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        return false;
        return true;
}

vss_result filespec_check_path(const char *path, Why *why) {
        if (!path || !is_printable(path, PATH_MAX))
                return why_set(why, VSS_E_INVALIDARG,
                               "A path is longer than %d bytes, has control characters, or is not UTF-8.",
                               PATH_MAX - 1);
        if (*path != '/' && *path != '$' && *path != '%')
                return why_set(why, VSS_E_INVALIDARG, "The path \"%.256s\" is not absolute.", path);
        for (const char *s = path; *s; s += strcspn(s, "/")) {
                size_t n;

                s += strspn(s, "/");
                n = strcspn(s, "/");
                if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
                        return why_set(why, VSS_E_INVALIDARG, "The path \"%.256s\" has a \"%.*s\" in it.",
                                       path, (int)n, s);
        }
        return VSS_S_OK;
}

vss_result filespec_check(const char *filespec, Why *why) {
        if (!filespec || !is_printable(filespec, NAME_MAX + 1))
                return why_set(why, VSS_E_INVALIDARG,
                               "A file specification is longer than %d bytes, has control characters, or is "
                               "not UTF-8.",
                               NAME_MAX);
        if (!*filespec || strchr(filespec, '/') || strcmp(filespec, ".") == 0 || strcmp(filespec, "..") == 0)
                return why_set(why, VSS_E_INVALIDARG,
                               "The file specification \"%s\" must be a name with * and ?, without "
                               "directories.",
                               filespec);
        return VSS_S_OK;
}
