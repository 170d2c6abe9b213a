/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Control groups of services
 *
 * All that is read here is made by the kernel on the spot: it does not wait for a disk.
 */

#include <stdbool.h>
#include <stddef.h>

#define GROUP_PATH_SIZE 4096u

/*
 * group_find() - the control group of a unit of systemd's
 * Looks through the slices, as systemd names them: it need not be asked, and may be busy.
 * Return: 0 with the path as in /proc/PID/cgroup; -ENOENT if there is none (the unit does not run);
 * -EOPNOTSUPP without cgroup v2; -E2BIG, or another negative errno.
 */
int group_find(const char *unit, char path[static GROUP_PATH_SIZE]);
/* Its directory. Return: a descriptor; -ENOENT, -EOPNOTSUPP, or another negative errno. */
int group_open(const char *path);
/* Has it a process, in itself or below? Return: 1, 0 (also if it is gone), or a negative errno. */
int group_is_populated(int dir);
/* Can it be frozen at all (not the root, and a kernel that knows how)? */
bool group_can_freeze(int dir);

/* For tests: the mount point of cgroup v2, of a line of mountinfo. Return: 0, or -ENOENT if it is another
 * mount. */
int group_parse_mount(const char *line, char path[static GROUP_PATH_SIZE]);
