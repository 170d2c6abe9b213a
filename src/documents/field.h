/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fields: the kinds of attributes, what is valid in them, and how a value is written
 */

#include "util/value.h"

/* Texts down to FIELD_FILESPEC are written as Base64, under another name, if XML cannot carry them. */
enum FieldType {
        FIELD_DATA,         /* any text */
        FIELD_OWN_VERSION,  /* the version, where two numbers do not say it */
        FIELD_NAME,         /* of a component: not empty, no '/' */
        FIELD_LOGICAL_PATH, /* elements parted by '/', maybe none */
        FIELD_REMOTE_PATH,  /* the same; of another machine if it begins with "//" */
        FIELD_PATH,         /* of a file or directory; absolute, or with a variable before it */
        FIELD_ANY_PATH,     /* the same, or relative, or empty */
        FIELD_FILESPEC,     /* a name with wildcards */
        FIELD_ID,           /* a UUID, lower-case */
        FIELD_ID_OR_NONE,   /* the same, or empty */
        FIELD_ICON,         /* Base64 by itself */
        FIELD_BOOLEAN,
        FIELD_INTEGER,
        FIELD_NUMBERED, /* an integer with spellings */
        FIELD_WORD,     /* one of the spellings */
        FIELD_VERSION,  /* of the format: 1.x */
        FIELD_EDITION,  /* of our part of it: 1 */
        FIELD_MAJOR,    /* these two make the version, where it reads N.N */
        FIELD_MINOR,
};

static inline bool field_may_be_encoded(enum FieldType type) {
        return type <= FIELD_FILESPEC;
}

/* The first one of a number is written, all are read. A list ends with a NULL text. */
typedef struct Spelling {
        const char *text;
        int64_t number;
} Spelling;

/* What is wrong with @text as a field of strings, NULL if nothing. */
const char *field_check(enum FieldType type, const Spelling *spellings, const char *text);

/**
 * field_parse() - the value of an attribute
 * @text:       will be changed
 * @is_foreign: written by another system, with '\\' in logical paths
 *
 * Return: NULL with a value, or what is wrong.
 */
const char *field_parse(enum FieldType type, const Spelling *spellings, char *text, bool is_foreign,
                        vss_value **ret_value);

enum { FIELD_NUMBER_SIZE = 24 };

/**
 * field_format() - the text of a value
 * @room:      where a number is written
 * @ret_text:  borrowed from @value, @room or @spellings
 *
 * Return: NULL, or what is wrong.
 */
const char *field_format(enum FieldType type, const Spelling *spellings, const vss_value *value,
                         char room[FIELD_NUMBER_SIZE], const char **ret_text);

/* Can XML carry @text as it is? */
bool field_is_plain(const char *text);
/* Is @version N.N, so that two numbers say the same? */
bool field_split_version(const char *version, int64_t *ret_major, int64_t *ret_minor);
bool field_parse_integer(const char *text, int64_t *ret_number);
