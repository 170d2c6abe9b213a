/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is wanted of a volume, for providers that copy files one by one
 *
 * The requester says which paths it is about (SetWantedPaths), and components say where their files lie. What a
 * provider copies as a whole is in the copy as a whole, and all of this is ignored.
 */

#include "vssd/set.h"

/* More than these, and all of the volume is wanted. */
#define WANTED_PATHS_MAX 4096u

/*
 * wanted_paths() - what of @volume has to be in its copy
 * @asked: what the requester said; NULL: nothing
 * @ret_paths: absolute paths at or below that of the volume; NULL: all of it
 * @ret_only_components: nothing but files of chosen components
 */
int wanted_paths(const Set *set, const Volume *volume, const vss_value *asked, vss_value **ret_paths,
                 bool *ret_only_components);
/* Is a file set, as judged, in a copy of @paths (NULL: of everything)? */
bool wanted_has_files(const vss_value *paths, const vss_value *files);
