/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mounts of copies that are block devices: beside their original, attached nowhere, and never changed
 * unasked
 *
 * Such a copy has one superblock, whoever mounts it: it is writable for all or for nobody. So one that is to
 * be written to is opened writable first, by whoever repairs it, and sealed last.
 *
 * A copy that was made under a hold is clean and needs no journal: nothing is replayed, nothing written. XFS
 * cannot tell (what a freeze leaves looks like what a crash leaves), so that who calls must know; ext4 can,
 * and is asked.
 *
 * Functions return 0 or a negative errno.
 */

#include <stdbool.h>
#include <sys/types.h>

/* Can it mount copies of this type? */
bool block_mount_knows(const char *fs_type);
/* Does a part of what is mounted from @device (its journal, log or files) lie on another device, so that a
 * copy of this one could not be mounted? *@ret_why: the reason, and what helps; NULL: it does not.
 * -EMEDIUMTYPE: there is no such file system on it. */
int block_mount_outside(const char *device, const char *fs_type, const char **ret_why);
/* The same of what is mounted from @source, which is a path of @device; of one that is not, nothing is
 * known. */
int block_mount_outside_source(const char *source, dev_t device, const char *fs_type, const char **ret_why);
/*
 * block_mount() - a detached mount of @device
 * @superblock_writable: the journal is replayed; the device must be writable. All mounts of a device that
 * stand at one time must agree in this, or it is -EBUSY.
 * @mount_writable: this mount; takes a writable superblock.
 * -EUCLEAN: the journal must be replayed first: open it writable once. -ENOSYS: no fsopen(2).
 */
int block_mount(const char *device, const char *fs_type, bool superblock_writable, bool mount_writable,
                int *ret_fd);
/* After it was writable: the superblock becomes read-only, clean, for every mount of it. -EBUSY: a file is
 * open for writing. */
int block_mount_seal(const char *device, const char *fs_type);
/* The disk's cache goes to the disk. What a freeze wrote need not be there yet (XFS writes its superblock
 * last, and no flush after it), and a power cut would take it out of a copy that still reads it from the
 * original: so before a copy is told to be complete. */
int block_flush(const char *device);
