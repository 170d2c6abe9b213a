/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How much a tree stands for
 *
 * A tree that stands in two places is stored once; forty levels of that are a million millions of
 * directories in forty blobs. No backup makes such, and whoever puts one there fills disks with it.
 */

#include "repository/repository.h"

/* Deeper ones are not gone into: no backup is ever so deep, and each level takes memory and a descriptor. */
#define TREE_DEPTH_MAX 4096u
/* More than file systems hold. */
#define TREE_ENTRIES_MAX (UINT64_C(1) << 33)

/* Entries of the tree, with all below it; UINT64_MAX for more than that. What cannot be loaded counts as
 * empty. 0 or -ENOMEM. */
int tree_measure(Repository *repo, const BlobId *tree, uint64_t *ret_entries);
