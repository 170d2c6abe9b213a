/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A private server: on a directory of data, for nobody else to reach
 *
 * Nothing of the cluster's configuration counts but what the data itself demands: no network, no archive, no
 * other servers, no libraries that do something in the background.
 */

#include "writers/postgresql/cluster.h"

typedef struct Engine {
        pid_t pid; /* 0: none */
        char data[PATH_MAX];
        char log[PATH_MAX];
        SqlTarget target;
        char socket_dir[108];
} Engine;

/*
 * engine_start() - start it, and wait until it has recovered the data
 * @scratch:  an empty directory of ours, for its socket, configuration and log
 * @careless: the data is thrown away afterwards, and need not reach the disk
 * @ret_why:  SQL_WHY_SIZE bytes
 * Return: 0 or a negative errno.
 */
int engine_start(const Cluster *cluster, const PgSettings *settings, const char *data, const char *scratch,
                 bool careless, uint64_t deadline_usec, Engine *ret_engine, char *ret_why);
/* As a shutdown is done; killed at the deadline. Return: 0, -ETIMEDOUT. */
int engine_stop(Engine *engine, uint64_t deadline_usec);
