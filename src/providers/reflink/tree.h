/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A tree and its copy of shared extents
 *
 * Each pass brings the copy up to date with what is there now: it reads all directories anew, and works only on what
 * differs from what the pass before saw. So the first pass, with everything running, does nearly all there is to do,
 * those of a commit little more than look; and a pass that finds no difference has shown that the tree stood still
 * since the one before. What is replaced is moved aside, not deleted: to free extents takes as long as to share them.
 *
 * A file counts as copied only if its time of change is older than its clone by more than the clock's tick: then
 * whatever was written since shows. Several threads work on one pass.
 *
 * Functions return 0 or a negative errno.
 */

#include <linuxvss/types.h>
#include <stdbool.h>
#include <stdint.h>
#include "util/value.h"

/* Entries of one copy, and of one list of what is named. */
#define TREE_ENTRIES_MAX 4000000u
#define TREE_WANTED_MAX 4096u
#define TREE_NAMED_MAX 64u
#define TREE_DEPTH_MAX 250u
/* Work is handed to as many threads. */
#define TREE_WORKERS_MAX 16u

typedef enum TreePass {
        TREE_PREPARE, /* everything runs: what was changed lately, and would take long, is left to the commit */
        TREE_COMMIT,  /* all of it */
} TreePass;

typedef struct TreeOptions {
        uint64_t recent_usec; /* what changed within this time may change again */
        unsigned workers;
} TreeOptions;

typedef struct TreeFacts {
        uint64_t entries; /* files, directories and the rest */
        uint64_t files, extents;
        uint64_t recent_files, recent_extents; /* those that a commit may have to clone again */
        /* of the last pass */
        uint64_t cloned_files, cloned_extents, clone_usec; /* the sum over all threads */
        uint64_t differences;
        uint64_t took_usec;
} TreeFacts;

typedef struct Tree Tree;

/*
 * tree_new() - nothing is read yet
 * @source_fd: root of the volume; @copy_fd: the empty directory of the copy. Both are borrowed, for reading.
 * @wanted: list of relative paths ("" for all); what does not lie at, below or above one of them is not in the copy
 * @store_device, @store_inode: the directory that holds all copies, which is in none
 */
int tree_new(int source_fd, int copy_fd, const vss_value *wanted, const TreeOptions *options, dev_t store_device,
             ino_t store_inode, Tree **ret_tree);
Tree *tree_free(Tree *tree);
DEFINE_CLEANUP(Tree *, tree_free)

/* -ETIMEDOUT: @deadline_usec (monotonic) passed. tree_culprit() names what failed. */
int tree_run(Tree *tree, TreePass pass, uint64_t deadline_usec);
const char *tree_culprit(const Tree *tree);
const TreeFacts *tree_facts(const Tree *tree);
/* A file that was changed longer ago than this counts as copied. */
uint64_t tree_tick_usec(void);
/* What differed in the last pass, the first of it; "" if nothing did. */
const char *tree_difference(const Tree *tree);
/* What is not in the copy though it was wanted: list of {path, reason}, at most TREE_NAMED_MAX. Borrowed. */
const vss_value *tree_left_out(const Tree *tree);

/* After the last pass: owners, modes, attributes and times of directories. */
int tree_finish(Tree *tree);
