/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writer descriptors, and what of a writer's metadata may be believed
 *
 * A descriptor is a root-owned file that a package ships with its writer: the user it runs as and the
 * directories its components may lie in. Functions with _main in their names are worker mains.
 */

#include "vssd/worker.h"

/* All descriptors. Answer: "writers": dictionary name -> {user, uid, broker, roots, error}. */
int judge_descriptors_main(void *arg, WorkerAnswer *answer);

typedef struct Judge {
        const vss_value *metadata;
        const vss_value *descriptor;
} Judge;

/* @arg: a Judge. Answer: "metadata", in which every file set has "real" (the directory, resolved) and
 * "device", and those outside of the roots and of what the user owns have gone to "dropped": {path, reason}.
 */
int judge_metadata_main(void *arg, WorkerAnswer *answer);

/* Does what is said of this component name places? */
bool judge_has_places(const vss_value *component);
/* In a worker: of what is said of @components, in an answer of @writer or in a document, takes out the
 * entries that name places which may not be believed, and appends them to @dropped: {writer, logical-path,
 * name, path, reason}. @judge's metadata may be NULL. Return: 0 or a negative errno. */
int judge_said(const Judge *judge, const char *writer, vss_value *components, vss_value *dropped);
