/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A server of our own on somebody's files, seen by nobody else: no port, no replication, no dumps unasked
 *
 * For looking whether a copy can be loaded, and for turning a dump into an AOF and back as the product
 * itself does.
 * @why (SERVER_WHY_SIZE) has a sentence after a failure.
 */

#include "writers/common/command.h"
#include "writers/redis/instance.h"
#include "writers/redis/server.h"

typedef struct Engine {
        Command command;
        Server server;
        char socket[REDIS_PATH_SIZE], log[REDIS_PATH_SIZE];
        bool started;
} Engine;

typedef struct EngineOrder {
        const InstanceFacts *facts; /* names of files, and of the program */
        const RedisConf *conf;      /* modules; may be NULL */
        const char *process;        /* the program's name, if the facts have none that is there */
        const char *dir;            /* where the files are */
        const char *scratch;        /* for its socket and its log */
        bool append_only;
} EngineOrder;

/* Until all is loaded. */
int engine_start(Engine *engine, const EngineOrder *order, uint64_t deadline_usec, char *why);
/* Without writing anything. */
void engine_stop(Engine *engine, uint64_t deadline_usec);
/* CONFIG SET appendonly yes, until there is an AOF; or a dump. */
int engine_make_append_file(Engine *engine, uint64_t deadline_usec, char *why);
int engine_make_dump(Engine *engine, uint64_t deadline_usec, char *why);
/* The keys of all databases. */
int64_t engine_count_keys(Engine *engine, uint64_t deadline_usec);

/* Of the text of INFO keyspace. */
int64_t info_count_keys(const char *info);

/* The product's own checkers. Return: 0 if the files are sound (or there are none to check). */
int check_files(const Product *product, const InstanceFacts *facts, const char *dir, uint64_t deadline_usec,
                char *why);
/* Of them what a server that loads them afterwards would not find: it reads the end of an AOF with less care
 * than its checker, and a dump, or the one that an AOF begins with, as well as that. */
int check_tails(const Product *product, const InstanceFacts *facts, const char *dir, uint64_t deadline_usec,
                char *why);
