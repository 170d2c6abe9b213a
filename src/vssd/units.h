/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Units of applications, which the service stops and starts for writers in a restore
 *
 * A writer runs as its application's user, who may not do it. It may name units of its descriptor, which is root's, and only
 * while the service waits for its PreRestore or PostRestore: so a hijacked application can stop and start itself.
 */

#include <systemd/sd-bus.h>
#include "vssd/manager.h"

/* StopUnit, StartUnit: answered when systemd has done it. */
int units_control(Manager *manager, sd_bus_message *m, sd_bus_error *error);
/* GetUnitState: anybody may know. */
int units_state(Manager *manager, sd_bus_message *m, sd_bus_error *error);
void units_end(Manager *manager);
