/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The acting process: freezes, holds and releases
 */

#include "hold/state.h"

/* Runs until everything is released; @watcher is the watcher's pidfd. Return: the exit status. */
int actor_run(Hold *hold, int watcher);
