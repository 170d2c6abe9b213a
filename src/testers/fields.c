/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sections of a configuration file read into structures, by a table
 */

#include <linuxvss/types.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include "testers/fields.h"

const FieldName field_backup_types[] = {
        { "full", VSS_BT_FULL },
        { "incremental", VSS_BT_INCREMENTAL },
        { "differential", VSS_BT_DIFFERENTIAL },
        { "log", VSS_BT_LOG },
        { "copy", VSS_BT_COPY },
        { "other", VSS_BT_OTHER },
        { NULL, 0 },
};

const FieldName field_targets[] = {
        { "original", VSS_RT_ORIGINAL },
        { "alternate", VSS_RT_ALTERNATE },
        { "directed", VSS_RT_DIRECTED },
        { "original-location", VSS_RT_ORIGINAL_LOCATION },
        { NULL, 0 },
};

const FieldName field_events[] = {
        { "Identify", TEST_IDENTIFY },
        { "PrepareForBackup", TEST_PREPARE_FOR_BACKUP },
        { "PrepareForSnapshot", TEST_PREPARE_FOR_SNAPSHOT },
        { "Freeze", TEST_FREEZE },
        { "Thaw", TEST_THAW },
        { "PostSnapshot", TEST_POST_SNAPSHOT },
        { "Abort", TEST_ABORT },
        { "BackupComplete", TEST_BACKUP_COMPLETE },
        { "BackupShutdown", TEST_BACKUP_SHUTDOWN },
        { "PreRestore", TEST_PRE_RESTORE },
        { "PostRestore", TEST_POST_RESTORE },
        { NULL, 0 },
};

int fields_error(ConfError *error, unsigned line, int r, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
        error->line = line;
        return r;
}

const char *field_name(const FieldName *names, int64_t value) {
        for (; names->name; names++)
                if (names->value == value)
                        return names->name;
        return "?";
}

/* All names, for an error message. */
static const char *list_names(const FieldName *names) {
        static char text[160];
        size_t n = 0;

        text[0] = '\0';
        for (; names->name && n < sizeof(text); names++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? ", " : "", names->name);
        return text;
}

static int find_name(const FieldName *names, const char *name, size_t n, int64_t *ret_value) {
        for (; names->name; names++)
                if (strlen(names->name) == n && strncmp(names->name, name, n) == 0) {
                        *ret_value = names->value;
                        return 0;
                }
        return -EINVAL;
}

int fields_flags(const FieldName *names, const char *key, const char *text, unsigned line,
                 uint32_t *ret_flags, ConfError *error) {
        uint32_t flags = 0;

        for (const char *word = text; *word;) {
                size_t n = strcspn(word, " ,\t");
                int64_t value;

                if (n > 0 && (n != 4 || strncmp(word, "none", n) != 0)) {
                        if (find_name(names, word, n, &value) < 0)
                                return fields_error(error, line, -EBADMSG,
                                                    "%s= knows no \"%.*s\", only none, %s", key,
                                                    (int)MIN(n, 40u), word, list_names(names));
                        flags |= (uint32_t)value;
                }
                word += n;
                word += strspn(word, " ,\t");
        }
        *ret_flags = flags;
        return 0;
}

static int read_time(const ConfEntry *entry, int64_t *ret_usec, ConfError *error) {
        unsigned long seconds;
        struct tm tm = { 0 };
        const char *end;

        if (conf_number(entry->value, UINT32_MAX, &seconds) == 0) {
                *ret_usec = (int64_t)seconds * 1000000;
                return 0;
        }
        end = strptime(entry->value, "%Y-%m-%d %H:%M:%S", &tm);
        if (!end || *end)
                return fields_error(error, entry->line, -EBADMSG,
                                    "%s= wants \"YYYY-MM-DD HH:MM:SS\" (UTC), or seconds since 1970",
                                    entry->key);
        *ret_usec = (int64_t)timegm(&tm) * 1000000;
        return 0;
}

static bool is_path(const char *path) {
        if (path[0] != '/' && path[0] != '$' && path[0] != '%')
                return false;
        for (const char *p = path; (p = strchr(p, '/')); p++) {
                size_t n = strcspn(p + 1, "/");

                if ((n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.') || (n == 0 && p[1]))
                        return false;
        }
        return true;
}

static int read_field(const Field *field, const ConfEntry *entry, void *record, ConfError *error) {
        void *member = (char *)record + field->offset;
        int64_t value;

        switch (field->kind) {
        case FIELD_PATH:
                if (!is_path(entry->value))
                        return fields_error(error, entry->line, -EBADMSG,
                                            "%s= wants an absolute path without \"..\", not \"%.80s\"",
                                            entry->key, entry->value);
                *(const char **)member = entry->value;
                return 0;
        case FIELD_TEXT:
                *(const char **)member = entry->value;
                return 0;
        case FIELD_BOOLEAN:
                if (conf_boolean(entry->value, member) < 0)
                        return fields_error(error, entry->line, -EBADMSG, "%s= is yes or no", entry->key);
                return 0;
        case FIELD_NUMBER:
                if (conf_number(entry->value, UINT32_MAX, member) < 0)
                        return fields_error(error, entry->line, -EBADMSG, "%s= is a number", entry->key);
                return 0;
        case FIELD_NAME:
                if (find_name(field->names, entry->value, strlen(entry->value), &value) < 0)
                        return fields_error(error, entry->line, -EBADMSG, "%s= is one of %s, not \"%.60s\"",
                                            entry->key, list_names(field->names), entry->value);
                *(int *)member = (int)value;
                return 0;
        case FIELD_FLAGS:
                return fields_flags(field->names, entry->key, entry->value, entry->line, member, error);
        case FIELD_TIME:
                return read_time(entry, member, error);
        }
        return -EINVAL;
}

int fields_read(const ConfSection *section, const Field *fields, size_t n, void *record, ConfError *error) {
        for (size_t i = 0; i < section->n_entries; i++) {
                const ConfEntry *entry = &section->entries[i];
                const Field *field = NULL;
                int r;

                for (size_t j = 0; !field && j < n; j++)
                        if (strcmp(fields[j].key, entry->key) == 0)
                                field = &fields[j];
                if (!field)
                        return fields_error(error, entry->line, -EBADMSG,
                                            "[%s] knows no %.80s=", section->name, entry->key);
                r = read_field(field, entry, record, error);
                if (r < 0)
                        return r;
        }
        for (size_t j = 0; j < n; j++) {
                const char *value = conf_value(section, fields[j].key, "");

                if (fields[j].required && !*value)
                        return fields_error(error, section->line, -EBADMSG,
                                            "[%s] wants a %s=", section->name, fields[j].key);
        }
        return 0;
}

void *array_add(void *array_pointer, size_t *n, size_t size, size_t max) {
        void **array = array_pointer;
        char *grown;

        if (*n >= max)
                return NULL;
        grown = reallocarray(*array, *n + 1, size);
        if (!grown)
                return NULL;
        *array = grown;
        memset(grown + *n * size, 0, size);
        return grown + (*n)++ * size;
}
