/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a path is in its shadow copy, or in the clone of it
 */

#include <linuxvss/writer.h>

/* Return: false if the path's volume is not in the set, or beyond @size; else @ret_path is written. */
bool clone_path(const vss_writer_call *call, const char *path, char *ret_path, size_t size);
