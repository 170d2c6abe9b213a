/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * AddToSnapshotSet: from a path to a volume, to the provider that takes it, to a prepared shadow copy
 */

#include "vssd/failure.h"
#include "vssd/manager.h"

typedef struct AddWork AddWork;
/* @result: "snapshot", "volume", "provider". */
typedef void (*AddDone)(void *userdata, const Failure *failure, vss_value *result);

int add_start(Session *session, const char *path, const char *provider, AddDone done, void *userdata,
              AddWork **ret_add);
AddWork *add_cancel(AddWork *add);
/* Was the provider told? Then its answer is to be waited for, or the set to be aborted. */
bool add_has_begun(const AddWork *add);
