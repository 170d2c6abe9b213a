/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shadow copies that were lost, as long as nobody has taken note of it
 *
 * Storage gives way to the volume: a copy can go without anybody's order. Who made it, and asks for it days
 * later, has to be told why it is not there. This is kept over restarts, and ends when the copy is deleted.
 */

#include "vssd/manager.h"

/* Begins to read what was kept. Return: 0 or a negative errno. */
int losses_start(Manager *manager);
struct Losses *losses_free(struct Losses *losses);
/* @loss: "id", "volume", "provider", "reason". Return: true if it is new. */
bool losses_note(Manager *manager, const char *id, const char *volume, const char *provider,
                 const char *reason);
/* NULL if it is not known to be lost. */
const vss_value *losses_find(const Manager *manager, const char *id);
/* All of them, oldest first: {id, volume, provider, reason, time-usec}. */
const vss_value *losses_list(const Manager *manager);
/* Somebody deletes it: it is known. Return: true if it was lost. */
bool losses_forget(Manager *manager, const char *id);
