/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The door: every method of the service comes in here
 *
 * It asks who may (root may; others by polkit, and without polkit nobody else), and lets nothing but thawing
 * in while a hold stands open: other calls wait until it is closed.
 */

#include "vssd/manager.h"

#define DOOR_LIST "org.linuxvss.list"
#define DOOR_CREATE "org.linuxvss.create"
#define DOOR_RESTORE "org.linuxvss.restore"
#define DOOR_DELETE "org.linuxvss.delete"
#define DOOR_FREEZE "org.linuxvss.freeze"
#define DOOR_ADMIN "org.linuxvss.admin"

/* What a method does once it is let in. Answers the message itself or sets @error. Return: as sd-bus
 * handlers. */
typedef int (*DoorMethod)(Manager *manager, sd_bus_message *m, sd_bus_error *error);

/* Lets @m in when it may and can; answers it otherwise. @action NULL: whoever reached us may. */
int door_enter(Manager *manager, sd_bus_message *m, const char *action, DoorMethod method,
               sd_bus_error *error);
/* As door_enter(), even while a hold stands open: for what ends it. */
int door_enter_now(Manager *manager, sd_bus_message *m, const char *action, DoorMethod method,
                   sd_bus_error *error);
/* A hold opens or closes. Closing lets in who waited. */
void door_hold(Manager *manager, bool held);
/* The effective user of a message's sender, as the bus knows it. */
int door_sender_uid(sd_bus_message *m, uid_t *ret_uid);
/* Its process; 0: the bus does not know it. */
pid_t door_sender_pid(sd_bus_message *m);
struct Door *door_free(struct Door *door);
int door_new(struct Door **ret_door);
