/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where files lie now: declared paths made real, and what is mounted where
 */

#include <stdbool.h>
#include <stddef.h>

/* A directory as file sets name it, without variables (the environment's) and links: what of it exists is
 * resolved, the rest stays. Allocated; NULL without memory or for what is no such path. */
char *locate_resolve(const char *declared);
/* The same for a directory whose place the service has judged: where it led then, or the nearest directory
 * above that was there. NULL also if it leads elsewhere now. @judged may be "": nobody has. */
char *locate_judged(const char *declared, const char *judged);
/* The nearest of @path and the directories above it that is there; @path is resolved. Allocated; NULL
 * without memory. */
char *locate_nearest(const char *path);
/* @directory, "/" and @below, if that is not "". 0, -ENAMETOOLONG, -ENOMEM. */
int locate_join(const char *directory, const char *below, char **ret_path);
/* Is @path, which is resolved, in the file set? */
bool locate_covers(const char *directory, const char *filespec, bool recursive, const char *path);

/*
 * locate_mount_points() - what is mounted below @directory now, relative to it, each with @prefix and a
 * slash before it unless that is "" Return: 0 and a NULL-terminated array for locate_free(); -E2BIG beyond
 * LOCATE_MOUNTS_MAX, or another errno.
 */
#define LOCATE_MOUNTS_MAX 65536u
int locate_mount_points(const char *directory, const char *prefix, char ***ret_points);
char **locate_free(char **points);
