/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Paths: below, above, and from a mounted path to the path below a device object
 *
 * Pure: works on text. Paths are absolute and normal: no "." or "..", no doubled or trailing slash but "/".
 */

#include <stdbool.h>
#include <stddef.h>

/* Is @path absolute and normal? */
bool path_is_normal(const char *path);
/* Makes an absolute path normal without touching a file system ("a/.." is folded, ".." of the root is the
 * root). Return: 0, -EINVAL for a relative path, -ENAMETOOLONG beyond 4095 bytes, -ENOMEM. */
int path_normalize(const char *path, char **ret_path);
/* Is @path @root or below it? By elements: "/srvx" is not below "/srv". */
bool path_is_below(const char *path, const char *root);
/* The part of @path below @root without a leading slash ("" for @root itself); NULL if it is not below. */
const char *path_relative(const char *path, const char *root);
/* @root + "/" + @relative, normal. Return: 0, -ENAMETOOLONG, -ENOMEM. */
int path_join(const char *root, const char *relative, char **ret_path);

/**
 * path_below_device() - where a mounted path lies below the device object of its volume
 * @path:        the path
 * @mount_point: where the mount that holds it is mounted
 * @mount_root:  root of that mount inside its file system (bind mounts, subvol=)
 * @volume_root: root of the volume inside the file system ("/" for all but subvolumes)
 * @ret_below:   relative path, "" for the root of the device object
 *
 * Return: 0, -ENOENT if @path is not below @mount_point, -EXDEV if it lies outside the volume,
 * -ENAMETOOLONG, -ENOMEM.
 */
int path_below_device(const char *path, const char *mount_point, const char *mount_root,
                      const char *volume_root, char **ret_below);
