/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What slapd was started with, or would be
 */

#include <string.h>
#include "writers/openldap/instance.h"

/* The options of slapd(8) that take a value. */
#define WITH_VALUE "cdfFhnosSlrug"

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static void take_option(SlapdOptions *options, char name, const char *value) {
        switch (name) {
        case 'F':
                options->config_dir = value;
                break;
        case 'f':
                options->config_file = value;
                break;
        case 'h':
                options->urls = value;
                break;
        case 'r':
                options->chroot = value;
                break;
        default:
                break;
        }
}

bool slapd_options_parse(const char *cmdline, size_t size, SlapdOptions *ret_options) {
        SlapdOptions options = { 0 };
        const char *end = cmdline + size, *word = cmdline;

        if (size == 0 || strcmp(base_name(word), "slapd") != 0)
                return false;
        for (word += strlen(word) + 1; word < end; word += strlen(word) + 1) {
                const char *letter = word;

                if (*letter++ != '-')
                        break;
                /* Letters without a value may stand before one with a value in the same word. */
                while (*letter && !strchr(WITH_VALUE, *letter))
                        letter++;
                if (!*letter)
                        continue;
                if (letter[1]) {
                        take_option(&options, *letter, letter + 1);
                        continue;
                }
                word += strlen(word) + 1;
                if (word >= end)
                        break;
                take_option(&options, *letter, word);
        }
        *ret_options = options;
        return true;
}

void slapd_find_ldapi(const char *urls, char *ret_url, size_t size) {
        ret_url[0] = '\0';
        for (const char *url = urls; url && *url;) {
                size_t n;

                url += strspn(url, " \t");
                n = strcspn(url, " \t");
                if (n < size && strncasecmp(url, "ldapi:", 6) == 0) {
                        memcpy(ret_url, url, n);
                        ret_url[n] = '\0';
                        return;
                }
                url += n;
        }
}

bool shell_variable(const char *text, const char *name, char *ret_value, size_t size) {
        size_t length = strlen(name);
        bool found = false;

        for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
                const char *value = line + length;
                size_t n;

                if (strncmp(line, name, length) != 0 || *value != '=')
                        continue;
                value++;
                n = *value == '"' || *value == '\'' ? strcspn(value + 1, *value == '"' ? "\"\n" : "'\n")
                                                    : strcspn(value, " \t\n#;");
                if (*value == '"' || *value == '\'')
                        value++;
                if (n >= size)
                        continue;
                memcpy(ret_value, value, n);
                ret_value[n] = '\0';
                found = true;
        }
        return found;
}

void slapd_parse_version(const char *text, char *ret_version, size_t size) {
        const char *at = strstr(text, "slapd ");
        size_t n;

        ret_version[0] = '\0';
        if (!at)
                return;
        at += strlen("slapd ");
        n = strspn(at, "0123456789.");
        if (n == 0 || n >= size)
                return;
        memcpy(ret_version, at, n);
        ret_version[n] = '\0';
}

bool slapd_same_series(const char *a, const char *b) {
        size_t n = strcspn(a, "."), m;

        m = a[n] ? n + 1 + strcspn(a + n + 1, ".") : n;
        return m > 0 && strncmp(a, b, m) == 0 && (b[m] == '.' || b[m] == '\0');
}
