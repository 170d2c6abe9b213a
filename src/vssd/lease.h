/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Freeze leases: an agent has everything stand still while somebody else copies the storage
 */

#include "vssd/manager.h"

int lease_freeze(Manager *manager, sd_bus_message *m, sd_bus_error *error);
int lease_thaw(Manager *manager, sd_bus_message *m, sd_bus_error *error);
/* Renew of a freeze lease by its token. Return: false if it is none. */
bool lease_renew(Manager *manager, const char *token, uid_t uid, uint32_t seconds, sd_bus_message *m,
                 sd_bus_error *error, int *ret_r);
/* At the end of the service. */
struct Lease *lease_free(struct Lease *lease);
