/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mounts on their way from one device to another
 *
 * Functions return 0 or a negative errno.
 */

#include "util/value.h"

typedef struct Remount {
        vss_value *mounts;        /* as mounts_list() gives them */
        const vss_value *culprit; /* the mount that failed; NULL: none */
} Remount;

void remount_done(Remount *remount);
#define _cleanup_remount_ _cleanup_(remount_done)

/* Unmounts all of @mounts (taken over) from @from, and remembers it, over a crash, too. When it fails
 * everything is mounted again. */
int remount_begin(Remount *remount, vss_value *mounts, const char *from, const char *to);
/* Mounts everything from @source, and forgets it. */
int remount_end(Remount *remount, const char *source);
/* Is something unmounted, by one that is alive or by one that has crashed? */
bool remount_is_recorded(void);
/* After a crash: what was unmounted is mounted, from where it can be. Return: 1 if there was something. */
int remount_recover(void);
