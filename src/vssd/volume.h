/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Volumes and mounts, by workers: everything of the service that touches a file system
 */

#include "vssd/manager.h"
#include "vssd/worker.h"

/* A volume as it is mounted. */
typedef struct Volume {
        unsigned refs;
        int fd;           /* its root, opened for reading */
        vss_value *facts; /* path, mount-point, mount-root, source, fs-type, device, below, wanted */
        const char *path; /* borrowed from facts */
        uint64_t device;
} Volume;

Volume *volume_ref(Volume *volume);
Volume *volume_unref(Volume *volume);
DEFINE_CLEANUP(Volume *, volume_unref)
/* Lets go of the file system; what is known of the volume stays. */
void volume_close(Volume *volume);
/* Takes @fd and @facts over, also on failure. */
int volume_new(int fd, vss_value *facts, Volume **ret_volume);

/* The kinds of file system that have no storage of their own, or one that is not of this machine. NULL:
 * neither. */
const char *volume_unsuitable(const char *fs_type);

/*
 * Worker mains. Arguments live until the worker has answered.
 *
 * volume_find_main: the volume that holds a path. @arg: the path. Answer: the facts, and its descriptor.
 * volume_below_main: mounts below a path. @arg: the path. Answer: "mounts": list of {path, fs-type}, only
 * those that can be seen. volume_sync_main: rounds of syncfs. @arg: int, a descriptor. Answer: "took-usec"
 * of the last round. device_find_main: the block device that a path names, also by what is mounted from it.
 * @arg: the path. Answer: "device".
 */
int volume_find_main(void *arg, WorkerAnswer *answer);
int volume_below_main(void *arg, WorkerAnswer *answer);
int volume_sync_main(void *arg, WorkerAnswer *answer);
int device_find_main(void *arg, WorkerAnswer *answer);
