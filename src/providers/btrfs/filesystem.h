/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * btrfs file systems, reached at their top level
 *
 * Shadow copies lie where no mount point need lead to: the top level is opened through a mount of its own
 * that is attached nowhere, so that nobody sees it and it is gone with its descriptor.
 *
 * Functions return 0 or a negative errno; -ENOSYS: the kernel has no fsopen(2).
 */

#include <stdbool.h>
#include <stdint.h>
#include <linuxvss/types.h>
#include "util/macro.h"

#define FILESYSTEMS_MAX 256u
/* The subvolume that every file system has. */
#define TOP_LEVEL_ID UINT64_C(5)

typedef struct Filesystem {
        int top; /* its top level directory */
        bool read_only;
        char *source; /* a device of it */
        char uuid[VSS_ID_SIZE];
} Filesystem;

/* What a failed call of libbtrfsutil left; some of its failures are none of the system's. */
static inline int negative_errno(void) {
        return errno > 0 ? -errno : -EIO;
}

Filesystem *filesystem_free(Filesystem *fs);
DEFINE_CLEANUP(Filesystem *, filesystem_free)

#define _cleanup_filesystem_ _cleanup_(filesystem_freep)

/* The file system that @fd is on; @source is what the mount table says of it. */
int filesystem_open(int fd, const char *source, bool read_only, Filesystem **ret_fs);
/* Its UUID alone. */
int filesystem_uuid(int fd, char ret_uuid[static VSS_ID_SIZE]);
void filesystem_format_uuid(const uint8_t raw[static 16], char ret_uuid[static VSS_ID_SIZE]);
/* Is the file system that is mounted there read-only as a whole? */
int filesystem_is_read_only(const char *mount_point, bool *ret_read_only);

/* A mount of a subvolume, attached nowhere. */
int filesystem_mount(const Filesystem *fs, uint64_t subvolume_id, bool writable, int *ret_mount_fd);
/* A directory below the top level, without following links. */
int filesystem_open_directory(const Filesystem *fs, const char *path, int *ret_fd);

typedef struct FilesystemList {
        Filesystem *items[FILESYSTEMS_MAX];
        size_t n;
} FilesystemList;

/* Every btrfs file system in the mount table, each once. What cannot be opened is named on standard error.
 */
int filesystem_list(FilesystemList *ret_list);
void filesystem_list_done(FilesystemList *list);

#define _cleanup_filesystems_ _cleanup_(filesystem_list_done)
