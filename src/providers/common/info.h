/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The identity of a shadow copy, kept beside it as a small JSON file
 *
 * A file system with shadow copies on it may come from anywhere, so what is read here is hostile until shown
 * otherwise: no links are followed, sizes are limited, and the identity must be that of the directory.
 */

#include <stdbool.h>
#include "util/value.h"

#define INFO_NAME "info.json"
#define INFO_NAME_NEW "info.json.new"
#define INFO_SIZE_MAX (1024u * 1024)

/* Is it a UUID in text form, in lower case? */
bool info_id_is_valid(const char *id);

/* Text and values; a number with a fraction, a null, or a tree too deep or too wide, is -EBADMSG. */
int info_encode(const vss_value *info, char **ret_text);
int info_decode(const char *text, size_t size, vss_value **ret_info);

/* Each key of @properties replaces that of @info, but for what makes it this copy: id, set, state, and @own, which the
 * provider keeps for itself. */
int info_merge(vss_value *info, const vss_value *properties, const char *own);

/* Writes INFO_NAME of a directory, which must not have it yet, down to the disk. */
int info_write(int dir_fd, const vss_value *info);
/* Replaces it: after a crash there is the one or the other. */
int info_replace(int dir_fd, const vss_value *info);
/*
 * info_read() - read INFO_NAME of the directory of shadow copy @id
 * @ret_reason: what is wrong with it, a static string, on failure
 */
int info_read(int dir_fd, const char *id, const char **ret_reason, vss_value **ret_info);
