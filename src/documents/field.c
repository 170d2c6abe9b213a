/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fields
 *
 * A check is the same in both directions, so that what is written can be read again.
 */

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include "documents/base64.h"
#include "documents/document.h"
#include "documents/field.h"
#include "model/id.h"
#include "util/utf8.h"

/* XML has no control characters but these three, and not the last two of the first 65536. */
bool field_is_plain(const char *text) {
        for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
                if (*s < 0x20 && *s != '\t' && *s != '\n' && *s != '\r')
                        return false;
                if (s[0] == 0xEF && s[1] == 0xBF && (s[2] == 0xBE || s[2] == 0xBF))
                        return false;
        }
        return text_is_utf8(text);
}

static bool has_controls(const char *text) {
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7F)
                        return true;
        return false;
}

static bool has_element(const char *path, const char *separators, const char *element) {
        for (;;) {
                size_t n = strcspn(path, separators);

                if (n == strlen(element) && strncmp(path, element, n) == 0)
                        return true;
                if (!path[n])
                        return false;
                path += n + 1;
        }
}

static bool is_absolute(const char *path) {
        return path[0] == '/' || path[0] == '\\' || path[0] == '%' || path[0] == '$' ||
               (isalpha((unsigned char)path[0]) && path[1] == ':');
}

/* Here a backslash is a character like others. */
static const char *check_path(enum FieldType type, const char *path) {
        if (has_element(path, path[0] && strchr("/$%", path[0]) ? "/" : "/\\", ".."))
                return "has an element \"..\"; the path it leads to is wanted";
        if (type == FIELD_PATH && !is_absolute(path))
                return "is not an absolute path";
        return NULL;
}

static const char *check_logical_path(enum FieldType type, const char *path) {
        if (type == FIELD_REMOTE_PATH && strncmp(path, "//", 2) == 0 && path[2])
                path += 2;
        if (*path &&
            (has_element(path, "/", "") || has_element(path, "/", ".") || has_element(path, "/", "..")))
                return "is no logical path: an element is empty or made of dots";
        return NULL;
}

static const char *check_filespec(const char *filespec) {
        if (!*filespec)
                return "is empty; \"*\" stands for all files";
        if (strchr(filespec, '/') || strcmp(filespec, ".") == 0 || strcmp(filespec, "..") == 0)
                return "is not a name: directories belong into the path";
        return NULL;
}

static const char *check_id(enum FieldType type, const char *id) {
        return id_is_valid(id) || (type == FIELD_ID_OR_NONE && !*id) ? NULL : "is no UUID";
}

static const char *check_icon(const char *icon) {
        _cleanup_(freep) char *data = NULL;
        size_t size;

        return base64_decode(icon, &data, &size) < 0 ? "is not Base64" : NULL;
}

static const char *check_word(const Spelling *spellings, const char *text) {
        for (; spellings->text; spellings++)
                if (strcmp(spellings->text, text) == 0)
                        return NULL;
        return "is not one of the words that are known";
}

static bool is_text(enum FieldType type) {
        return type == FIELD_DATA || type == FIELD_ICON || type == FIELD_OWN_VERSION;
}

const char *field_check(enum FieldType type, const Spelling *spellings, const char *text) {
        if (strlen(text) > (is_text(type) ? VSS_DOCUMENT_TEXT_MAX : VSS_DOCUMENT_NAME_MAX))
                return is_text(type) ? "is longer than 1 MiB" : "is longer than 4095 bytes";
        if (!is_text(type) && has_controls(text))
                return "has control characters";
        if (!is_text(type) && !text_is_utf8(text))
                return "is not in UTF-8";
        switch (type) {
        case FIELD_NAME:
                return !*text ? "is empty" : strchr(text, '/') ? "has a separator of paths in it" : NULL;
        case FIELD_LOGICAL_PATH:
        case FIELD_REMOTE_PATH:
                return check_logical_path(type, text);
        case FIELD_PATH:
        case FIELD_ANY_PATH:
                return check_path(type, text);
        case FIELD_FILESPEC:
                return check_filespec(text);
        case FIELD_ID:
        case FIELD_ID_OR_NONE:
                return check_id(type, text);
        case FIELD_ICON:
                return check_icon(text);
        case FIELD_WORD:
                return check_word(spellings, text);
        default:
                return NULL;
        }
}

bool field_parse_integer(const char *text, int64_t *ret_number) {
        long long number;
        char *end;

        if (!isdigit((unsigned char)text[text[0] == '-']))
                return false;
        errno = 0;
        number = strtoll(text, &end, 10);
        if (errno != 0 || *end)
                return false;
        *ret_number = number;
        return true;
}

