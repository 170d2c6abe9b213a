/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the writer leaves with a component
 */

#include <inttypes.h>
#include <string.h>
#include "util/macro.h"
#include "writers/openldap/record.h"

static int append(char **text, const char *key, const char *value) {
        char *longer;

        if (!value || !value[0] || strchr(value, '\n'))
                return 0;
        if (asprintf(&longer, "%s%s=%s\n", *text ?: "", key, value) < 0)
                return -ENOMEM;
        free(*text);
        *text = longer;
        return 0;
}

static int append_number(char **text, const char *key, uint64_t value) {
        char number[24];

        if (value == UINT64_MAX)
                return 0;
        (void)snprintf(number, sizeof(number), "%" PRIu64, value);
        return append(text, key, number);
}

int record_begin(const Instance *instance, const char *version, char **text) {
        int r = append(text, "slapd", version);

        if (r >= 0)
                r = append(text, "config", instance->config);
        if (r >= 0)
                r = append(text, "url", instance->url);
        return r >= 0 ? append(text, "unit", instance->unit) : r;
}

int record_add_database(const LdapDatabase *database, uint64_t txnid, uint64_t entries, char **text) {
        int r = append(text, "database", database->directory);

        if (r >= 0)
                r = append(text, "suffix", database->suffix);
        if (r >= 0)
                r = append_number(text, "txnid", txnid);
        if (r >= 0)
                r = append_number(text, "entries", entries);
        return r >= 0 ? append(text, "contextcsn", database->csn) : r;
}

void record_done(Record *record) {
        free(record->databases);
        *record = (Record){ 0 };
}

static int take_text(char *to, size_t size, const char *value) {
        return snprintf(to, size, "%s", value) < (int)size ? 0 : -EBADMSG;
}

static int take_number(uint64_t *to, const char *value) {
        char *end;

        errno = 0;
        *to = strtoull(value, &end, 10);
        return errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == '\0' ? 0 : -EBADMSG;
}

static bool is_path(const char *path) {
        return path[0] == '/' && path[1] && !strstr(path, "//") && !strstr(path, "/../") &&
               !strstr(path, "/./") && strcmp(strrchr(path, '/'), "/..") != 0 &&
               strcmp(strrchr(path, '/'), "/.") != 0;
}

static int take_database(Record *record, const char *value) {
        RecordDatabase *database;

        if (record->n == INSTANCE_DATABASES_MAX || !is_path(value))
                return -EBADMSG;
        database = &record->databases[record->n++];
        *database = (RecordDatabase){ .txnid = UINT64_MAX, .entries = UINT64_MAX };
        return take_text(database->directory, sizeof(database->directory), value);
}

static int take_line(Record *record, const char *key, const char *value) {
        RecordDatabase *last = record->n > 0 ? &record->databases[record->n - 1] : NULL;

        if (strcmp(key, "slapd") == 0)
                return take_text(record->version, sizeof(record->version), value);
        if (strcmp(key, "config") == 0)
                return is_path(value) ? take_text(record->config, sizeof(record->config), value) : -EBADMSG;
        if (strcmp(key, "url") == 0)
                return strncmp(value, "ldapi:", 6) == 0 ? take_text(record->url, sizeof(record->url), value)
                                                        : -EBADMSG;
        if (strcmp(key, "unit") == 0)
                return take_text(record->unit, sizeof(record->unit), value);
        if (strcmp(key, "database") == 0)
                return take_database(record, value);
        if (last && strcmp(key, "suffix") == 0)
                return take_text(last->suffix, sizeof(last->suffix), value);
        if (last && strcmp(key, "txnid") == 0)
                return take_number(&last->txnid, value);
        if (last && strcmp(key, "entries") == 0)
                return take_number(&last->entries, value);
        if (last && strcmp(key, "contextcsn") == 0)
                return take_text(last->csn, sizeof(last->csn), value);
        /* Of a later version of this writer. */
        return 0;
}

int record_parse(const char *text, Record *ret_record) {
        _cleanup_(freep) char *copy = strdup(text);
        Record record = { .databases = calloc(INSTANCE_DATABASES_MAX, sizeof(*record.databases)) };
        char *rest = NULL;
        int r = copy && record.databases ? 0 : -ENOMEM;

        for (char *line = r < 0 ? NULL : strtok_r(copy, "\n", &rest); line && r >= 0;
             line = strtok_r(NULL, "\n", &rest)) {
                char *value = strchr(line, '=');

                if (!value)
                        r = -EBADMSG;
                else {
                        *value++ = '\0';
                        r = take_line(&record, line, value);
                }
        }
        if (r >= 0 && !record.config[0])
                r = -EBADMSG;
        if (r < 0) {
                record_done(&record);
                return r;
        }
        *ret_record = record;
        return 0;
}
