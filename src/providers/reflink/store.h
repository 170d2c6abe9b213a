/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the copies of one file system lie
 *
 *     /.linuxvss/            of the root, for root alone; on btrfs a subvolume, so that it is in no snapshot
 *     /.linuxvss/reflink/    this provider's
 *         ID/                one shadow copy
 *             info.json      its identity, and what the provider adds
 *             tree/          the copy
 *             links/         while it is made: files that have several names
 *             trash/         while it is made: what was replaced
 *         gone-ID/           one that was deleted, of which something is left
 *
 * What stands there without being complete was left by a crash; it is reported, and can be deleted as any other.
 */

#include "providers/reflink/filesystem.h"
#include "util/value.h"

#define STORE_NAME ".linuxvss"
#define STORE_OWN STORE_NAME "/reflink"
#define STORE_TREE "tree"
#define STORE_LINKS "links"
#define STORE_TRASH "trash"
#define STORE_GONE "gone-"
/* Copies on one file system that are looked at. */
#define STORE_COPIES_MAX 8192u

/* Opens it; -ENOENT if there is none, -EPERM if it is not root's alone. */
int store_open(const Filesystem *fs, int *ret_fd);
/* Makes it if need be, and removes what is left of deleted copies. */
int store_make(const Filesystem *fs, int *ret_fd);
/* What a deletion that was interrupted has left. */
void store_clean(int store_fd);
/* The directory that is in no copy. */
int store_identify(const Filesystem *fs, dev_t *ret_device, ino_t *ret_inode);

/* Makes the directory of a shadow copy, with its identity and all parts in it. */
int store_add(int store_fd, const char *id, const vss_value *info, int *ret_dir_fd);
/* A copy is made: what it was made with goes. */
int store_tidy(int dir_fd);
/* Sets @properties in the identity of a copy that is there. */
int store_merge(int store_fd, const char *id, const vss_value *properties);
/* A shadow copy, whatever there is of it. It is gone at once; what lay in it follows. -ENOENT: there is none. */
int store_remove(int store_fd, const char *id);
/* Opens the tree of a copy. */
int store_open_tree(int store_fd, const char *id, int *ret_fd);

/* Appends the properties of each copy to @list; @set_under_way names the set that is being made, or is NULL. */
int store_list(const Filesystem *fs, const char *set_under_way, vss_value *list);
