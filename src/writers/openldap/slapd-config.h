/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The configuration of a directory server, cn=config, as its files (slapd.d) have it
 *
 * Read with the LDIF functions of libldap. Not with slapcat: each load of a configuration by slapd's tools
 * writes a file into every database directory and removes it again, which must not happen while something is
 * frozen.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_FILES_MAX 4096u
#define CONFIG_DEPTH_MAX 8u
#define CONFIG_FILE_MAX (4u << 20)

/* What matters here of an entry olcDatabase=... */
typedef struct ConfigDatabase {
        char type[32]; /* "mdb" */
        char suffix[1024];
        char directory[PATH_MAX];
        char providers[512]; /* whom it follows (olcSyncrepl), "ldap://a, ldap://b"; "" if nobody */
        bool nosync;
} ConfigDatabase;

/* One attribute of the entry; the others are ignored. */
void config_database_take(ConfigDatabase *database, const char *type, const char *value, size_t size);
/* Does it keep files of its own here? */
bool config_database_has_files(const ConfigDatabase *database);

typedef struct ConfigEntry ConfigEntry;
/* Return: 0 to go on. */
typedef int (*config_visit_fn)(const ConfigEntry *entry, void *userdata);
typedef int (*config_attribute_fn)(const char *type, const char *value, size_t size, void *userdata);

/* All entries below @directory, parents first and siblings in slapd's order. Return: 0, what @visit
 * returned, or a negative errno; -EBADMSG for a file that is no LDIF. */
int config_walk(const char *directory, config_visit_fn visit, void *userdata);
const char *config_entry_dn(const ConfigEntry *entry);
/* Its attributes but for the DN, in the file's order. Return: 0 or what @visit returned. */
int config_entry_attributes(const ConfigEntry *entry, config_attribute_fn visit, void *userdata);
