/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The system state's writer: its table of events, and what it remembers between them
 */

#include <linuxvss/writer.h>
#include "writers/common/child.h"
#include "writers/common/event.h"
#include "writers/common/unfinished.h"
#include "writers/system/locks.h"
#include "writers/system/parts.h"

/* What it holds, each by a lock of the system's own tools. */
typedef enum Held { HELD_PACKAGES, HELD_ACCOUNTS, HELDS } Held;

typedef struct SystemWriter {
        Parts parts; /* of the set under way */
        bool in_set[PARTS], failed[PARTS];
        Lock locks[HELDS];
        char session[VSS_ID_SIZE]; /* whose they are */
        bool frozen;
        /* A restore, from PreRestore to PostRestore. */
        Lock restore_locks[HELDS];
        char restore_session[VSS_ID_SIZE];
        bool refused[PARTS];
        const char *unfinished_path; /* those that were begun; NULL: they are not noted */
} SystemWriter;

#define SYSTEM_WRITER_INIT .locks = { LOCK_NULL, LOCK_NULL }, .restore_locks = { LOCK_NULL, LOCK_NULL }

extern const struct vss_writer system_writer;

/* The event's own deadline, with time for its answer, but no later than @at_most_usec from now. */
/* Opens the lock of a part. Return: 0 (also if there is none here) or -errno. */
int system_open_lock(const Parts *parts, Held held, Lock *lock);
/* Which part is held by it. */
Part system_held_part(Held held);
/* "by process 17 (apt)", or "" */
void system_describe_holder(const LockHolder *holder, char *text, size_t size);

/* restore.c, verify.c */
vss_result system_pre_restore(vss_writer_call *call);
vss_result system_post_restore(vss_writer_call *call);
void system_end_restore(SystemWriter *writer, const char *session);
vss_result system_verify(vss_writer_call *call);
/* What is known of this machine, as text of a few lines "KEY=VALUE". */
void system_identity(char *text, size_t size);
