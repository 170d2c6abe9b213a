/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a path is in its shadow copy, or in the clone of it
 */

#include <linuxvss/writer.h>

/* Return: false if the path's volume is not in the set, or beyond @size; else @ret_path is written. */
bool clone_path(const vss_writer_call *call, const char *path, char *ret_path, size_t size);

/* What a server on a clone may have to write: a file that it opens for writing is copied whole. */
typedef struct CloneSpace {
        uint64_t needed, available; /* bytes */
} CloneSpace;

/* Adds all files at and below @path, which is in a clone. Return: 0 or a negative errno. */
int clone_space_add(CloneSpace *space, const char *path);
bool clone_space_fits(const CloneSpace *space);
/* Why it does not fit, and what to do. */
const char *clone_space_text(const CloneSpace *space, char *text, size_t size);
