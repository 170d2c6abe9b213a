/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The components of a backup: those that --writer names, or all that lie on the volumes
 *
 * The rules of the contract are the model's; here is how people name writers and components, which volumes there are,
 * and what is said of those that take part and those that do not.
 */

#include "vss/cli.h"
#include "vss/stringlist.h"

typedef struct Chosen {
        char *writer, *logical_path, *name;
} Chosen;

typedef struct Selection {
        Chosen *items; /* to be added to the backup */
        size_t n;
        Strings paths; /* directories of the files of all that take part */
        /* List of {writer, logical-path, name, part, reason, on-request}: who takes part, and why or why not. */
        vss_value *participation;
        vss_value *left_out; /* list of {what, reason}: what is missing though it was wanted */
} Selection;

/* The volumes that will be in the set. */
typedef struct SelectionVolumes {
        const int64_t *devices;
        size_t n;
} SelectionVolumes;

/* "/logical/path/component". NULL without memory. */
char *component_path(const char *logical_path, const char *name);

/*
 * selection_make() - what @specs choose among the components of @writers (a list as list_writers gives)
 * @specs: NAME[:/logical/path/component]. NAME is a writer's, its class (for all instances), what people call it, or
 * the UUID of either, in any case. Alone it stands for all of the writer.
 * @ret_problem: on failure a sentence for people; to be freed
 * Return: 0; -ENOENT, -EINVAL or -ENOMEM.
 */
int selection_make(const vss_value *writers, const Strings *specs, Selection *ret_selection,
                   char **ret_problem);
/*
 * selection_limit() - takes back what @volumes do not have all files of, told in "left_out", and what @excluded name
 * @writers: the list it was made from. @volumes: NULL while they are not known. @excluded: specs as above.
 * Return: as selection_make().
 */
int selection_limit(Selection *selection, const vss_value *writers, const SelectionVolumes *volumes,
                    const Strings *excluded, char **ret_problem);
/*
 * selection_make_all() - all that lies on @volumes wholly, but for what @excluded (specs as above) name
 * What lies on them in part is in "left_out". Return: as selection_make().
 */
int selection_make_all(const vss_value *writers, const SelectionVolumes *volumes, const Strings *excluded,
                       Selection *ret_selection, char **ret_problem);
/*
 * selection_verify() - does all that @spec names take part, but for what was excluded?
 * Return: as selection_make(); -ENOENT with the reason when it does not.
 */
int selection_verify(const Selection *selection, const vss_value *writers, const char *spec,
                     char **ret_problem);
/* The keys {writer, logical-path, name} of what @specs name, without the last two for all of a writer. */
int selection_resolve(const vss_value *writers, const Strings *specs, vss_value **ret_keys,
                      char **ret_problem);
/* Is this component named by one of them? */
bool selection_names(const vss_value *keys, const char *writer, const char *logical_path, const char *name);
/* An entry of the participation; its part is "explicit", "implicit" or "left-out". Return: 0 or -ENOMEM. */
int selection_add_part(Selection *selection, const char *writer, const char *logical_path, const char *name,
                       const char *part, const char *reason);
void selection_clear(Selection *selection);
