/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The acting process: freezes, holds and releases
 */

#include "hold/state.h"

/* Runs until everything is released; @watcher is the watcher's pidfd. Return: the exit status. */
int actor_run(Hold *hold, int watcher);
/*
 * actor_arm() - an acting process' first steps: locked in memory, a thread for each target that runs @run,
 * the watcher ready
 * @ret_signals: a descriptor that tells of requests to end
 * Return: 0 or -errno; then every target is settled, since nothing was touched.
 */
int actor_arm(Hold *hold, void *(*run)(void *), int *ret_signals);
/* Its last steps: the watcher ends with us. @watcher: its pidfd, or -1 if it is dead. */
void actor_part(Hold *hold, int watcher);
