/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Zstandard frames, for blobs and for files of their own
 */

#include "repository/bytes.h"

/* Levels of zstd; 0 stores as it is. */
#define COMPRESS_OFF 0
/* No level of zstd: about 2, and faster; and 2 itself for what is small. */
#define COMPRESS_DEFAULT 100
#define COMPRESS_LEVEL_MAX 19
/* An index or a snapshot that says it is larger is none. */
#define DECOMPRESS_MAX (UINT64_C(1) << 30)

/*
 * compress_blob() - one frame, if that is smaller
 * Return: 1, and it is appended to @frame; 0 if it is not smaller; -ENOMEM.
 */
int compress_blob(int level, const void *data, size_t size, Bytes *frame);
/* Exactly @plain_size bytes; the frame need not say how many they are. 0, -EBADMSG, -ENOMEM. */
int decompress_blob(const void *frame, size_t size, void *plain, size_t plain_size);
/* As many as there are, up to DECOMPRESS_MAX; appended. */
int decompress_stream(const void *frame, size_t size, Bytes *plain);