static const char *parse_number(enum FieldType type, const Spelling *spellings, const char *text,
                                vss_value **ret_value) {
        int64_t number;

        if (type != FIELD_NUMBERED) {
                if (!field_parse_integer(text, &number))
                        return "is no decimal number of 64 bits";
                *ret_value = vss_value_new_integer(number);
                return NULL;
        }
        for (; spellings->text; spellings++) {
                if (strcmp(spellings->text, text) == 0) {
                        *ret_value = vss_value_new_integer(spellings->number);
                        return NULL;
                }
        }
        return "is not one of the words that are known";
}

static const char *parse_boolean(const char *text, vss_value **ret_value) {
        bool yes = strcmp(text, "yes") == 0;

        if (!yes && strcmp(text, "no") != 0)
                return "is neither \"yes\" nor \"no\"";
        *ret_value = vss_value_new_boolean(yes);
        return NULL;
}

/* Into the form in which it is checked and kept. */
static void normalize(enum FieldType type, char *text, bool is_foreign) {
        if (type == FIELD_ID || type == FIELD_ID_OR_NONE)
                for (; *text; text++)
                        *text = (char)tolower((unsigned char)*text);
        if (is_foreign && (type == FIELD_LOGICAL_PATH || type == FIELD_REMOTE_PATH || type == FIELD_NAME))
                for (; *text; text++)
                        *text = *text == '\\' ? '/' : *text;
}

const char *field_parse(enum FieldType type, const Spelling *spellings, char *text, bool is_foreign,
                        vss_value **ret_value) {
        const char *reason;

        *ret_value = NULL;
        switch (type) {
        case FIELD_BOOLEAN:
                return parse_boolean(text, ret_value);
        case FIELD_INTEGER:
        case FIELD_NUMBERED:
        case FIELD_MAJOR:
        case FIELD_MINOR:
                return parse_number(type, spellings, text, ret_value);
        case FIELD_VERSION:
                return strncmp(text, "1.", 2) == 0 ? NULL : "is unknown: only 1.2 and its like can be read";
        case FIELD_EDITION:
                return strcmp(text, "1") == 0 ? NULL : "is unknown: it was written by a newer Linux VSS";
        default:
                normalize(type, text, is_foreign);
                reason = field_check(type, spellings, text);
                if (!reason && is_foreign &&
                    (type == FIELD_PATH || type == FIELD_ANY_PATH || type == FIELD_FILESPEC) &&
                    has_element(text, "/\\", ".."))
                        reason = "has an element \"..\"; the path it leads to is wanted";
                if (!reason)
                        *ret_value = vss_value_new_string(text);
                return reason;
        }
}

bool field_split_version(const char *version, int64_t *ret_major, int64_t *ret_minor) {
        char again[2 * FIELD_NUMBER_SIZE];
        int64_t major, minor;
        char *end;

        if (!isdigit((unsigned char)version[0]) || strlen(version) > 20)
                return false;
        major = strtoll(version, &end, 10);
        if (*end != '.' || !isdigit((unsigned char)end[1]))
                return false;
        minor = strtoll(end + 1, &end, 10);
        if (*end)
                return false;
        (void)snprintf(again, sizeof(again), "%" PRId64 ".%" PRId64, major, minor);
        *ret_major = major;
        *ret_minor = minor;
        return strcmp(again, version) == 0;
}

static const char *format_number(const Spelling *spellings, int64_t number, char room[FIELD_NUMBER_SIZE],
                                 const char **ret_text) {
        if (!spellings) {
                (void)snprintf(room, FIELD_NUMBER_SIZE, "%" PRId64, number);
                *ret_text = room;
                return NULL;
        }
        for (; spellings->text; spellings++) {
                if (spellings->number == number) {
                        *ret_text = spellings->text;
                        return NULL;
                }
        }
        return "is a number that has no meaning here";
}

const char *field_format(enum FieldType type, const Spelling *spellings, const vss_value *value,
                         char room[FIELD_NUMBER_SIZE], const char **ret_text) {
        const char *text;

        if (type == FIELD_BOOLEAN) {
                *ret_text = vss_value_boolean(value, false) ? "yes" : "no";
                return vss_value_kind(value) == VSS_KIND_BOOLEAN ? NULL : "is no boolean";
        }
        if (type == FIELD_INTEGER || type == FIELD_NUMBERED)
                return vss_value_kind(value) == VSS_KIND_INTEGER
                               ? format_number(spellings, vss_value_integer(value, 0), room, ret_text)
                               : "is no integer";
        text = vss_value_string(value, NULL);
        if (!text)
                return "is no text";
        *ret_text = text;
        return field_check(type, spellings, text);
}
