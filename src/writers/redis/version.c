/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Versions, and what backups say of them
 */

#include <stdio.h>
#include <string.h>
#include "writers/redis/version.h"

bool version_of_program(const char *text, char *version, size_t size) {
        const char *begin = strstr(text, " v=");
        size_t n;

        if (!begin)
                return false;
        begin += 3;
        n = strspn(begin, "0123456789.");
        if (n == 0 || n >= size)
                return false;
        memcpy(version, begin, n);
        version[n] = '\0';
        return true;
}

const char *version_objection(const char *from_product, const char *from, const char *product,
                              const char *version, bool may_upgrade, char *text, size_t size) {
        unsigned from_major, from_minor = 0, major, minor = 0;

        if (sscanf(from, "%u.%u", &from_major, &from_minor) < 1 ||
            sscanf(version, "%u.%u", &major, &minor) < 1)
                return NULL;
        if (strcmp(from_product, product) != 0)
                (void)snprintf(text, size,
                               "the backup is of %.16s %.32s, this server is %.16s %.32s: restore it with "
                               "the same product",
                               from_product, from, product, version);
        else if (from_major > major || (from_major == major && from_minor > minor))
                (void)snprintf(text, size,
                               "the backup is of version %.32s, and this server, %.32s, cannot be expected "
                               "to read it: "
                               "install %u.%u or later",
                               from, version, from_major, from_minor);
        else if (from_major < major && !may_upgrade)
                (void)snprintf(text, size,
                               "the backup is of version %.32s, this server is %.32s: install %u, or set "
                               "the restore "
                               "option upgrade=yes",
                               from, version, from_major);
        else
                return NULL;
        return text;
}

bool pair_text(const char *text, const char *key, char *value, size_t size) {
        size_t length = strlen(key);

        for (const char *p = text; *p; p += strcspn(p, "\n, ")) {
                size_t n;

                p += strspn(p, "\n, ");
                if (strncmp(p, key, length) != 0 || p[length] != '=')
                        continue;
                p += length + 1;
                /* A line may have blanks in it, an option has none. */
                n = strcspn(p, strchr(text, '\n') ? "\n" : ", ");
                if (n >= size)
                        return false;
                memcpy(value, p, n);
                value[n] = '\0';
                return true;
        }
        return false;
}
