/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A number for a volume, from what its file system says of itself: the same after each boot and mount,
 * whereas numbers of devices come and go
 */

#include <stdint.h>

/* Of the volume that @path lies on. 0 if it cannot be told. */
uint64_t volume_number(const char *path);
