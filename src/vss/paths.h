/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Paths from the command line, and what is mounted
 */

#include "vss/cli.h"
#include "vss/stringlist.h"

/*
 * path_resolve() - a path or block device from the command line as the service wants it
 * A mounted block device stands for its mount point; relative paths and symbolic links are resolved.
 * Return: EXIT_DONE, or EXIT_FAILED after a message that names the path.
 */
int path_resolve(Cli *cli, const char *path, char **ret_path);
/* The same for several, without repetitions. */
int paths_resolve(Cli *cli, const Strings *paths, Strings *ret_resolved);

/*
 * path_answers() - can it be looked at, or does its device not answer?
 * Nobody can wake who waits for a device: a process asks, and is left behind.
 * Return: false after @seconds, or when the program is interrupted. What is not there is an answer.
 */
bool path_answers(const char *path, unsigned seconds);

/* All mount points of this process, in mount order. Return: 0 or -errno. */
int mounts_read(Strings *ret_mounts);
/* Those of devices of this machine, and not of what lies in memory or elsewhere. Return: 0 or -errno. */
int mounts_read_devices(Strings *ret_mounts);
