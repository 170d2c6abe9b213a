/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files where they lie now, on the live system: what is there, and is it what it was?
 */

#include "testers/list.h"

/*
 * place_read() - what is at @path: kind, type, owner, time, size, digest of the content (of @ranges only, if
 * not NULL), target of a link. 0 or a negative errno; -ENOENT if nothing is there.
 */
int place_read(const char *path, const char *ranges, ListEntry *ret_entry);
/* The same of an open file, which is at @path. */
int place_read_fd(int fd, const char *path, const char *ranges, ListEntry *ret_entry);

/* Is @path as @was says? NULL, or in a word what is different: "missing", "content", "kind", "target",
 * "mode", "owner", or what a system call says. */
const char *place_compare(const char *path, const ListEntry *was);
