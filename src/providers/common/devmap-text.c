/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What device-mapper says of tables and states, read: pure text
 */

#include <inttypes.h>
#include <string.h>
#include "providers/common/devmap.h"

static bool parse_number(const char **text, char end, uint64_t *ret_number) {
        unsigned long long number;
        char *behind;

        if (**text < '0' || **text > '9')
                return false;
        errno = 0;
        number = strtoull(*text, &behind, 10);
        if (errno != 0 || *behind != end)
                return false;
        *ret_number = number;
        *text = end ? behind + 1 : behind;
        return true;
}

int devmap_next_line(const char **text, DevmapLine *ret_line) {
        DevmapLine line = { 0 };
        const char *at = *text, *end;
        size_t n;

        if (*at == 0)
                return 0;
        end = at + strcspn(at, "\n");
        if (!parse_number(&at, ' ', &line.start) || !parse_number(&at, ' ', &line.length))
                return -EBADMSG;
        n = strcspn(at, " \n");
        if (n == 0 || n >= sizeof(line.type))
                return -EBADMSG;
        memcpy(line.type, at, n);
        at += n;
        if (*at == ' ')
                at++;
        line.parameters = strndup(at, (size_t)(end - at));
        if (!line.parameters)
                return -ENOMEM;
        *text = *end == '\n' ? end + 1 : end;
        *ret_line = line;
        return 1;
}

void devmap_line_done(DevmapLine *line) {
        free(line->parameters);
        line->parameters = NULL;
}

bool devmap_table_is(const char *text, uint64_t length, const char *type, const char *parameters) {
        _cleanup_devmap_line_ DevmapLine line = { 0 };

        return devmap_next_line(&text, &line) == 1 && *text == 0 && line.start == 0 &&
               line.length == length && strcmp(line.type, type) == 0 &&
               strcmp(line.parameters, parameters) == 0;
}

int devmap_parse_snapshot(const char *parameters, DevmapSnapshot *ret_snapshot) {
        DevmapSnapshot snapshot = { 0 };

        /* Merge failed: it cannot be believed any more, either. */
        if (strcmp(parameters, "Invalid") == 0 || strcmp(parameters, "Merge failed") == 0) {
                *ret_snapshot = (DevmapSnapshot){ .invalid = true };
                return 0;
        }
        if (strcmp(parameters, "Overflow") == 0) {
                *ret_snapshot = (DevmapSnapshot){ .overflow = true };
                return 0;
        }
        if (!parse_number(&parameters, '/', &snapshot.used) ||
            !parse_number(&parameters, ' ', &snapshot.total) ||
            !parse_number(&parameters, 0, &snapshot.metadata) || snapshot.used > snapshot.total)
                return -EBADMSG;
        *ret_snapshot = snapshot;
        return 0;
}
