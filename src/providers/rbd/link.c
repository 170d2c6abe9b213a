/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Threads that speak to a cluster, so that nobody waits for one that does not answer
 */

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include "providers/rbd/client.h"
#include "providers/rbd/link.h"
#include "util/clock.h"

struct Link {
        ClusterSettings settings; /* the file may change while the thread waits */
        uint64_t answer_usec;
        Connection *connection;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        LinkJob *job; /* posted, or done */
        bool done, closed, late;
};

static atomic_uint n_late;

unsigned links_late(void) {
        return n_late;
}

static pthread_mutex_t connections_lock = PTHREAD_MUTEX_INITIALIZER;

static Connection *connection_ref(Connection *connection) {
        if (!connection)
                return NULL;
        (void)pthread_mutex_lock(&connections_lock);
        connection->refs++;
        (void)pthread_mutex_unlock(&connections_lock);
        return connection;
}

static Connection *connection_unref(Connection *connection) {
        unsigned left;

        if (!connection)
                return NULL;
        (void)pthread_mutex_lock(&connections_lock);
        left = --connection->refs;
        (void)pthread_mutex_unlock(&connections_lock);
        if (left > 0)
                return NULL;
        rados_shutdown(connection->cluster);
        client_record_end(connection->nonce);
        free(connection);
        return NULL;
}

int job_fail(LinkJob *job, int error, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(job->why, sizeof(job->why), format, args);
        va_end(args);
        return error;
}

/* Whatever the cluster's configuration says: a client that writes a log may write to what is frozen, and one
 * that waits for ever is a thread lost. */
static int set_options(rados_t cluster, uint64_t answer_usec) {
        char seconds[24];
        const struct {
                const char *name, *value;
        } options[] = {
                { "log_file", "" },
                { "log_to_stderr", "false" },
                { "err_to_stderr", "false" },
                { "log_to_syslog", "false" },
                { "admin_socket", "" },
                { "rbd_cache", "false" },
                { "client_mount_timeout", seconds },
                { "rados_mon_op_timeout", seconds },
                { "rados_osd_op_timeout", seconds },
                { "rbd_request_timed_out_seconds", seconds },
        };

        (void)snprintf(seconds, sizeof(seconds), "%" PRIu64, MAX(answer_usec / USEC_PER_SEC, UINT64_C(1)));
        FOREACH_ELEMENT (o, options) {
                int r = rados_conf_set(cluster, o->name, o->value);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int connect_cluster(const ClusterSettings *settings, uint64_t answer_usec, LinkJob *job,
                           Connection **ret_connection) {
        Connection *connection = calloc(1, sizeof(*connection));
        char user[80];
        int r;

        if (!connection)
                return job_fail(job, -ENOMEM, "out of memory");
        *connection = (Connection){ .settings = *settings, .refs = 1 };
        (void)snprintf(user, sizeof(user), "client.%s", settings->user);
        r = rados_create2(&connection->cluster, "ceph", user, 0);
        if (r < 0) {
                free(connection);
                return job_fail(job, r, "no client can be made: %s", strerror(-r));
        }
        r = rados_conf_read_file(connection->cluster, settings->conf);
        if (r < 0)
                (void)job_fail(job, r, "%s cannot be read: %s", settings->conf, strerror(-r));
        else {
                r = set_options(connection->cluster, answer_usec);
                if (r >= 0)
                        r = rados_connect(connection->cluster);
                if (r >= 0)
                        r = rados_cluster_fsid(connection->cluster, connection->fsid,
                                               sizeof(connection->fsid));
                if (r == -ETIMEDOUT)
                        (void)job_fail(job, r, "its monitors do not answer");
                else if (r < 0)
                        (void)job_fail(job, r, "%s cannot connect: %s. Is its keyring there?", user,
                                       strerror(-r));
        }
        if (r < 0) {
                (void)connection_unref(connection);
                return r;
        }
        client_record(connection->cluster, connection->nonce);
        *ret_connection = connection;
        return 0;
}

static void link_end(Link *link) {
        if (link->job)
                link->job->free(link->job);
        if (link->late)
                n_late--;
        (void)connection_unref(link->connection);
        (void)pthread_mutex_destroy(&link->lock);
        (void)pthread_cond_destroy(&link->changed);
        free(link);
}

static void do_job(Link *link, LinkJob *job) {
        int r = 0;

        job->why[0] = 0;
        if (!link->connection)
                r = connect_cluster(&link->settings, link->answer_usec, job, &link->connection);
        job->result = r < 0 ? r : job->run(job, link->connection);
}

static void *work(void *userdata) {
        Link *link = userdata;

        (void)pthread_mutex_lock(&link->lock);
        while (!link->closed) {
                if (!link->job || link->done) {
                        (void)pthread_cond_wait(&link->changed, &link->lock);
                        continue;
                }
                (void)pthread_mutex_unlock(&link->lock);
                do_job(link, link->job);
                (void)pthread_mutex_lock(&link->lock);
                link->done = true;
                (void)pthread_cond_broadcast(&link->changed);
        }
        (void)pthread_mutex_unlock(&link->lock);
        link_end(link);
        return NULL;
}

static int start_thread(Link *link) {
        pthread_attr_t attributes;
        pthread_t thread;
        sigset_t all, old;
        int r;

        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        /* Signals are for the main loop. librados makes its threads from this one. */
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        r = pthread_create(&thread, &attributes, work, link);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        (void)pthread_attr_destroy(&attributes);
        return -r;
}

Link *link_new(const ClusterSettings *settings, uint64_t answer_usec, Connection *shared) {
        Link *link = calloc(1, sizeof(*link));
        pthread_condattr_t attributes;

        if (!link)
                return NULL;
        *link = (Link){ .settings = *settings,
                        .answer_usec = answer_usec,
                        .connection = connection_ref(shared) };
        (void)pthread_mutex_init(&link->lock, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&link->changed, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        if (start_thread(link) < 0) {
                link_end(link);
                return NULL;
        }
        return link;
}

Link *link_free(Link *link) {
        if (!link)
                return NULL;
        (void)pthread_mutex_lock(&link->lock);
        link->closed = true;
        (void)pthread_cond_broadcast(&link->changed);
        (void)pthread_mutex_unlock(&link->lock);
        return NULL;
}

void link_post(Link *link, LinkJob *job) {
        (void)pthread_mutex_lock(&link->lock);
        link->job = job;
        link->done = false;
        (void)pthread_cond_broadcast(&link->changed);
        (void)pthread_mutex_unlock(&link->lock);
}

int link_wait(Link *link, uint64_t deadline_usec, LinkJob **ret_job) {
        struct timespec until = { .tv_sec = (time_t)(deadline_usec / USEC_PER_SEC),
                                  .tv_nsec = (long)(deadline_usec % USEC_PER_SEC) * 1000 };
        int r = 0;

        (void)pthread_mutex_lock(&link->lock);
        while (!link->done && r == 0)
                r = pthread_cond_timedwait(&link->changed, &link->lock, &until);
        r = link->done ? 0 : -ETIMEDOUT;
        if (r == 0) {
                *ret_job = TAKE_PTR(link->job);
                link->done = false;
        } else {
                link->late = true;
                n_late++;
        }
        (void)pthread_mutex_unlock(&link->lock);
        return r;
}

Connection *link_connection(const Link *link) {
        return link ? link->connection : NULL;
}
