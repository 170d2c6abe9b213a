/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The PostgreSQL writer: its table of events, and what it remembers between them
 */

#include <linuxvss/writer.h>
#include "writers/common/event.h"
#include "writers/postgresql/hold.h"

typedef struct PgWriter {
        const char *conf_path, *proc, *etc;
        ClusterList list; /* as found for the set under way */
        Hold *holds;      /* of the set under way */
        size_t n_holds;
        char session[VSS_ID_SIZE], set[VSS_ID_SIZE]; /* whose they are */
        bool frozen;
} PgWriter;

extern const struct vss_writer postgresql_writer;

/* The event's own deadline, with time for its answer, but no later than @at_most_usec from now. */
int pg_find(const PgWriter *writer, uint64_t deadline_usec, ClusterList *ret_list);

/* describe.c: Identify. @ask: also the servers. */
vss_result pg_describe(const ClusterList *list, bool ask, uint64_t deadline_usec, vss_metadata *metadata);

/* restore.c */
vss_result pg_pre_restore(vss_writer_call *call);
vss_result pg_post_restore(vss_writer_call *call);

/* verify.c */
vss_result pg_verify(vss_writer_call *call);
