/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Clients that died while they had an image open: providers here, and other machines
 *
 * For half a minute Ceph believes that they live: whoever writes to the image waits for one that had its
 * lock, and whoever changes it, by a snapshot or by giving the lock away, tells them and waits for their
 * answer. So each connection is recorded by its address, and the next provider has those of processes that
 * are no more refused, and takes their locks away.
 */

#include "providers/rbd/remote.h"

/* Of a connection of this process. It does not matter much if that fails. */
void client_record(rados_t cluster, char ret_nonce[static CLIENT_NONCE_SIZE]);
/* It has ended. One that was late may have left a lock behind, or somebody who waits for changes. */
void client_record_end(const char *nonce);
/* Called before anything is changed of an image, and when a set of another process is taken back. */
void client_forget_dead(rados_t cluster, rbd_image_t image);
/*
 * client_await_watchers() - until all who have the image open, or a copy of it, answer: each change of it
 * waits for them
 * Return: 0, or -EBUSY and job->why: one of another machine does not. -ETIMEDOUT: nobody does.
 */
int client_await_watchers(LinkJob *job, Pool *pool, rbd_image_t image, const Place *place);
/* Forgets all that are gone for good. */
void client_sweep(void);
