/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Removing a directory with all that is in it
 */

/* Nothing outside of it is reached. -ENOENT if there is none. 0 or a negative errno. */
int remove_directory(int dir_fd, const char *name);
