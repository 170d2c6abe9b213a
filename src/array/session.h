/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an array does for one host, which speaks to it on a pair of descriptors (array-wire.h)
 *
 * Which host it is is said by who starts it: the administrator, or a key of ssh with a forced command. At
 * the end of input sets that are not finished are taken back.
 */

#include "array/settings.h"
#include "array/store.h"

/* Return: an exit status. */
int session_run(const Settings *settings, const Store *store, const char *host, int in_fd, int out_fd);
