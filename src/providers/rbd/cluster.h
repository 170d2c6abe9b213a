/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The clusters of rbd.conf, each with a link that is used for all but sets, and what goes wrong with them
 */

#include <linuxvss/provider.h>
#include "providers/rbd/device.h"
#include "providers/rbd/request.h"

typedef struct Clusters {
        Settings settings;
        Link *links[CLUSTERS_MAX]; /* NULL: not connected */
} Clusters;

void clusters_done(Clusters *clusters);

/*
 * cluster_do() - have a request answered by cluster @n
 * Return: 0, or a negative errno and @ret_why. @request: taken over, and given back with its results, also
 * on failure; NULL if it was not answered in time (-ETIMEDOUT).
 */
int cluster_do(Clusters *clusters, size_t n, Request **request, char ret_why[static WHY_SIZE]);
int cluster_connect(Clusters *clusters, size_t n, uint64_t limit_usec, char ret_why[static WHY_SIZE]);
/* Its connection is no good. */
void cluster_give_up(Clusters *clusters, size_t n);
/* The one of this id; connects. -ENOENT */
int cluster_find(Clusters *clusters, const char *fsid, uint64_t limit_usec, size_t *ret_n,
                 char ret_why[static WHY_SIZE]);

/* Records why a call fails, and which cluster it was. @whom: a volume or a shadow copy. */
vss_result cluster_fail(vss_provider_call *call, const Clusters *clusters, size_t n, const char *whom,
                        int error, const char *why);
