/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guardians: one child per application, which runs its commands as its user
 *
 * Above all it lets go: when told to, when the writer has died, when the lease of a freeze is over, and
 * after a Freeze= that failed half way, whatever happens. So it does not die with the writer, but soon after
 * it. The first reply comes unasked, when it has become the application's user; then one for each
 * GuardianOrder.
 */

#include <linuxvss/types.h>
#include "writers/common/child.h"
#include "writers/common/command.h"
#include "writers/dropin/dropin.h"

#define GUARDIAN_PREPARE_SECONDS 900u
#define GUARDIAN_LEASE_SECONDS 60u

enum {
        GUARDIAN_RUN = 1, /* Prepare=, PostSnapshot=, BackupComplete=, PreRestore=, PostRestore=, Verify= */
        GUARDIAN_FREEZE = 2, /* Hold= or Freeze= */
        GUARDIAN_THAW =
                3, /* end of Hold=, or Thaw=; also without a freeze before, when its guardian was lost */
};

typedef struct GuardianOrder {
        uint32_t order;
        uint32_t command;  /* RUN: DropInCommand */
        uint32_t limit_ms; /* RUN, FREEZE */
        uint32_t lease_ms; /* FREEZE: from now on */
} GuardianOrder;

typedef struct GuardianReply {
        int32_t code; /* a vss_result */
        char text[COMMAND_OUTPUT_MAX + 512];
} GuardianReply;

/* What the commands are told in their environment. */
typedef struct GuardianContext {
        const char *session_id, *set_id, *backup_type;
        const char *volumes;  /* parted by ':' */
        const char *restored; /* NULL: not said */
        const char *clones;   /* as the volumes; NULL: there are none */
        const char *scratch;  /* NULL: there is none */
} GuardianContext;

typedef struct GuardianTask {
        const DropIn *dropin;
        const GuardianContext *context;
} GuardianTask;

/* A child_main_fn. */
int guardian_main(int fd, void *task);
