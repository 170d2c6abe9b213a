/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File sets: a directory, a file specification with * and ?, and perhaps all below
 */

#include <limits.h>
#include <string.h>
#include "model/filespec.h"
#include "model/path.h"
#include "util/utf8.h"

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789"

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

bool filespec_is_exact(const char *filespec) {
        return !strpbrk(filespec, "*?");
}

/* Variables */

/* The name of the variable at @s, and what follows it; 0 if there is none. */
static size_t variable_at(const char *s, const char **ret_name, const char **ret_next) {
        bool braces = s[0] == '$' && s[1] == '{';
        char close = s[0] == '%' ? '%' : braces ? '}' : '\0';
        const char *name = s + 1 + braces;
        size_t n;

        if (s[0] != '$' && s[0] != '%')
                return 0;
        /* Names of environments elsewhere have brackets in them. */
        n = strspn(name, close == '%' ? NAME_CHARACTERS "()" : NAME_CHARACTERS);
        if (n == 0 || (*name >= '0' && *name <= '9') || (close && name[n] != close))
                return 0;
        *ret_name = name;
        *ret_next = name + n + (close != '\0');
        return n;
}

/* Appends; false when it is full. */
static bool put(char *buffer, size_t *used, const char *text, size_t n) {
        if (*used + n >= PATH_MAX)
                return false;
        memcpy(buffer + *used, text, n);
        *used += n;
        buffer[*used] = '\0';
        return true;
}

static bool expand(const char *path, FilespecLookup lookup, void *userdata, char *buffer) {
        size_t used = 0;

        for (const char *s = path; *s;) {
                const char *name, *next, *value = NULL;
                size_t n = lookup ? variable_at(s, &name, &next) : 0;
                char variable[256];

                if (n > 0 && n < sizeof(variable)) {
                        (void)snprintf(variable, sizeof(variable), "%.*s", (int)n, name);
                        value = lookup(userdata, variable);
                }
                if (!(value ? put(buffer, &used, value, strnlen(value, PATH_MAX))
                            : put(buffer, &used, s, 1)))
                        return false;
                s = value ? next : s + 1;
        }
        return true;
}

vss_result filespec_expand(const char *path, FilespecLookup lookup, void *userdata, char **ret_path,
                           Why *why) {
        char buffer[PATH_MAX] = "";
        vss_result result;

        if (!expand(path, lookup, userdata, buffer))
                return why_set(why, VSS_E_INVALIDARG, "The path \"%.256s\" is longer than %d bytes.", path,
                               PATH_MAX - 1);
        if (*buffer != '/')
                return why_set(why, VSS_E_INVALIDARG,
                               "The path \"%.256s\" is not absolute, or begins with a variable that is not "
                               "set.",
                               path);
        result = filespec_check_path(buffer, why);
        if (result < 0)
                return result;
        return path_normalize(buffer, ret_path) < 0 ? why_no_memory(why) : VSS_S_OK;
}

/* Matching */

/* Bytes of the character at @s; what is no UTF-8 is one byte a character. */
static size_t character_size(const char *s) {
        unsigned char c = (unsigned char)*s;
        size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

        for (size_t i = 1; i < n; i++)
                if (((unsigned char)s[i] & 0xc0) != 0x80)
                        return 1;
        return n;
}

bool filespec_matches(const char *filespec, const char *name) {
        const char *star = NULL, *retry = NULL;

        while (*name) {
                if (*filespec == '*') {
                        star = ++filespec;
                        retry = name;
                } else if (*filespec == '?') {
                        filespec++;
                        name += character_size(name);
                } else if (*filespec == *name) {
                        filespec++;
                        name++;
                } else if (star) {
                        /* The last * takes one character more; the ones before need not. */
                        retry += character_size(retry);
                        filespec = star;
                        name = retry;
                } else
                        return false;
        }
        return filespec[strspn(filespec, "*")] == '\0';
}

bool filespec_covers(const char *directory, const char *filespec, bool recursive, const char *path) {
        const char *below = path_relative(path, directory), *name = strrchr(path, '/');

        if (!below || !*below || !name || (!recursive && strchr(below, '/')))
                return false;
        return filespec_matches(filespec, name + 1);
}

bool filespec_covers_all(const char *directory, const char *filespec, bool recursive, const char *path) {
        return recursive && strspn(filespec, "*") == strlen(filespec) && path_is_below(path, directory);
}

/* Backup types */

enum vss_backup_type backup_type_of_schema(enum vss_backup_type type, uint32_t schema) {
        if ((type == VSS_BT_INCREMENTAL && !(schema & VSS_BS_INCREMENTAL)) ||
            (type == VSS_BT_DIFFERENTIAL && !(schema & VSS_BS_DIFFERENTIAL)) ||
            (type == VSS_BT_LOG && !(schema & VSS_BS_LOG)))
                return VSS_BT_FULL;
        return type;
}

static uint32_t backup_bit(enum vss_backup_type type) {
        switch (type) {
        case VSS_BT_DIFFERENTIAL:
                return VSS_FSBT_DIFFERENTIAL_BACKUP_REQUIRED;
        case VSS_BT_INCREMENTAL:
                return VSS_FSBT_INCREMENTAL_BACKUP_REQUIRED;
        case VSS_BT_LOG:
                return VSS_FSBT_LOG_BACKUP_REQUIRED;
        default:
                /* A copy is a full backup that changes nothing for later ones. */
                return VSS_FSBT_FULL_BACKUP_REQUIRED;
        }
}

bool backup_mask_needs_backup(uint32_t mask, enum vss_backup_type type) {
        return mask & backup_bit(type);
}

bool backup_mask_needs_snapshot(uint32_t mask, enum vss_backup_type type) {
        /* What is made while the backup is under way is nowhere else. */
        return mask & (backup_bit(type) << 8 | VSS_FSBT_CREATED_DURING_BACKUP);
}

const char *backup_type_name(enum vss_backup_type type) {
        static const char *const names[] = {
                [VSS_BT_UNDEFINED] = "undefined",
                [VSS_BT_FULL] = "full",
                [VSS_BT_INCREMENTAL] = "incremental",
                [VSS_BT_DIFFERENTIAL] = "differential",
                [VSS_BT_LOG] = "log",
                [VSS_BT_COPY] = "copy",
                [VSS_BT_OTHER] = "other",
        };

        return (size_t)type < ELEMENTS(names) ? names[type] : "undefined";
}
