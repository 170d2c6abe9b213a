/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vss-hold --release: what the service's start and the unit's ExecStopPost run
 */

#include <stdbool.h>

/*
 * release_recorded() - end the processes /run/linuxvss/hold names and release what it lists
 * @guards: and what guards left
 * Prints what it released. Return: 0 if nothing stands any more, -EBUSY if something may, or -errno.
 */
int release_recorded(bool guards);
/* Only what guards left whose processes have ended or were stopped; one that works is let be. */
int release_guards(void);
