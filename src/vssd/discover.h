/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Discovery: who takes part
 *
 * The bus is the registry: whoever owns, or can be started as, org.linuxvss.Writer.* or
 * org.linuxvss.Provider.* is asked who it is. Writers need a descriptor and must run as its user; providers
 * must run as root.
 */

#include "vssd/calls.h"
#include "vssd/failure.h"

typedef struct Discovery {
        Participant **participants;
        size_t n_participants;
        vss_value *rejected;    /* list of {name, reason} */
        vss_value *absent;      /* likewise: writers whose application is not installed */
        vss_value *descriptors; /* of writers, those that do not run, too: dictionary class -> descriptor */
} Discovery;

void discovery_clear(Discovery *discovery);
Participant *discovery_find(const Discovery *discovery, const char *name);

/* @discovery may be emptied by taking its members over. */
typedef void (*DiscoverDone)(void *userdata, const Failure *failure, Discovery *discovery);

typedef struct Discover Discover;

/* Return: 0, or a negative errno; @done is not called then. Ends by itself or by discover_cancel(). */
int discover_start(Manager *manager, bool providers, DiscoverDone done, void *userdata,
                   Discover **ret_discover);
Discover *discover_cancel(Discover *discover);
