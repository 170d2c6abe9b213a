/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Commands of others that are run beside a backup: before it, after it
 */

#include "vss/cli.h"

/*
 * hook_run() - run a program to its end
 * It has no input; its output goes to standard error. With a signal to us, and at the limit, it and all of
 * its group are asked to end, and then killed.
 * @words: the command, NULL-terminated; no shell
 * @quiet: its output goes nowhere
 * Return: its exit status; 128 and the number of the signal that ended it; 127, 126 when it cannot be run;
 * -ETIME at the limit; -EINTR when a signal came; another negative errno.
 */
int hook_run(char *const *words, uint64_t limit_usec, bool quiet);
