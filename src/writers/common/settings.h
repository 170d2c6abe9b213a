/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What writers share that are told by files which applications there are: values, and what is wrong with
 * them
 */

#include <linuxvss/types.h>
#include "util/conf.h"

#define WARNINGS_MAX 64u

/* For people; those beyond the limit are left out. */
typedef struct Warnings {
        char *items[WARNINGS_MAX];
        size_t n;
} Warnings;

/* Return: 0 or -ENOMEM. */
int warnings_add(Warnings *warnings, const char *format, ...) _printf_(2, 3);
void warnings_clear(Warnings *warnings);

/* Return: -EBADMSG, always. */
int settings_fail(ConfError *error, unsigned line, const char *format, ...) _printf_(3, 4);
/* A copy in the place of what was there. Return: 0 or -ENOMEM. */
int settings_set_string(char **string, const char *value);
/* "front-end", "back-end", "system" */
int settings_take_level(const ConfEntry *entry, enum vss_application_level *ret_level, ConfError *error);

/* Absolute, and the same text for the same place: no "..", no "." and no empty elements; not / itself. */
bool settings_path_is_plain(const char *path);
/* The name of a unit with its ending, and never an option of a command. */
bool settings_is_unit(const char *name);
