/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Threads that speak to a cluster, so that nobody waits for one that does not answer
 *
 * librados and librbd wait as long as they like. So each of their calls is made by the thread of a link, one
 * at a time, and whoever wants the answer waits for it until a deadline. A link that is late is given up:
 * its thread, the job and its share of the connection go when the call returns, if it ever does.
 */

#include <rados/librados.h>
#include <stdbool.h>
#include <stdint.h>
#include "providers/rbd/settings.h"

#define WHY_SIZE 512u
#define CLIENT_NONCE_SIZE 24u

typedef struct Connection {
        ClusterSettings settings; /* as they were */
        rados_t cluster;
        unsigned refs;
        char fsid[37];
        char nonce[CLIENT_NONCE_SIZE]; /* by which the cluster tells it from others; or "" */
} Connection;

/* Something to be done; made by the caller, and the thread's while it is posted. */
typedef struct LinkJob {
        /* In the thread. Return: 0, or a negative errno and job->why. */
        int (*run)(struct LinkJob *job, Connection *connection);
        void (*free)(struct LinkJob *job);
        int result;
        char why[WHY_SIZE];
} LinkJob;

typedef struct Link Link;

/* @shared: a connection to use (it gets a reference), or NULL: the first job makes one, within @answer_usec.
 */
Link *link_new(const ClusterSettings *settings, uint64_t answer_usec, Connection *shared);
/* At once: a thread that is busy ends by itself. Return: NULL. */
Link *link_free(Link *link);
DEFINE_CLEANUP(Link *, link_free)

/* One at a time. */
void link_post(Link *link, LinkJob *job);
/*
 * link_wait() - until the job that was posted is done
 * Return: 0: the job is the caller's again, and its result is in it. -ETIMEDOUT: it is gone, and so is the
 * link but for link_free().
 */
int link_wait(Link *link, uint64_t deadline_usec, LinkJob **ret_job);
/* How many that were given up are still at work, in this process. */
unsigned links_late(void);
/* Of a link that has done something. Borrowed; NULL if it could not connect. */
Connection *link_connection(const Link *link);

_printf_(3, 4) int job_fail(LinkJob *job, int error, const char *format, ...);
