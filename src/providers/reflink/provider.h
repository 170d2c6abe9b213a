/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The reflink provider as a table of calls; its userdata is a ReflinkProvider
 */

#include "providers/reflink/set.h"

typedef struct ReflinkProvider {
        const char *settings; /* path of its settings, read for each set */
        Set *set;             /* being made, NULL otherwise */
} ReflinkProvider;

extern const struct vss_provider reflink_provider;
