/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The Redis writer: its table of events, and what it remembers between them
 */

#include <linuxvss/writer.h>
#include "writers/common/event.h"
#include "writers/redis/holder.h"

/* The one component of each server. */
#define COMPONENT_NAME "data"

typedef struct RedisWriter {
        const Product *product;
        Settings settings;
        InstanceList instances; /* as found for the set under way; nobody needs to look while frozen */
        HolderSet holders;
        char session[VSS_ID_SIZE]; /* whose they are */
        bool frozen;
        char *limited[INSTANCES_MAX]; /* of which Identify has told last that they are crash-consistent only
                                       */
        size_t n_limited;
} RedisWriter;

extern const struct vss_writer redis_writer;

/* restore.c, verify.c */
vss_result redis_pre_restore(vss_writer_call *call);
vss_result redis_post_restore(vss_writer_call *call);
vss_result redis_verify(vss_writer_call *call);
