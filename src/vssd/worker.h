/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Workers: short-lived children for whatever can block
 *
 * The service's one thread never waits for a file system, the name service or a parser. It forks a worker,
 * which sees all its memory as it was, does one thing, and answers with a value and descriptors. A worker
 * that is late is killed and its caller told; one that cannot be killed (it sleeps in the kernel) is left
 * behind and reaped when it ends.
 */

#include <stdint.h>
#include "util/value.h"

struct Manager;
typedef struct Worker Worker;

/* As many as one message carries. */
enum { WORKER_FDS_MAX = 32 };

typedef struct WorkerAnswer {
        vss_value *value; /* a dictionary, to be filled in */
        int fds[WORKER_FDS_MAX];
        size_t n_fds;
} WorkerAnswer;

/* Runs in the child. Return: 0 or a negative errno; "message" in the value explains it. */
typedef int (*WorkerMain)(void *arg, WorkerAnswer *answer);
/* Runs in the service. @error: what the child returned, -ETIMEDOUT, or -EPIPE if it died. Descriptors that
 * are not taken (set to -1) are closed afterwards. */
typedef void (*WorkerDone)(void *userdata, int error, WorkerAnswer *answer);

/**
 * worker_start() - fork a worker
 * @limit_usec: how long it may take
 * @ret_worker: for worker_cancel(), until @done is called; may be NULL
 *
 * Return: 0, or a negative errno; @done is not called then.
 */
int worker_start(struct Manager *manager, WorkerMain run, void *arg, uint64_t limit_usec, WorkerDone done,
                 void *userdata, Worker **ret_worker);
/* Kills it; @done is not called. */
void worker_cancel(Worker *worker);
