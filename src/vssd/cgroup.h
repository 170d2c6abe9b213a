/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Control groups to be held: found, and refused where holding them would stop ourselves
 */

#include <sys/types.h>

/**
 * cgroup_open() - the directory of a control group
 * @path: its path below the mount of cgroup v2, as in /proc/PID/cgroup
 *
 * Return: a descriptor; -ENOENT if there is none, -EINVAL for a path that is not absolute and normal or is
 * the root, -EOPNOTSUPP without cgroup v2.
 */
int cgroup_open(const char *path);
/* Is process @pid in the control group @path, or below it? An unreadable process counts as being in it. */
int cgroup_contains(const char *path, pid_t pid);
