/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Client-accessible shadow copies make room for newer ones
 *
 * Only once a new one stands do the oldest go, so that nothing is lost when making it fails.
 */

#include "vssd/set.h"

/* How many client-accessible copies of one volume there may be, by the settings and by what its provider
 * keeps. */
uint64_t trim_limit(const Manager *manager, const Participant *provider);
/* @set has been made in a client-accessible context: the oldest copies of its volumes that are too many are
 * deleted. Nobody waits for it; what is deleted, and what cannot be, is told in events and the log. */
void trim_start(Manager *manager, const Set *set);
