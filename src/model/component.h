/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Components: their keys, and what lies below what
 *
 * Pure. A component is a dictionary with "logical-path" and "name", in a writer's metadata or in the Backup
 * Components Document. Below a component are those whose logical path begins with its own path and name, by
 * elements; an element of a logical path need not exist as a component.
 */

#include "util/value.h"

/* Room for "path/name" in messages; longer ones are cut. */
#define COMPONENT_LABEL_SIZE 256u

typedef struct ComponentLabel {
        char text[COMPONENT_LABEL_SIZE];
} ComponentLabel;

const char *component_logical_path(const vss_value *component);
const char *component_name(const vss_value *component);
/* "path/name" for people. */
ComponentLabel component_label(const char *logical_path, const char *name);

bool component_is(const vss_value *component, const char *logical_path, const char *name);
/* Is @component somewhere below the one of this path and name? */
bool component_is_below(const vss_value *component, const char *logical_path, const char *name);
/* The index in a list of components; -1 if it is not there. */
ssize_t component_index(const vss_value *list, const char *logical_path, const char *name);
const vss_value *component_find(const vss_value *list, const char *logical_path, const char *name);
vss_value *component_find_mutable(vss_value *list, const char *logical_path, const char *name);
/* The nearest component above that can be selected; NULL if there is none. */
const vss_value *component_selectable_ancestor(const vss_value *list, const vss_value *component);

/* Of a file set, and of whatever else has these keys. */
const char *file_set_path(const vss_value *set);
const char *file_set_filespec(const vss_value *set);
bool file_set_is_recursive(const vss_value *set);
/* Is this the file set @path, @filespec, @recursive? By text. */
bool file_set_is(const vss_value *set, const char *path, const char *filespec, bool recursive);
