/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Copying the directories and regular files of a small tree; what else is in it is left out
 */

#include <stddef.h>

#define TREE_BYTES_MAX (64u * 1024 * 1024)
#define TREE_FILES_MAX 20000u
#define TREE_DEPTH_MAX 32u

/* Of one file system only. Return: 0 or a negative errno; -E2BIG beyond a limit. */
int tree_copy(int from_fd, int to_fd);
