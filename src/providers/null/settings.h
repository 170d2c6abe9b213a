/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the null provider makes: read anew for each volume, so that a test can change it while it runs
 *
 *     Hold=none|writers|filesystem|device   what it asks to be held (none)
 *     Copy=bind|files                       the live tree, read-only, which is no copy; or its files (bind)
 *     Instant=yes|no                        tell that the volumes of a set share one instant (no)
 */

#include <linuxvss/types.h>
#include "util/conf.h"

typedef struct NullSettings {
        enum vss_hold hold;
        bool copies_files;
        bool one_instant;
} NullSettings;

/* A file that is missing is an empty one. Return: 0, or a negative errno with @error filled in. */
int null_settings_read(const char *path, ConfError *error, NullSettings *ret_config);
