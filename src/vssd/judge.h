/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writer descriptors, and what of a writer's metadata may be believed
 *
 * A descriptor is a root-owned file that a package ships with its writer: the user it runs as, the
 * directories its components may lie in, the units that may be stopped and started for it, and the variables
 * that its paths may have.
 */

#include "vssd/worker.h"

/* A worker main: all descriptors. Answer: "writers": dictionary class -> {user, uid, broker, roots, units,
 * environment, error}. */
int judge_descriptors_main(void *arg, WorkerAnswer *answer);

typedef struct Judge {
        const vss_value *metadata;
        const vss_value *descriptor;
} Judge;

/**
 * judge_metadata_main() - a worker main: what of a writer's metadata may be believed
 * @arg: a Judge
 *
 * Answer: "metadata", in which every file set and exclude has "path" without variables, "real" (the
 * directory, resolved as far as it is there), "device" and "volume" (the root of the volume it lies on); with
 * an alternate path also "alternate-real", "alternate-device" and "alternate-volume", and that is where it is
 * read; what is excluded from shadow copies has "uid", with whose rights it is deleted there. Those outside of
 * the roots and of what the user owns have gone to "dropped": {path, reason}. "units" are the descriptor's.
 * -EINVAL with "message" if documents cannot carry its names.
 */
int judge_metadata_main(void *arg, WorkerAnswer *answer);

/* Is this a list of names of units that can be stopped and started, or of patterns of them? */
bool judge_are_units(const vss_value *units);
/* Is it one of the descriptor's? */
bool judge_has_unit(const vss_value *descriptor, const char *unit);

/* Can documents carry what a writer calls itself and its components? Return: 0; 1 with why not, allocated;
 * -ENOMEM. */
int judge_names(const vss_value *metadata, char **ret_why);

/* The number of a user by name. Return: 0 or -ESRCH. May ask the name service: for workers. */
int judge_find_uid(const char *user, int64_t *ret_uid);

/* In a worker: NULL when @path may be believed, of a component of @owner ("" for none), else why not. */
const char *judge_refuse(const Judge *judge, const char *owner, const char *path, const char *filespec);
/* Does what is said of this component name places? */
bool judge_has_places(const vss_value *component);
/* In a worker: of what is said of @components, in an answer of @writer or in a document, takes out the
 * entries that name places which may not be believed, and appends them to @dropped: {writer, logical-path,
 * name, path, reason}. @judge's metadata may be NULL. Return: 0 or a negative errno. */
int judge_said(const Judge *judge, const char *writer, vss_value *components, vss_value *dropped);
