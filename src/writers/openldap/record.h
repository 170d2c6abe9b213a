/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the writer leaves with a component, and finds again when it is restored: lines "key=value"
 *
 *     slapd=2.5.13
 *     config=/etc/ldap/slapd.d
 *     url=ldapi:///
 *     unit=slapd.service
 *     database=/var/lib/ldap        begins what follows, of each database
 *     suffix=dc=example,dc=org
 *     txnid=1204                    of the copy
 *     entries=530                   of the copy
 *     contextcsn=2026...            that slapd told before the copy
 *
 * A document may be anybody's, so all of it is checked when it is read.
 */

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include "writers/openldap/instance.h"

typedef struct RecordDatabase {
        char directory[PATH_MAX];
        char suffix[1024];
        char csn[2048];
        uint64_t txnid, entries; /* UINT64_MAX: not told; for one that is no LMDB */
} RecordDatabase;

typedef struct Record {
        char version[32];
        char config[PATH_MAX];
        char url[512], unit[256];
        RecordDatabase *databases;
        size_t n;
} Record;

/* States are added with record_add_database(), in order. Return: 0 or -ENOMEM. */
int record_begin(const Instance *instance, const char *version, char **text);
int record_add_database(const LdapDatabase *database, uint64_t txnid, uint64_t entries, char **text);

/* Return: 0; -EBADMSG for what this writer does not write; -ENOMEM. */
int record_parse(const char *text, Record *ret_record);
void record_done(Record *record);
