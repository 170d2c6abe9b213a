/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service's end of the hold
 *
 * Starts vss-hold, hands it what is to be held, and turns its answers into events. If it does not answer, it
 * is killed and `vss-hold --release` is run: nothing stays held because nobody answers.
 */

#include "hold/protocol.h"
#include "vssd/manager.h"

typedef struct HoldClient HoldClient;

typedef enum HoldEvent {
        HOLD_EVENT_READY,
        HOLD_EVENT_HELD,
        HOLD_EVENT_RELEASED, /* asked for or not: see the reply's cause */
        HOLD_EVENT_LOST,     /* it died or did not answer; what was held has been released otherwise */
} HoldEvent;

/* @reply: NULL for LOST. */
typedef void (*HoldHandler)(void *userdata, HoldEvent event, const HoldReply *reply);

int hold_client_new(Manager *manager, HoldHandler handler, void *userdata, HoldClient **ret_client);
/* @fd: stays the caller's. */
int hold_client_add(HoldClient *client, enum vss_hold kind, uint32_t rank, int fd, uint64_t device,
                    const char *label);
/*
 * hold_client_operation() - what is done while a device target is suspended, in this order
 * @target: index in the order of hold_client_add()
 * @message: for HOLD_OP_MESSAGE; NULL otherwise
 */
int hold_client_operation(HoldClient *client, uint32_t target, HoldOperationKind operation, uint64_t device,
                          const char *message);
int hold_client_arm(HoldClient *client, uint64_t limit_usec);
int hold_client_freeze(HoldClient *client);
/* While it stands: @limit_usec from now on. */
int hold_client_renew(HoldClient *client, uint64_t limit_usec);
/* Instead of releasing: suspends the device targets, does their operations and releases everything. */
int hold_client_cut(HoldClient *client);
int hold_client_release(HoldClient *client);
/* Closing its end makes the hold let go of everything. */
HoldClient *hold_client_free(HoldClient *client);
/* Release what a service before us left held. Runs on by itself. */
int hold_release_leftovers(Manager *manager);
/* Runs vss-hold --release-guards, in a worker: what writers that died held. Return: 0 or -errno */
int hold_release_guards(Manager *manager);
