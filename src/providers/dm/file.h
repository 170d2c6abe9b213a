/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Small files of ours: replaced as a whole, read without being believed
 *
 * Functions return 0 or a negative errno.
 */

#include "util/value.h"

/* @directory_fd: AT_FDCWD for an absolute @name. After a crash there is the old or the new one. */
int file_replace(int directory_fd, const char *name, const char *text);
/* A dictionary as JSON. -EBADMSG for anything that is none, or that somebody else than root may have
 * written. */
int file_replace_value(int directory_fd, const char *name, const vss_value *value);
int file_read_value(int directory_fd, const char *name, vss_value **ret_value);
