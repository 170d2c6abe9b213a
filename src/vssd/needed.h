/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Processes that have a part in letting go: nobody may stop the control group of one
 */

#include "vssd/set.h"

/* Asks the bus which process it is; what comes later is as good. */
void needed_start(Manager *manager);
/* The bus' process; 0: not known. */
pid_t needed_bus(const Manager *manager);
/* All of them for this set, as writers get them: the service, the bus, the requester, writers and providers.
 * The caller frees it; NULL without memory. */
vss_value *needed_list(const Set *set);
