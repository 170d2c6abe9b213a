/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The fault provider as a table of calls: the null provider, with faults on request
 */

#include "providers/null/provider.h"

typedef struct FaultProvider {
        NullProvider null; /* first: it is what the null provider's calls find */
        const char *config_path;
} FaultProvider;

extern const struct vss_provider fault_provider;
