/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vss-hold --release: what the service's start and the unit's ExecStopPost run
 */

/*
 * release_recorded() - end the processes /run/linuxvss/hold names and release what it lists
 * Prints what it released. Return: 0 if nothing stands any more, -EBUSY if something may, or -errno.
 */
int release_recorded(void);
