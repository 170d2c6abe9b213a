/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What belongs to a file besides its content: type, owner, mode, times, extended attributes
 */

#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include "util/macro.h"

#define META_XATTRS_MAX 256u
#define META_XATTR_SIZE_MAX (64u * 1024)

typedef struct MetaXattr {
        char *name;
        uint8_t *value;
        size_t size;
} MetaXattr;

typedef struct FileMeta {
        uint32_t mode; /* with the type */
        uint32_t uid, gid;
        uint64_t device; /* of a device node */
        int64_t mtime_nsec;
        size_t n_xattrs;
        MetaXattr *xattrs;
} FileMeta;

void meta_clear(FileMeta *meta);
#define _cleanup_meta_ _cleanup_(meta_clear)

/* From what lstat(2) said: all but extended attributes. */
void meta_from_stat(const struct stat *st, FileMeta *ret_meta);
/* From an open file or directory. 0 or a negative errno; -E2BIG beyond the limits. */
int meta_from_fd(int fd, FileMeta *ret_meta);
/* Makes an open file or directory have it: owner, attributes, mode, times. 0 or a negative errno. */
int meta_apply(int fd, const FileMeta *meta);
int meta_add_xattr(FileMeta *meta, const char *name, const void *value, size_t size);
