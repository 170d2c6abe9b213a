/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Importing the shadow copies of a set, one after the other
 *
 * Two machines may begin at once, with the same document. Whoever gets the first copy has the set: for a
 * machine that finds that one taken, the others fail, too, so that never each gets a part.
 */

#include <linuxvss/provider.h>
#include "util/value.h"

#define IMPORT_WHY_SIZE 1000u

/* Return: 0, or a negative errno and a sentence in @ret_why. -EEXIST: another machine has it. */
typedef int (*ImportOne)(void *userdata, const vss_value *snapshot, char ret_why[static IMPORT_WHY_SIZE]);

/* @set, @result: as vss_provider_ops.import_snapshots has them. */
vss_result import_each(const vss_value *set, vss_value *result, ImportOne import_one, void *userdata);
