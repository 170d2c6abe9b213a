/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * File sets: a directory, a file specification with * and ?, and perhaps all below
 *
 * Pure: works on text. Case counts. * is any number of characters and ? is one, a dot at the front included;
 * there is nothing to escape them. Directories are never patterns.
 */

#include "model/why.h"
#include "util/value.h"

/* The value of a variable, borrowed until the next call; NULL if there is none. */
typedef const char *(*FilespecLookup)(void *userdata, const char *name);

/* Is this a directory as file sets name it: absolute, or beginning with a variable ($NAME, ${NAME}, %NAME%);
 * no
 * ".." and no "."; at most 4095 bytes, no control characters, UTF-8. Return: VSS_S_OK, VSS_E_INVALIDARG. */
vss_result filespec_check_path(const char *path, Why *why);
/* Is this a file specification: a name with * and ?, not empty, no '/', not "." or ".."? */
vss_result filespec_check(const char *filespec, Why *why);
/* Is it an exact name, which must be there at a backup? */
bool filespec_is_exact(const char *filespec);

/**
 * filespec_expand() - the directory that a file set's path means
 * @path:    with variables: $NAME, ${NAME} or %NAME%, once; their values have none
 * @lookup:  NULL: there are no variables
 *
 * A variable that is not there stays as it is, as a name may have a $ or % in it. The result is absolute and
 * normal (model/path.h).
 *
 * Return: VSS_S_OK; VSS_E_INVALIDARG if the result is not absolute, has a "." or "..", or is too long;
 * VSS_E_OUTOFMEMORY.
 */
vss_result filespec_expand(const char *path, FilespecLookup lookup, void *userdata, char **ret_path,
                           Why *why);

/* Does @name match? */
bool filespec_matches(const char *filespec, const char *name);
/* Is the file @path in the file set? @directory and @path are absolute and normal. */
bool filespec_covers(const char *directory, const char *filespec, bool recursive, const char *path);
/* Are all files at and below the directory @path in the file set? */
bool filespec_covers_all(const char *directory, const char *filespec, bool recursive, const char *path);

/* Backup types */

/* The type that a writer of this schema makes of it: what it does not know is a full backup. */
enum vss_backup_type backup_type_of_schema(enum vss_backup_type type, uint32_t schema);
/* Does a file set of this mask belong to a backup of this type; must it be read from the shadow copy? */
bool backup_mask_needs_backup(uint32_t mask, enum vss_backup_type type);
bool backup_mask_needs_snapshot(uint32_t mask, enum vss_backup_type type);
/* "full", "incremental", ... */
const char *backup_type_name(enum vss_backup_type type);
