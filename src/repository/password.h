/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a password comes from: never from a command line
 *
 * Blanks at both ends are no part of it. What is returned is to be overwritten and freed.
 */

#include "repository/fail.h"

#define PASSWORD_MAX 65536u

int password_from_file(const char *path, char **ret_password, Why *why);
/* What a program prints; @words are split already, no shell is involved. */
int password_from_command(const char *const *words, char **ret_password, Why *why);
/* Asked for at the terminal, unseen. @twice: for a new one. -ENOTTY without a terminal. */
int password_from_terminal(const char *prompt, bool twice, char **ret_password, Why *why);
