/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The index of a directory of saved documents: Manifest.xml
 *
 * Pure: text to values and back. It has the shape that diskshadow gives its index, so that the contents of a
 * file of its own can be read too. Elements and attributes that are not known are passed over. It is no XML
 * parser: there are no entities but those of XML itself, no document types, and no texts between the
 * elements.
 *
 * The dictionary: "set", "host", "snapshots" (each "id", "alias", "volume", "provider"), "document" (a file
 * name), "aliases" (each "name", "value"), "writers" (each "name", "file"). Ours beside diskshadow's are the "level"
 * that the set reached, and of a writer that failed in it why: "failed". File names never have a
 * directory: what stands before the last slash or backslash is dropped.
 */

#include "util/value.h"

#define MANIFEST_SIZE_MAX (1u << 20)
#define MANIFEST_ELEMENTS_MAX 8192u
#define MANIFEST_ATTRIBUTES_MAX 16u
#define MANIFEST_DEPTH_MAX 8u

typedef struct ManifestError {
        unsigned line;
        char message[200]; /* "element Alias: ..." */
} ManifestError;

/* Return: 0, -EBADMSG with @error filled in, or -ENOMEM. */
int manifest_parse(const char *text, size_t size, ManifestError *error, vss_value **ret_manifest);
/* To be freed; NULL without memory. Read again it gives the same. */
char *manifest_format(const vss_value *manifest);
/* The part of a path behind the last slash or backslash; NULL if that is no name for a file. */
const char *manifest_base_name(const char *path);
