/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What went wrong with a repository: a negative errno, and a sentence that names the culprit
 *
 * Besides those of the system: -EBADMSG for what is damaged, -ENOENT for what is not there, -EKEYREJECTED
 * for a password that opens no key, -EBUSY for a lock of somebody else, -ESTALE for our own lock that was
 * lost.
 */

#include "model/why.h"

/* Sets the sentence; @why may be NULL. Return: @error. */
int repo_fail(Why *why, int error, const char *format, ...) _printf_(3, 4);
