/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Events: what happens, for whoever subscribed and for the log
 */

#include "vssd/manager.h"

/* @kind: "set-created", "set-failed", "shadow-copy-deleted", "thawed"; linuxvss-values(7) lists them.
 * @details: a dictionary that the event carries as well; may be NULL. */
void event_send(Manager *manager, const char *kind, const vss_value *details, const char *format, ...)
        _printf_(4, 5);
/* The method Subscribe: events go to its caller, and to nobody else's connection. */
int event_subscribe(Manager *manager, sd_bus_message *m, sd_bus_error *error);
void event_forget_all(Manager *manager);
