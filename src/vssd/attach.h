/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Devices that a provider has to set up before their volumes can be copied: the manager's methods
 * AttachDevice, DetachDevice, ListAttached
 */

#include "vssd/manager.h"

int attach_device(Manager *manager, sd_bus_message *m, sd_bus_error *error);
int attach_detach(Manager *manager, sd_bus_message *m, sd_bus_error *error);
int attach_list(Manager *manager, sd_bus_message *m, sd_bus_error *error);
