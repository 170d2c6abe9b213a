/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Suspending devices outside of a cut: always with somebody who resumes them
 *
 * By vss-hold --guard and --swap, which live on if the provider dies.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/value.h"

/*
 * guard_run() - run a command that suspends devices by itself
 * @argv: ended by NULL; looked for in PATH
 * @devices: which it may suspend, by number; none may be suspended already
 * @limit_usec: how long one may stay suspended; then the command is killed and the devices are resumed with
 *     the tables they had
 * @output_fd: its standard output; -1: dropped
 * @suspended: a list, to which is appended what was suspended, for how long, and why; may be NULL
 *
 * Return: 0, the command's exit status (128 and more: killed by a signal), -ETIMEDOUT if it was late, -EBUSY
 * if a device was suspended before, or -errno. Whatever is returned, nothing stays suspended.
 */
int guard_run(const char *const argv[], const dev_t *devices, size_t n, uint64_t limit_usec, int output_fd,
              vss_value *suspended);
/*
 * guard_swap() - make inactive tables the live ones, without freezing what is on the devices
 * @why: for the list
 * Return: 0, -ENODATA if a device has no inactive table, -ETIMEDOUT, -EBUSY, or -errno; then the inactive
 * tables of those that were not swapped are gone.
 */
int guard_swap(const dev_t *devices, size_t n, uint64_t limit_usec, const char *why, vss_value *suspended);
