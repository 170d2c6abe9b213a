/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Copying content from one open file to another
 */

#include <stdint.h>

/*
 * copy_content() - all of @from to @to, which is empty; holes stay holes
 * Return: the size, or a negative errno. @ret_reading, if not NULL, says which side failed.
 */
int64_t copy_content(int from, int to, int *ret_reading);

/* @length bytes at @offset to @target_offset; -ENODATA if @from ends before. 0 or a negative errno. */
int copy_range(int from, uint64_t offset, uint64_t length, int to, uint64_t target_offset, int *ret_reading);
