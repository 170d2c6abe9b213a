/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a writer says about itself, between the files that build it
 */

#include <linuxvss/writer.h>
#include "lib/metadata.h"

#define METADATA_TEXT_MAX 4095u

typedef struct MetadataKey MetadataKey;

struct vss_metadata {
        vss_value *value;
        vss_value *components, *excludes, *excludes_from_snapshot, *mappings, *missing_rights,
                *warnings; /* members of value */
        void *keys;
        size_t n_components, n_files, n_dependencies;
};

/* What must be unique, as a text of its parts. @kind is a letter of its own for each use. */
MetadataKey *metadata_key_new(char kind, const char *a, const char *b, const char *c, const char *d);
/* Takes @key over, also on failure. Return: VSS_S_OK, VSS_E_OBJECT_ALREADY_EXISTS, VSS_E_OUTOFMEMORY. */
vss_result metadata_key_add(vss_metadata *metadata, MetadataKey *key);
void metadata_key_drop(vss_metadata *metadata, MetadataKey *key);
bool metadata_key_exists(const vss_metadata *metadata, char kind, const char *a, const char *b,
                         const char *c, const char *d);
/* A component; borrowed. NULL if there is none. */
vss_value *metadata_find_component(vss_metadata *metadata, const char *logical_path, const char *name);

/* Short enough, fit for the bus, no control characters. */
bool metadata_text_is_valid(const char *text);
bool metadata_name_is_valid(const char *name);
bool metadata_logical_path_is_valid(const char *path);
/* An absolute directory without wildcards; a variable at its front is replaced from the environment, one
 * slash at its end is left out. Return: a copy, NULL if it is none. */
char *directory_normalize(const char *path);
