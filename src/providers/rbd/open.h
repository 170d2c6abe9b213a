/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mounts of copies
 */

#include "providers/rbd/provider.h"

/* One that stands, read-only. @info changes where the copy had to be recovered. */
vss_result open_copy(vss_provider_call *call, size_t cluster, vss_value *info, int *ret_mount_fd);
/* Between PreFinal and PostFinal: writable for all who want it, if it is for one. */
vss_result open_making(vss_provider_call *call, Copy *copy, bool writable, int *ret_mount_fd);
/* Nobody writes to it any more. */
vss_result open_seal(vss_provider_call *call, Copy *copy);
