/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settings of an array: array.conf
 */

#include "util/conf.h"

#define ARRAY_CONF "/etc/linuxvss/array.conf"
#define ARRAY_TEXT_MAX 256u

typedef struct Settings {
        char store[ARRAY_TEXT_MAX];
        char run[ARRAY_TEXT_MAX / 4]; /* sockets lie below it; their paths are short */
        char listen[ARRAY_TEXT_MAX];  /* "unix", or an address */
        unsigned port;                /* the first host's; each has two */
        bool tls;
        unsigned reserve; /* percent */
} Settings;

/* The defaults where there is no file. 0 or a negative errno; @error is filled in. */
int settings_read(const char *path, ConfError *error, Settings *ret_settings);
