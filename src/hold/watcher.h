/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The watcher: releases when the acting process cannot
 */

#include "hold/state.h"

/* Runs until the acting process, our child @actor, has ended and nothing stands. Return: the exit status. */
int watcher_run(Hold *hold, pid_t actor);
