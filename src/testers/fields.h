/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sections of a configuration file read into structures, by a table
 *
 * A row says which key goes to which member, and of what kind it is. A key without a row, a value that is
 * not of its kind, and a required key that is missing are errors with the line.
 */

#include <stddef.h>
#include <stdint.h>
#include "util/conf.h"

typedef enum FieldKind {
        FIELD_TEXT,    /* const char *, borrowed from the Conf */
        FIELD_PATH,    /* const char *: absolute, without "." and "..", or beginning with a variable */
        FIELD_BOOLEAN, /* bool */
        FIELD_NUMBER,  /* unsigned long */
        FIELD_NAME,    /* int: one of @names */
        FIELD_FLAGS,   /* uint32_t: the sum of any of @names */
        FIELD_TIME,    /* int64_t, microseconds: "2026-01-31 12:00:00" (UTC), or seconds since 1970 */
} FieldKind;

typedef struct FieldName {
        const char *name; /* NULL: the end */
        int64_t value;
} FieldName;

typedef struct Field {
        const char *key;
        FieldKind kind;
        size_t offset;
        const FieldName *names;
        bool required;
} Field;

/* Return: 0, or a negative errno with @error. @record keeps what the section does not name. */
int fields_read(const ConfSection *section, const Field *fields, size_t n, void *record, ConfError *error);
/* The sum of the names in a text, parted by blanks or commas; "none" is 0. */
int fields_flags(const FieldName *names, const char *key, const char *text, unsigned line,
                 uint32_t *ret_flags, ConfError *error);
int fields_error(ConfError *error, unsigned line, int r, const char *format, ...) _printf_(4, 5);
/* The name of a value, "?" if it has none. */
const char *field_name(const FieldName *names, int64_t value);

/* Shared by both programs. */
extern const FieldName field_backup_types[];
extern const FieldName field_targets[];
extern const FieldName field_events[];

/* Events of a session, as they are named in both files and on the command line. */
typedef enum TestEvent {
        TEST_IDENTIFY,
        TEST_PREPARE_FOR_BACKUP,
        TEST_PREPARE_FOR_SNAPSHOT,
        TEST_FREEZE,
        TEST_THAW,
        TEST_POST_SNAPSHOT,
        TEST_ABORT,
        TEST_BACKUP_COMPLETE,
        TEST_BACKUP_SHUTDOWN,
        TEST_PRE_RESTORE,
        TEST_POST_RESTORE,
        TEST_EVENTS
} TestEvent;

/* A list that grows by one zeroed element. Return: the new element, NULL without memory or beyond @max. */
void *array_add(void *array_pointer, size_t *n, size_t size, size_t max);
