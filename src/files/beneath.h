/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Opening paths below a directory, so that nothing outside of it is ever reached
 *
 * Paths are relative to @root_fd, without a leading slash; "" is the root itself. No symbolic link is
 * followed, neither on the way nor at the end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Also refuse what lies on another mount than @root_fd: -EXDEV. */
#define BENEATH_ONE_MOUNT 1u

/*
 * beneath_open() - open(2) of a path below @root_fd; O_CLOEXEC and O_NOFOLLOW are added
 * Return: a descriptor, or a negative errno; -ELOOP for a symbolic link, -EXDEV for a way out.
 */
int beneath_open(int root_fd, const char *path, int flags, mode_t mode, unsigned options);

/*
 * beneath_open_parent() - open the directory that holds @path
 * @make:     make what is missing of it, mode 0755
 * @ret_name: the last element, a part of @path
 * Return: a descriptor of the directory (O_RDONLY), or a negative errno; -EINVAL if @path has no usable last
 * element.
 */
int beneath_open_parent(int root_fd, const char *path, bool make, const char **ret_name);

/* Is @path relative, without empty elements, "." and ".."? "" is. */
bool beneath_is_valid(const char *path);
