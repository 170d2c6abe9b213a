/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the service and the hold say to each other
 *
 * The service starts vss-hold with one end of a SOCK_SEQPACKET pair as descriptor 3 (HOLD_FD). Every message
 * is one HoldRequest or HoldReply. The order is: ADD once per target (its descriptor by SCM_RIGHTS),
 * OPERATION for what a device target does while it is suspended, ARM (answered by READY: memory locked,
 * threads and watcher stand, /run/linuxvss/hold is written), FREEZE (answered by HELD when everything stands
 * still, or by RELEASED with the reason when something could not be stopped: then nothing is held any more),
 * RELEASE or CUT (answered by RELEASED). A RELEASED may come at any time after FREEZE: the limit was
 * reached, or one of the two hold processes died. When the service's end is closed, whatever is held is
 * released at once and the hold ends.
 *
 * Device targets (VSS_HOLD_DEVICE, device-mapper) are suspended by CUT alone, while everything else stands:
 * rank by rank, and when the last one stands each does its operations, in order, and is resumed, which makes
 * its inactive table, if one was loaded, the live one. Everything else is released behind that. If anything
 * fails or is late, the inactive tables are cleared and the devices resumed with their old ones; devices
 * that were quicker run with their new ones then, and the set is void. Without CUT no device is suspended.
 *
 * After RELEASED the hold ends; one process pair serves one hold. RELEASED without a FREEZE before it says
 * that arming failed: cause FAILED, and every target has the errno (EALREADY: another hold stands). A second
 * RELEASED may follow if a hold process dies right after sending the first: the first counts. When the
 * socket ends without a RELEASED, both processes died, and the service has to run `vss-hold --release` at
 * once.
 *
 * RELEASED does not wait longer than half a second for a freeze that has not returned: that target has
 * ETIMEDOUT and released_usec 0, is undone by its own thread when the freeze returns, and /run/linuxvss/hold
 * stands until then.
 *
 * A writer that stops control groups has a hold of its own, `vss-hold --groups`, with this protocol and
 * without any other kind of target (EINVAL). It stands beside the service's, and beside others like it; its
 * file is /run/linuxvss/guard-PID, and when both of its processes died, `vss-hold --release-guards` is what
 * has to be run.
 *
 * Targets with a lower rank are stopped earlier: control groups first, then upper volumes before the lower
 * ones that carry them. Targets of one rank are stopped in parallel; all are released in parallel.
 */

#include <linuxvss/types.h>
#include <stdint.h>

#define HOLD_FD 3
#define HOLD_TARGETS_MAX 128u
#define HOLD_LABEL_SIZE 256u
#define HOLD_OPERATIONS_MAX 8u
#define HOLD_MESSAGE_SIZE 128u

typedef enum HoldCommand {
        HOLD_ADD = 1,
        HOLD_ARM = 2,
        HOLD_FREEZE = 3,
        HOLD_RELEASE = 4,
        HOLD_RENEW = 5, /* while it stands: the limit counts from now on; not answered */
        HOLD_OPERATION = 6,
        HOLD_CUT = 7,
} HoldCommand;

/* What is done while a device target is suspended. */
typedef enum HoldOperationKind {
        HOLD_OP_RESUME = 1,  /* resume another device: its inactive table becomes the live one */
        HOLD_OP_MESSAGE = 2, /* send a message to the target of another device, at sector 0 */
} HoldOperationKind;

typedef struct HoldRequest {
        uint32_t command;
        uint32_t kind; /* ADD: enum vss_hold; the descriptor: a directory of the file system (not O_PATH),
                        or the control group's directory; none for a device */
        uint32_t rank; /* ADD */
        uint32_t operation;  /* OPERATION: HoldOperationKind */
        uint64_t limit_usec; /* ARM: how long the hold may last from FREEZE on; RENEW: from now on; 600 s in
                                all */
        uint64_t device;     /* ADD: st_dev, for the release after a disaster; 0 for control groups; what
                                is suspended, for a device */
        uint64_t operation_device; /* OPERATION: on this device-mapper device */
        uint32_t target;           /* OPERATION: of this target, in the order of ADD */
        uint32_t reserved;
        char message[HOLD_MESSAGE_SIZE]; /* OPERATION: MESSAGE */
        char label[HOLD_LABEL_SIZE];     /* ADD: mount point or control group, for people and for
                                            /run/linuxvss/hold */
} HoldRequest;

typedef enum HoldAnswer {
        HOLD_READY = 1,
        HOLD_HELD = 2,
        HOLD_RELEASED = 3,
} HoldAnswer;

/* Protections the machine refused (READY): told, never fatal. */
enum {
        HOLD_UNPROTECTED_MEMORY = 1 << 0,   /* mlockall */
        HOLD_UNPROTECTED_PRIORITY = 1 << 1, /* SCHED_FIFO */
        HOLD_UNPROTECTED_OOM = 1 << 2,      /* oom_score_adj */
        HOLD_UNPROTECTED_CGROUP = 1 << 3,   /* a control group of its own */
        HOLD_UNPROTECTED_FLUSHER = 1 << 4,  /* PR_SET_IO_FLUSHER */
};

/* Why RELEASED. */
typedef enum HoldCause {
        HOLD_CAUSE_ASKED = 0,   /* RELEASE, or the service went away */
        HOLD_CAUSE_LIMIT = 1,   /* the limit was reached */
        HOLD_CAUSE_FAILED = 2,  /* a target could not be stopped: its error says why */
        HOLD_CAUSE_DIED = 3,    /* the acting process died or stopped; the watcher released */
        HOLD_CAUSE_WATCHER = 4, /* the watcher died or stopped; the acting process released */
} HoldCause;

/* What became of one target, in the order of ADD. */
typedef struct HoldTargetReply {
        int32_t freeze_error;  /* 0, or an errno: EBUSY somebody else froze it, EDEADLK it would freeze us,
                                * ETIMEDOUT it had not come to stand in time, EOPNOTSUPP it cannot be frozen
                                * (a device: there is no device-mapper), ENXIO there is no such device */
        int32_t release_error; /* 0, or an errno: EINVAL somebody else released it under us */
        int32_t cut_error;     /* a device: 0, or the errno of the operation that failed; ECANCELED: it did
                                  not come to its operations, or to their end, since something else failed */
        uint32_t n_done;       /* a device: how many operations were done */
        uint64_t began_usec;   /* a device: CLOCK_MONOTONIC when its suspend was called */
        uint64_t frozen_usec;  /* CLOCK_MONOTONIC when it stood; 0: never */
        uint64_t released_usec;
} HoldTargetReply;

typedef struct HoldReply {
        uint32_t answer;
        uint32_t cause;       /* RELEASED */
        uint32_t unprotected; /* READY */
        uint32_t n_targets;
        uint64_t began_usec; /* CLOCK_MONOTONIC of FREEZE */
        uint64_t ended_usec; /* RELEASED: of the last release */
        /* RELEASED: page faults of the acting process between the first suspend and the last resume */
        uint64_t minor_faults, major_faults;
        HoldTargetReply targets[HOLD_TARGETS_MAX];
} HoldReply;
