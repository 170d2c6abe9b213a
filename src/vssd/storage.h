/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is done with shadow copies beyond reading them: sets broken off, volumes reverted
 */

#include "vssd/catalog.h"

/* The copies of a hardware provider's set become plain volumes, and nothing is known of them any more.
 * @flags: VSS_BREAKEX_FLAG_*. Result: "volumes", those they are copies of. */
int storage_break(Manager *manager, const char *set, uint32_t flags, CatalogDone done, void *userdata);
/* The volume becomes what a persistent copy is; its newer copies are deleted. Result: "volume", "deleted",
 * "failed". */
int storage_revert(Manager *manager, const char *id, bool force, CatalogDone done, void *userdata);
/* Result: "volume", "in-progress", and if there is one "percent", "snapshot", "provider". */
int storage_revert_status(Manager *manager, const char *volume, CatalogDone done, void *userdata);
