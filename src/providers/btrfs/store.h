/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the shadow copies of one btrfs file system lie
 *
 *     /.linuxvss/            of the top level, for root alone; a subvolume, so that it is not in any copy
 *     /.linuxvss/ID/         one shadow copy
 *         info.json          its identity, and what the provider adds
 *         snapshot/          the subvolume
 *
 * The store stays once it is made: to make and remove it for each set would change the top directory each
 * time, and every incremental backup would find it changed.
 *
 * What stands there without being complete was left by a crash; it is reported, and can be deleted as any
 * other.
 */

#include "providers/btrfs/filesystem.h"
#include "util/value.h"

#define STORE_NAME ".linuxvss"
#define STORE_SNAPSHOT "snapshot"
/* Shadow copies on one file system that are looked at. */
#define STORE_COPIES_MAX 8192u

/* Opens the store; -ENOENT if there is none, -EPERM if it is not root's alone. */
int store_open(const Filesystem *fs, int *ret_fd);
/* Makes it if need be. */
int store_make(const Filesystem *fs, int *ret_fd);

/* Makes the directory of a shadow copy, with its identity in it. */
int store_add(int store_fd, const char *id, const vss_value *info, int *ret_dir_fd);
/* Sets @properties in the identity of a copy that is there. */
int store_merge(int store_fd, const char *id, const vss_value *properties);
/*
 * store_remove() - a shadow copy, whatever there is of it
 * -ENOENT: there is none. -ENOTEMPTY: something that is not ours is in its directory.
 */
int store_remove(int store_fd, const char *id);
/* Opens the subvolume of a copy. */
int store_open_snapshot(int store_fd, const char *id, int *ret_fd);

/* Appends the properties of each copy to @list; @set_under_way names the set that is being made, or is NULL.
 */
int store_list(const Filesystem *fs, const char *set_under_way, vss_value *list);
