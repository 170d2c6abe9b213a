/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sets that are to be taken back, and could not be yet
 *
 * A file below /run/linuxvss/rbd for each, so that the next provider goes on. What a cluster was asked for
 * it may still do when it is back, after the set has been looked for: so what is doubtful is looked for
 * twice, some seconds apart, and its identities stay until the second time. (After a boot the service clears
 * what has not been finished.)
 */

#include "providers/rbd/cluster.h"

/* Takes @set back, now or later. @doubtful: there may still come something. */
void pending_abort(Clusters *clusters, const char *host, const char *set, bool doubtful);
bool pending_has(const char *set);
/* Return: when to come again, in microseconds from now; 0: nothing is left. */
uint64_t pending_work(Clusters *clusters, const char *host);
