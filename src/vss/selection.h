/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Components chosen by --writer NAME[:/logical/path/component]
 */

#include "vss/cli.h"
#include "vss/stringlist.h"

typedef struct Chosen {
        char *writer, *logical_path, *name;
} Chosen;

typedef struct Selection {
        Chosen *items;
        size_t n;
        Strings paths; /* directories of the files of all chosen components and those below them */
} Selection;

/* "writer: /logical/path/component", for messages. NULL without memory. */
char *component_path(const char *logical_path, const char *name);

/*
 * selection_make() - what @specs choose among the components of @writers (a list as list_writers gives)
 * A name alone chooses every selectable component that lies below no other selectable one.
 * @ret_problem: on failure a sentence for people; to be freed
 * Return: 0; -ENOENT, -EINVAL or -ENOMEM.
 */
int selection_make(const vss_value *writers, const Strings *specs, Selection *ret_selection,
                   char **ret_problem);
void selection_clear(Selection *selection);
