/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reading directories into a repository
 *
 * Threads walk, read, cut, hash, compress and seal, whatever there is to do. A directory's tree is written
 * when all in it is done. What has not changed since a parent, by size, times and inode, is not read again.
 * Mount points of other volumes are kept as empty directories and not crossed. What cannot be read is told
 * and left out; the rest goes on.
 */

#include "repository/store.h"

typedef struct ArchiveCounts {
        uint64_t files_new, files_changed, files_unmodified;
        uint64_t dirs_new, dirs_changed, dirs_unmodified;
        uint64_t files, bytes; /* looked at, and what they hold */
        uint64_t errors;
        uint64_t mount_points; /* not crossed */
} ArchiveCounts;

/* Something that is to be in the point. */
typedef struct ArchivePath {
        const char *path; /* there: absolute, without links, "." and ".." */
        bool shallow;     /* of a directory itself, and what else is asked for below it */
        bool mount_point; /* not crossed */
        /* It is read from elsewhere: without links on the way, below @source_fd. NULL: where it is called.
         */
        const char *source;
        int source_fd;
} ArchivePath;

/* What stands for a device in the point. */
typedef struct ArchiveDevice {
        dev_t device;
        uint64_t id;  /* the same whenever the same volume is read, also from a copy of it */
        bool crossed; /* its mount points are */
} ArchiveDevice;

typedef struct ArchiveOptions {
        const ArchivePath *paths;
        size_t n_paths;
        /* Volumes that are read: mount points of theirs are crossed. Of others the device's number is its
         * id.
         */
        const ArchiveDevice *devices;
        size_t n_devices;
        /* Shell patterns of names, or with a slash of whole paths; NULL-terminated; may be NULL. */
        const char *const *excludes;
        const Snapshot *parent; /* may be NULL */
        /*
         * The number of a volume's device may change from mount to mount, and then every tree is another
         * one. It is needed for hard links only; restic writes it always.
         */
        bool all_device_ids;
        /* What stands at mount points that are not crossed is made anew for each run: of it only its mode
         * counts.
         */
        bool steady_mounts;
        unsigned threads;      /* 0: one for each processor */
        unsigned read_timeout; /* seconds that a device may take for an answer; 0: it is waited for */

        /* Asked of what is found in directories; from the threads, one at a time. May be NULL. */
        bool (*leave_out)(void *userdata, const char *directory, const char *name, bool is_directory);
        /*
         * A directory of this name joins the root when everything else has been read: what @late opens then.
         * Both may be NULL.
         */
        const char *late_name;
        int (*late)(void *userdata, const ArchiveCounts *counts, int *ret_fd);

        /* May be NULL. From the threads: one at a time. @error is a negative errno; 0: a mount point, not
         * crossed. */
        void (*told)(void *userdata, const char *path, int error, const char *what);
        /* From the caller's thread, some times a second. Return: true to stop. */
        bool (*progress)(void *userdata, const ArchiveCounts *counts, const char *path);
        void *userdata;
} ArchiveOptions;

/*
 * archive_run() - read everything and store it
 * A file whose device does not answer is told, and left out. A directory that hangs ends the run with
 * -ETIMEDOUT: then threads may still use @store, which can only be left as it is. Return: 0, also with
 * errors that were told; -ECANCELED; -ETIMEDOUT; or the store's failure.
 */
int archive_run(Repository *repo, Store *store, const ArchiveOptions *options, Why *why, BlobId *ret_tree,
                ArchiveCounts *ret_counts);
