/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Questions to a running slapd, over its unix socket, as who this process is
 *
 * For children only. Every wait ends at the deadline. Functions return 0 or a negative errno: -EACCES when
 * this user may not read it, -ETIMEDOUT, -ECONNREFUSED, -EPROTO.
 */

#include <stdint.h>
#include "writers/openldap/slapd-config.h"

typedef struct ldap LdapConnection;
typedef int (*ask_database_fn)(const ConfigDatabase *database, void *userdata);

int ask_open(const char *url, uint64_t deadline_usec, LdapConnection **ret_connection);
void ask_close(LdapConnection **connection);
/* Does it serve? */
int ask_alive(const char *url, uint64_t deadline_usec);
/* The databases of cn=config. */
int ask_databases(LdapConnection *connection, uint64_t deadline_usec, ask_database_fn visit, void *userdata);
/* The contextCSN of a suffix; several are parted by blanks. -ENODATA: there is none, or it may not be read.
 */
int ask_context_csn(LdapConnection *connection, const char *suffix, uint64_t deadline_usec, char *ret_csn,
                    size_t size);
