/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Options of a server: lists of words such as "--datadir=/srv/db", of a command line or of my_print_defaults
 */

#include <stdbool.h>
#include <stddef.h>
#include "util/macro.h"

#define OPTIONS_MAX 1024u

typedef struct Options {
        char **items; /* NULL-terminated: can be an argv */
        size_t n;
} Options;

void options_clear(Options *options);
/* Functions return 0 or a negative errno. */
int options_add(Options *options, const char *word);
/* Words that a separator follows, or that the end follows: "a\nb\n" or a command line of /proc. */
int options_split(Options *options, const char *text, size_t size, char separator);
/* The last value of --@name=VALUE or --@name VALUE, with - and _ the same; NULL if it is not there. An
 * option without a value has "". */
const char *options_get(const Options *options, const char *name);
/* Those that say which configuration is read (--defaults-..., --no-defaults), as they must stand first. */
int options_get_defaults(const Options *options, Options *ret_defaults);

/* How a server of this version is held. */
enum ServerKind {
        SERVER_MARIADB,     /* 10.4.1 and later: BACKUP STAGE */
        SERVER_MYSQL,       /* 8.0 and later: LOCK INSTANCE FOR BACKUP */
        SERVER_UNSUPPORTED, /* anything older */
};

enum ServerKind server_kind(const char *version);
/* What tells a replica's state. MySQL got the new words with 8.0.22, and lost the old ones with 8.4. */
const char *server_replica_statement(const char *version);
/* "10.11" of "10.11.19-MariaDB-0+deb12u1": what data directories of one have in common. */
#define SERIES_SIZE 16u
void server_series(const char *version, char ret_series[static SERIES_SIZE]);
/* Data files of "ibdata1:12M;ibdata2:12M:autoextend". @index from 0. Return: false when there is none left.
 */
bool data_file_name(const char *innodb_data_file_path, size_t index, char *ret_name, size_t size);
