/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client of Redis
 */

#include <hiredis/hiredis.h>
#include <stdio.h>
#include "bench/probe.h"

static void *open_server(const char *where) {
        redisContext *connection = redisConnectUnix(where);

        if (connection && !connection->err)
                return connection;
        fprintf(stderr, "%s\n", connection ? connection->errstr : "no memory");
        if (connection)
                redisFree(connection);
        return NULL;
}

static bool commit(void *connection, uint64_t n) {
        redisReply *reply = redisCommand(connection, "INCR probe");
        bool good = reply && reply->type == REDIS_REPLY_INTEGER;

        if (!good)
                fprintf(stderr, "%s\n", reply ? reply->str : ((redisContext *)connection)->errstr);
        if (reply)
                freeReplyObject(reply);
        return good;
}

const ProbeEngine probe_redis = { .name = "redis", .open = open_server, .commit = commit };
