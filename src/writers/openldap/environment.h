/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LMDB environments and trees of LDIF files, as children touch them
 *
 * LMDB's lock file must be understood by both libraries, slapd's own and ours: LMDB checks that itself. All
 * of 0.9 is one format.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct HolderTask {
        const char *path; /* of the directory */
        bool lmdb, nosync;
        pid_t broker;
} HolderTask;

/* A child_main_fn: opens, answers, holds, lets go. */
int holder_main(int fd, void *task);

typedef struct EnvironmentState {
        uint64_t txnid;
        uint64_t entries; /* UINT64_MAX: there is no id2e in it */
} EnvironmentState;

#define ENVIRONMENT_ERROR_SIZE 512u

/* Open it without a word to whoever uses it, and look. @count: read every page that has something, too.
 * Return: 0, or a negative errno with a sentence in @ret_error. */
int environment_look(const char *path, bool count, EnvironmentState *ret_state,
                     char ret_error[static ENVIRONMENT_ERROR_SIZE]);

/* A sum over names, sizes, times and inodes of the tree below @path. Return: 0 or a negative errno. */
int tree_sum(const char *path, uint64_t *ret_sum);
