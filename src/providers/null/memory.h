/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the null provider keeps its copies: a directory each below one in /run, so that they outlive the
 * process
 *
 *     ID/info.json   its identity; in "null": path, copy
 *     ID/data/       a tmpfs with the files, when files are copied
 *
 * Functions return 0 or a negative errno.
 */

#include <linuxvss/types.h>
#include "util/value.h"

/* Opens @path, made root's alone if need be with the directory above it. */
int memory_open(const char *path, int *ret_fd);
/* A new directory with its identity; *@ret_data_fd is the root of a new tmpfs if @with_data, else -1. */
int memory_add(int memory_fd, const char *id, const vss_value *info, bool with_data, int *ret_data_fd);
int memory_read(int memory_fd, const char *id, const char **ret_reason, vss_value **ret_info);
int memory_replace(int memory_fd, const char *id, const vss_value *info);
int memory_remove(int memory_fd, const char *id);
/* Appends what there is to @list; those of @set_under_way are "preparing", others that are not done
 * "incomplete". */
int memory_list(int memory_fd, const char *set_under_way, vss_value *list);
/* The copy becomes a directory that is nobody's, BROKEN_PREFIX and its id, read-only unless @writable. */
#define BROKEN_PREFIX "broken-"
int memory_break(int memory_fd, const char *id, bool writable);
/* A detached mount of a tree, which takes no device files and no set-user-id programs from it. */
int memory_clone(int directory_fd, const char *path, bool writable, int *ret_mount_fd);
