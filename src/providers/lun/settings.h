/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settings of the lun provider: lun.conf, with a section for each array
 */

#include "providers/common/array-wire.h"
#include "util/conf.h"

#define LUN_CONF "/etc/linuxvss/lun.conf"
#define LUN_ARRAYS_MAX 16u

typedef struct ArraySettings {
        char name[ARRAY_NAME_MAX + 1];
        char **session; /* what speaks for the array: the words of a command */
        char *psk;      /* a file with this host's key, or NULL: no TLS */
} ArraySettings;

typedef struct LunSettings {
        size_t n;
        ArraySettings arrays[LUN_ARRAYS_MAX];
        uint64_t commit_usec; /* how long the array may take for the instant */
        uint64_t call_usec;   /* and for everything else */
} LunSettings;

/* 0 or a negative errno; @error is filled in. Without a file there are no arrays. */
int lun_settings_read(const char *path, ConfError *error, LunSettings *ret_settings);
void lun_settings_done(LunSettings *settings);
