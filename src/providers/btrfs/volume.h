/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a btrfs volume is: the subvolume that holds its root directory
 */

#include <linuxvss/provider.h>

/* Subvolumes below one volume that are told. */
#define NESTED_MAX 4096u

/* Its id, and its path from the top level ("/@home", "/" for the top level itself). */
int volume_subvolume(const struct vss_volume *volume, uint64_t *ret_id, char **ret_path);
/* Paths below volume->path of the subvolumes in it, at any depth; ours are not among them. -E2BIG: too many.
 */
int volume_list_nested(const struct vss_volume *volume, vss_value *list);
