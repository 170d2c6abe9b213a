/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Clones of shadow copies that can be written to, for a while: worker mains
 *
 * A clone is an overlay over the copy's device object, so it is the same for every provider, and the copy
 * stays as it is. Each writer that looks at its copies has a directory LINUXVSS_VERIFYDIR/NAME of its own,
 * which nobody else can enter: 0, 1, ... are the clones, and "scratch" an empty file system of the writer's.
 * What is written lies in LINUXVSS_STATEDIR/verify/NAME, or in memory where that file system cannot carry
 * it. Names begin with a part of the service's instance, so that a later one knows what to take away.
 */

#include <linuxvss/types.h>
#include <sys/types.h>
#include "vssd/worker.h"

#define CLONES_NAME_SIZE 32
/* What of an instance is in a name. */
#define CLONES_INSTANCE_SIZE 8

typedef struct CloneVolume {
        char snapshot[VSS_ID_SIZE];
        const char *path;        /* of the original; clones lie in each other as the originals do */
        const char *below;       /* the volume's root in the device object */
        const vss_value *hidden; /* of the copy: not to be seen; may be NULL */
} CloneVolume;

typedef struct Clones {
        char name[CLONES_NAME_SIZE];
        uid_t uid; /* whose they are */
        size_t n;
        CloneVolume volumes[VSS_VOLUMES_MAX];
} Clones;

/* Where clone @index is, or, with SIZE_MAX, the scratch directory. */
void clones_path(const char *name, size_t index, char *ret_path, size_t size);
/* @arg: Clones. Return: 0, or a negative errno with "message". What was made by then stays for
 * clones_remove_main(). */
int clones_make_main(void *arg, WorkerAnswer *answer);
/* @arg: Clones, of which the name counts. Fine if there is nothing. */
int clones_remove_main(void *arg, WorkerAnswer *answer);
/* @arg: the Manager. Takes away all that other instances left. */
int clones_sweep_main(void *arg, WorkerAnswer *answer);
