/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Providers that died with an image's lock
 *
 * Whoever writes to the image waits for half a minute until Ceph believes that they are gone. So each
 * connection is recorded by its address, and the next provider takes locks away from those of processes that
 * are no more.
 */

#include "providers/rbd/remote.h"

/* Of a connection of this process. It does not matter much if that fails. */
void client_record(rados_t cluster);
/* Called when a set of another process is taken back. */
void client_break_locks(rbd_image_t image);
/* Forgets all that are gone for good. */
void client_sweep(void);
