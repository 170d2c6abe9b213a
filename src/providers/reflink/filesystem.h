/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * File systems whose files can share extents, reached at their root
 *
 * Copies lie where no mount point need lead to: the root is opened through a mount of its own that is attached
 * nowhere, so that nothing is mounted over what it shows, nobody sees it, and it is gone with its descriptor.
 *
 * Functions return 0 or a negative errno; -ENOSYS: the kernel has no fsopen(2).
 */

#include <linuxvss/provider.h>
#include <stdbool.h>
#include <sys/types.h>
#include "util/macro.h"

#define FILESYSTEMS_MAX 256u

typedef struct Filesystem {
        int mount_fd, top; /* its root, the mount itself and opened */
        dev_t device; /* as the mount table tells it */
        bool is_btrfs, read_only;
        char *source;
} Filesystem;

Filesystem *filesystem_free(Filesystem *fs);
DEFINE_CLEANUP(Filesystem *, filesystem_free)

#define _cleanup_filesystem_ _cleanup_(filesystem_freep)

/* NULL, or why files on it cannot share extents. @fd: any directory of it. */
const char *filesystem_refuses(const char *fs_type, int fd);
/* Is what is mounted there read-only as a whole? */
int filesystem_is_read_only(const char *mount_point, bool *ret_read_only);
/* The file system that is mounted at @mount_point. */
int filesystem_open(const char *mount_point, Filesystem **ret_fs);

/*
 * Where a volume lies in its file system. @ret_root: the root of the volume, "/" but for subvolumes.
 * @ret_inside: below that, the directory that the volume's path leads to; "" unless a part of it is mounted.
 */
int filesystem_locate(const struct vss_volume *volume, char **ret_root, char **ret_inside);
/* Opens the root of a volume, and sees to it that it is the one. */
int filesystem_open_volume(const Filesystem *fs, const struct vss_volume *volume, const char *root, const char *inside,
                           int *ret_fd);

/* A mount of a directory of it alone, attached nowhere. */
int filesystem_clone(const Filesystem *fs, int directory_fd, unsigned attributes, int *ret_fd);

typedef struct FilesystemList {
        Filesystem *items[FILESYSTEMS_MAX];
        size_t n;
} FilesystemList;

/* Each in the mount table once. What cannot be opened is named on standard error. */
int filesystem_list(FilesystemList *ret_list);
void filesystem_list_done(FilesystemList *list);

#define _cleanup_filesystems_ _cleanup_(filesystem_list_done)
