/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Options of the verbs, by tables: the same table parses the command line and prints --help
 */

#include "vss/cli.h"
#include "vss/stringlist.h"

typedef enum OptionKind {
        OPTION_FLAG,    /* bool */
        OPTION_TEXT,    /* const char *, borrowed from argv */
        OPTION_LIST,    /* Strings */
        OPTION_NUMBER,  /* uint32_t, from min to max */
        OPTION_LEVEL,   /* const char *, the name of a level */
        OPTION_CONTEXT, /* uint32_t */
        OPTION_TYPE,    /* enum vss_backup_type */
} OptionKind;

typedef struct Option {
        const char *name;
        OptionKind kind;
        const char *value; /* what --help calls it; NULL for flags */
        const char *help;
        void *target;
        uint32_t min, max; /* OPTION_NUMBER */
} Option;

/* Rows of a table. */
#define OPTION(name, kind, value, help, target) \
        { name, kind, value, help, target, 0, 0 }
#define OPTION_RANGE(name, kind, value, help, target, min, max) \
        { name, kind, value, help, target, min, max }

/*
 * options_parse() - read the options of the verb; --json and --help are every verb's, and so are --host and
 * --host-command: with them the verb shall not run here, and @ret_status is EXIT_DONE
 * @ret_status: what to exit with when the verb shall not run: after --help, or after a message
 * Return: the index in @argv of the first word that is no option (they are sorted to the end), or -1.
 */
int options_parse(Cli *cli, const Option *table, size_t n, int argc, char **argv, int *ret_status);

/* Backup types and others with the names that the command line uses. */
bool backup_type_from_name(const char *name, enum vss_backup_type *ret_type);
const char *provider_type_name(int64_t type);
const char *component_type_name(int64_t type);
