/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Threads that do what one thread finds
 */

#include "util/macro.h"

typedef struct Pool Pool;
typedef void (*PoolWork)(void *userdata, void *item);

/* @threads 0: one for each processor. 0 or a negative errno. */
int pool_new(unsigned threads, PoolWork work, void *userdata, Pool **ret_pool);
/* Waits until somebody can take it soon; so few items wait, and memory is bounded. */
void pool_put(Pool *pool, void *item);
/* Until everything that was put is done. */
void pool_wait(Pool *pool);
/* Waits, too. */
Pool *pool_free(Pool *pool);
DEFINE_CLEANUP(Pool *, pool_free)

unsigned pool_processors(void);
