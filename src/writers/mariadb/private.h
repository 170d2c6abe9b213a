/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A server of our own, on files that nobody else has open: a clone, or what was just restored
 *
 * No network, no replication, no events, no logins: its socket is in a directory that only this user can
 * enter. It has the options of the instance, but for what leads elsewhere, and ends with the writer.
 */

#include "writers/common/command.h"
#include "writers/mariadb/instance.h"

/* Where a path of the instance is for this server; false: nowhere. */
typedef bool (*map_fn)(void *userdata, const char *path, char *ret_path, size_t size);

typedef struct PrivateServer {
        const Instance *instance;
        const char *scratch; /* a directory for its socket and its log; short */
        map_fn map;
        void *userdata;
        bool throw_away; /* its files are a clone */
        Command command;
        char socket[104], log[4096];
        char why[1024]; /* it failed */
} PrivateServer;

/* All: 0 or a negative errno, with the words in "why". */
int private_start(PrivateServer *server, uint64_t deadline_usec);
/* The engine's own checker over all tables, and what the server wrote into its log. */
int private_check(PrivateServer *server, uint64_t deadline_usec);
/* Shut down in order; killed if that takes too long, or if its files are thrown away. */
int private_stop(PrivateServer *server, uint64_t deadline_usec);

/* check.c: mariadb-check of @databases, and only what is quick; or of all of them thoroughly, if it is NULL.
 * Return: 0; -EBADMSG if it found something, which is in @ret_why; -ETIMEDOUT; another negative errno. */
int check_tables(const Instance *instance, const ClientAddress *address, const Options *databases,
                 uint64_t deadline_usec, char *ret_why, size_t size);
/* For tests: the first complaint in what mariadb-check says; false if there is none. */
bool check_find_complaint(const char *output, char *ret_why, size_t size);
/* The same for the log of a server. */
bool check_find_error(const char *log, char *ret_why, size_t size);
/* A whole file, of so many bytes at most; NULL if it cannot be read. */
char *check_read_file(const char *path);
