/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The clusters of rbd.conf
 */

#include <string.h>
#include "providers/rbd/cluster.h"
#include "util/clock.h"

/* The library's own limits end before ours do. */
#define GRACE_USEC (USEC_PER_SEC / 2)

void clusters_done(Clusters *clusters) {
        for (size_t i = 0; i < CLUSTERS_MAX; i++)
                clusters->links[i] = link_free(clusters->links[i]);
}

void cluster_give_up(Clusters *clusters, size_t n) {
        clusters->links[n] = link_free(clusters->links[n]);
}

int cluster_do(Clusters *clusters, size_t n, Request **request, char ret_why[static WHY_SIZE]) {
        uint64_t limit = (*request)->limit_usec;
        LinkJob *job = &TAKE_PTR(*request)->job;
        int r;

        if (!clusters->links[n])
                clusters->links[n] = link_new(&clusters->settings.clusters[n],
                                              clusters->settings.answer_usec, NULL);
        if (!clusters->links[n]) {
                (void)snprintf(ret_why, WHY_SIZE, "out of memory");
                job->free(job);
                return -ENOMEM;
        }
        link_post(clusters->links[n], job);
        r = link_wait(clusters->links[n], now_usec() + limit + GRACE_USEC, &job);
        if (r < 0) {
                cluster_give_up(clusters, n);
                (void)snprintf(ret_why, WHY_SIZE, "it does not answer");
                return r;
        }
        *request = (Request *)job;
        memcpy(ret_why, job->why, WHY_SIZE);
        if (job->result == -ETIMEDOUT || job->result == -ENOTCONN || job->result == -ESHUTDOWN)
                cluster_give_up(clusters, n);
        return job->result;
}

int cluster_connect(Clusters *clusters, size_t n, uint64_t limit_usec, char ret_why[static WHY_SIZE]) {
        _cleanup_(request_freep) Request *request = NULL;

        if (link_connection(clusters->links[n]))
                return 0;
        request = request_new(REQUEST_CONNECT, limit_usec);
        if (!request) {
                (void)snprintf(ret_why, WHY_SIZE, "out of memory");
                return -ENOMEM;
        }
        return cluster_do(clusters, n, &request, ret_why);
}

int cluster_find(Clusters *clusters, const char *fsid, uint64_t limit_usec, size_t *ret_n,
                 char ret_why[static WHY_SIZE]) {
        int failed = -ENOENT;

        (void)snprintf(ret_why, WHY_SIZE, "cluster %.40s is none of those in " RBD_CONF, fsid);
        for (size_t i = 0; i < clusters->settings.n_clusters; i++) {
                char why[WHY_SIZE];
                int r = cluster_connect(clusters, i, limit_usec, why);

                if (r >= 0 && strcmp(link_connection(clusters->links[i])->fsid, fsid) == 0) {
                        *ret_n = i;
                        return 0;
                }
                if (r < 0) {
                        failed = r;
                        (void)snprintf(ret_why, WHY_SIZE, "cluster %s (%.200s): %.200s",
                                       clusters->settings.clusters[i].name,
                                       clusters->settings.clusters[i].conf, why);
                }
        }
        return failed;
}

vss_result cluster_fail(vss_provider_call *call, const Clusters *clusters, size_t n, const char *whom,
                        int error, const char *why) {
        const ClusterSettings *settings = &clusters->settings.clusters[n];
        vss_result code = error == -ENOMEM                       ? VSS_E_OUTOFMEMORY
                          : error == -ENOSPC || error == -EDQUOT ? VSS_E_INSUFFICIENT_STORAGE
                                                                 : VSS_E_UNEXPECTED_PROVIDER_ERROR;

        if (error == -ETIMEDOUT)
                return vss_provider_call_fail(
                        call, code,
                        "%s: cluster %s (%s) did not answer in time%s%s. Look at its health: "
                        "ceph --conf %s -s",
                        whom, settings->name, settings->conf, *why ? ": " : "", why, settings->conf);
        return vss_provider_call_fail(call, code, "%s: cluster %s (%s): %s", whom, settings->name,
                                      settings->conf, why);
}
