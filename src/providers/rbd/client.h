/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Providers that died while they had an image open
 *
 * For half a minute Ceph believes that they live: whoever writes to the image waits for one that had its
 * lock, and whoever changes it, by a snapshot or by giving the lock away, tells them and waits for their
 * answer. So each connection is recorded by its address, and the next provider has those of processes that
 * are no more refused, and takes their locks away.
 */

#include "providers/rbd/remote.h"

/* Of a connection of this process. It does not matter much if that fails. */
void client_record(rados_t cluster);
/* Called before anything is changed of an image, and when a set of another process is taken back. */
void client_forget_dead(rados_t cluster, rbd_image_t image);
/* Forgets all that are gone for good. */
void client_sweep(void);
