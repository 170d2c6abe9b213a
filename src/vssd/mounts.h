/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mounting device objects and exposures: worker mains
 */

#include "vssd/worker.h"

typedef struct MountArgs {
        char id[VSS_ID_SIZE];
        char directory[4096]; /* expose, unexpose */
        bool persistent;      /* expose: also after the next boot */
        bool again;           /* expose: the directory is from a record, and has no links in it */
        int fd;               /* attach */
        const vss_value
                *hidden; /* attach: paths below the root of the copy that are not shown; may be NULL */
} MountArgs;

void mounts_device_object(const char *id, char *ret_path, size_t size);

/* Attaches @fd as the device object of @id, in the place of one that stands. */
int mounts_attach_main(void *arg, WorkerAnswer *answer);
/* For workers: covers @hidden (paths; may be NULL) below the mount at @object by empty directories. Return:
 * 0, or a negative errno with "message". */
int mounts_hide(const char *object, const vss_value *hidden, WorkerAnswer *answer);
/* Takes the device object away; fine if there is none. */
int mounts_detach_main(void *arg, WorkerAnswer *answer);
/* For workers: a detached read-only clone of the device object of @id, or of the directory @below in it;
 * what is hidden there is hidden in it, too. Return: 0, or a negative errno with "message" in @answer. */
int mounts_clone(const char *id, const char *below, WorkerAnswer *answer, int *ret_fd);
/* The same of all of it for a writer that writes to the copy, which its provider has opened as @opened_fd.
 */
int mounts_clone_writable(const char *id, int opened_fd, WorkerAnswer *answer, int *ret_fd);
/* Answers with a detached read-only clone of the device object. */
int mounts_clone_main(void *arg, WorkerAnswer *answer);
/* Mounts the device object on @directory, which must be empty and not a link. */
int mounts_expose_main(void *arg, WorkerAnswer *answer);
/* Takes it away, unless something else is mounted there by now, and forgets it. */
int mounts_unexpose_main(void *arg, WorkerAnswer *answer);
/* What a service before us left. Answer: dictionaries id -> directory, "exposed" for what is still mounted,
 * "wanted" for what is recorded and is not; "left", a list, the ids of device objects, which go on standing
 * until their copies are known. */
int mounts_sweep_main(void *arg, WorkerAnswer *answer);
/* @arg: a list of ids, whose device objects go. */
int mounts_detach_all_main(void *arg, WorkerAnswer *answer);
