/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Binary logs: what a log backup has of them, and how a restore applies them
 *
 * Names are BASENAME.NUMBER. A stamp, "NAME:POSITION", says up to where a backup has everything.
 */

#include "writers/mariadb/private.h"

/* Beside the data while a restore is under way: where log backups are put, and from where on they are
 * applied. */
#define LOGS_DIRECTORY ".linuxvss-logs"

typedef struct LogName {
        char base[256];
        unsigned long number;
} LogName;

/* -EINVAL: it is none. */
int log_parse_name(const char *name, LogName *ret_name);
/* A stamp; the name alone goes to @ret_file. */
int log_parse_stamp(const char *stamp, char *ret_file, size_t size, unsigned long *ret_position);
/* The names in @directory that belong to @base, from @first on up to @last (0: no end), in their order. */
int log_list(const char *directory, const char *base, unsigned long first, unsigned long last,
             Options *ret_names);

typedef struct LogOrder {
        const char *directory;
        const char *file; /* the first, from @position on */
        unsigned long position;
        const char *stop_datetime, *stop_position; /* NULL: all of it */
} LogOrder;

/* Through the programs of the engine, into @server. The words of a failure are in its "why". */
int log_apply(PrivateServer *server, const LogOrder *order, uint64_t deadline_usec);
