/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Configuration files: sections of "Key=value" lines
 *
 *     # a comment, also with ';'
 *     Key=value                      before any section: in a section named ""
 *     [Section]                      a section of the same name again is one more section
 *     Key=value                      a key again is one more entry
 *
 * Blanks around keys and values are dropped; there are no continued lines and no comments behind a value.
 * Errors carry the line, so that whoever wrote the file finds it.
 *
 * Functions return 0 or a negative errno: -EBADMSG for a file that is malformed, -E2BIG beyond a limit,
 * -EPERM for a file that somebody else than root can change. @error is filled in on each failure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/macro.h"

#define CONF_FILE_MAX (256u * 1024)
#define CONF_LINE_MAX 4096u
#define CONF_SECTIONS_MAX 512u
#define CONF_ENTRIES_MAX 4096u
#define CONF_WORDS_MAX 256u

typedef struct ConfEntry {
        const char *key;
        const char *value; /* may be empty */
        unsigned line;
} ConfEntry;

typedef struct ConfSection {
        const char *name;
        unsigned line;
        size_t n_entries;
        ConfEntry *entries;
} ConfSection;

typedef struct Conf {
        size_t n_sections;
        ConfSection *sections; /* in the order of the file */
        char *text;            /* what names, keys and values point into */
        size_t n_entries;
} Conf;

typedef struct ConfError {
        unsigned line; /* 0: the file as a whole */
        char message[240];
} ConfError;

Conf *conf_free(Conf *conf);
DEFINE_CLEANUP(Conf *, conf_free)

int conf_parse(const char *text, size_t size, ConfError *error, Conf **ret_conf);
/* From a descriptor: a regular file; only its owner may write to it, and it belongs to root or to this user.
 */
int conf_read_fd(int fd, ConfError *error, Conf **ret_conf);
/* From a path, whose last element must not be a symbolic link. -ENOENT if there is none. */
int conf_read(const char *path, ConfError *error, Conf **ret_conf);

/* The first section of a name at or behind @index; NULL when there is none left. */
const ConfSection *conf_section(const Conf *conf, const char *name, size_t index);
/* The last entry of a key, so that a later line overrides; NULL if there is none. @section may be NULL. */
const ConfEntry *conf_entry(const ConfSection *section, const char *key);
/* The value of conf_entry(), or @otherwise. */
const char *conf_value(const ConfSection *section, const char *key, const char *otherwise);

/* "yes", "true", "on", "1" and their opposites, in any case. -EINVAL for anything else. */
int conf_boolean(const char *value, bool *ret_boolean);
/* A decimal number of at most @max. -EINVAL, -ERANGE. */
int conf_number(const char *value, unsigned long max, unsigned long *ret_number);
/* A time of at most @max_usec: a number with "ms", "s", "min" or "h", or seconds without. -EINVAL, -ERANGE. */
int conf_duration(const char *value, uint64_t max_usec, uint64_t *ret_usec);
/* The same in the other direction, in the largest unit that gives a whole number: "10 s", "500 ms". */
#define CONF_DURATION_SIZE 32u
void conf_duration_text(uint64_t usec, char ret_text[static CONF_DURATION_SIZE]);

/*
 * conf_words() - split a value into words, as a command line, without any shell
 * Blanks part words. '...' keeps everything; "..." and bare words know \\ \" \' \n \t and "\ " (a blank).
 * Return: 0 and a NULL-terminated array for conf_words_free(); -EBADMSG, -E2BIG, -ENOMEM.
 */
int conf_words(const char *value, ConfError *error, char ***ret_words);
char **conf_words_free(char **words);
DEFINE_CLEANUP(char **, conf_words_free)

#define _cleanup_conf_ _cleanup_(conf_freep)
#define _cleanup_words_ _cleanup_(conf_words_freep)
