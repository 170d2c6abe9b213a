/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shadow copies and what is left of them, taken away
 *
 * In an order that may end anywhere: a copy whose deletion has begun says so in its header before the first
 * write to the volume passes it, so that no boot takes it for one that is right. Functions return 0 or a
 * negative errno.
 */

#include "providers/dm/volume.h"

/*
 * remove_copy() - the devices and the area of a copy, as far as there are any
 * @suspended: a list of what was suspended for it; may be NULL
 * -ENOENT: there is nothing; -EBUSY: it is mounted or open; -ENOTCONN: its area lies on a volume that is not
 * mounted; -EROFS: its area cannot be removed, but all else is.
 */
int remove_copy(const char *id, vss_value *suspended);
/* A volume without live copies maps its partition again, and nothing else. */
int remove_origin(const Volume *volume, vss_value *suspended);
