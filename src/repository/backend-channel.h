/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A repository that somebody else serves over a socket (serve.h)
 */

#include "repository/backend.h"

/*
 * @fd:    stays the caller's; of several backends on it one is open at a time
 * @label: what messages call the repository
 */
int backend_channel_open(int fd, const char *label, Why *why, Backend **ret_backend);
