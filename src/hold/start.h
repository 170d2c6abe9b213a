/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Arming: this process becomes the watcher, its child the acting process
 */

#include "hold/state.h"

/* With the descriptors of a process that holds nothing yet. */
#define HOLD_EMPTY(hold_socket, name)                                                         \
        {                                                                                     \
                .socket = (hold_socket), .run_dir = -1, .actor_bell = -1, .watcher_bell = -1, \
                .actor_stat = -1, .watcher_stat = -1, .command_fd = -1, .command_go = -1,     \
                .record_name = name                                                           \
        }

/*
 * hold_start() - with all targets known: protect, fork, and watch until everything is released
 * Return: the exit status
 */
int hold_start(Hold *hold, uint64_t limit_usec, int (*actor)(Hold *hold, int watcher));
