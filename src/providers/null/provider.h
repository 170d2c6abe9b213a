/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The null provider as a table of calls: any file system, no storage; a double for tests and for trying out.
 * A second one plays an array: it makes the same copies, and knows LUNs, import, break and resync, which are
 * recorded beside them, and do nothing to what is stored.
 *
 * Its userdata begins with a NullProvider, so that another provider can be built around it.
 */

#include <linuxvss/provider.h>

typedef struct NullSet NullSet;

typedef struct NullProvider {
        const char *config_path;
        const char *directory; /* where copies are kept, below /run */
        NullSet *set;          /* being made, NULL otherwise */
} NullProvider;

extern const struct vss_provider null_provider, null_hardware_provider;

/* Frees what is in memory; copies stay. */
void null_provider_done(NullProvider *provider);
