/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One at a time: volumes are attached, recorded and detached by one program, looked after by another
 *
 * In the midst of an attach there are copies without their volume, or a volume without its copies; in the
 * midst of a detach as well. Whoever judges copies then takes for lost what is none of it, and writes that
 * down for good. The kernel releases the lock, whatever becomes of its holder.
 */

#include <stdint.h>
#include "util/clock.h"

/* A device that does not answer must not keep a boot from going on, nor the list of what there is. */
#define LOCK_ATTACH_USEC (10 * USEC_PER_SEC)
#define LOCK_LIST_USEC (2 * USEC_PER_SEC)

/* Return: a file descriptor that holds it; -EAGAIN: somebody else does, after @usec still; another negative
 * errno: it cannot be had at all, on a machine where nobody else can have it, either. */
int lock_take(uint64_t usec);
