/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Difference areas: the manager's methods QueryDiffAreas, AddDiffArea, ChangeDiffAreaMaximumSize
 */

#include "vssd/manager.h"

int areas_query(Manager *manager, sd_bus_message *m, sd_bus_error *error);
int areas_add(Manager *manager, sd_bus_message *m, sd_bus_error *error);
int areas_change(Manager *manager, sd_bus_message *m, sd_bus_error *error);
