/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The drop-in writer: its table of events, and what it remembers between Freeze and Thaw
 */

#include <linuxvss/writer.h>
#include "writers/dropin/guardian.h"

typedef struct Application {
        const DropIn *dropin;
        Child guardian;
        bool in_set;          /* it takes part, and has not failed */
        bool frozen;          /* Freeze was ordered; cleared when it has thawed */
        GuardianReply reply;  /* the last one; code VSS_S_FALSE while it is awaited */
        const char *restored; /* PostRestore: what has come back; else NULL */
        char scratch[128];    /* Verify: its directory; else "" */
} Application;

typedef enum ApplicationsUse { APPLICATIONS_BACKUP, APPLICATIONS_RESTORE } ApplicationsUse;

typedef struct DropInWriter {
        const char *const *directories;
        size_t n_directories;
        ApplicationsUse use;
        DropInSet files; /* of the set under way */
        Application applications[DROPIN_FILES_MAX];
        char *session_id, *set_id, *volumes;
        GuardianContext context;
        bool frozen;
} DropInWriter;

extern const struct vss_writer dropin_writer;

/* restore.c */
vss_result dropin_pre_restore(vss_writer_call *call);
vss_result dropin_post_restore(vss_writer_call *call);

/* verify.c */
vss_result dropin_verify(vss_writer_call *call);

/* judge.c: mark the file sets that lie outside of what their file may name, and warn of them */
int dropin_judge(DropInSet *set, uint64_t deadline_usec);
