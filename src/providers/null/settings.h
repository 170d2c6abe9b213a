/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the null provider makes: read anew for each volume, so that a test can change it while it runs
 *
 *     Hold=none|writers|filesystem|device   what it asks to be held (none)
 *     Copy=bind|files                       the live tree, read-only, which is no copy; or its files (bind)
 *     Instant=yes|no                        tell that the volumes of a set share one instant (no)
 *     MaximumSnapshots=NUMBER               of one volume; read at the start only (0: no limit of its own)
 *     Lun=NAME                              the LUN that every volume lies on (one for each file system)
 *     Revert=PERCENT                        how far a revert, once begun, is said to have come (100: done)
 *     InUse=yes|no                          volumes are in use, so that a revert must be forced (no)
 *     Check=MILLISECONDS                    how often it wants to look after its copies (0: never again)
 *     Used=BYTES, Low=yes|no                how full it says that it is, and whether it warns of it
 *     Lost=ID, Dropped=ID                   this copy is lost; this one is deleted when it is looked after
 *     Hidden=PATH                           a directory of the copy that nobody is to be shown
 *     BlockDevice=PATH                      told of the copy
 *     Cut=DEVICE OPERATION...               what is handed over for a hold of the device
 *     Gap=FIFO                              read to its end between the files of one volume and those of
 *                                           the next, so that a test can say how long that lasts; ten
 *                                           seconds at most
 *
 * A DEVICE is MAJOR:MINOR, or "here", the one that the volume is on; an OPERATION is resume DEVICE, or
 * message DEVICE TEXT.
 */

#include <linuxvss/types.h>
#include "util/conf.h"

#define NULL_LUN_MAX 64u
#define NULL_CUT_MAX 1024u

typedef struct NullSettings {
        enum vss_hold hold;
        bool copies_files;
        bool one_instant, in_use;
        unsigned long max_snapshots, reverted_percent;
        char lun[NULL_LUN_MAX]; /* "": by file system */
        bool low;
        unsigned long check_millis, used;
        char lost[VSS_ID_SIZE], dropped[VSS_ID_SIZE]; /* "": none */
        char hidden[256], block_device[256];
        char cut[NULL_CUT_MAX]; /* as it is written */
        char gap[256];
} NullSettings;

/* A file that is missing is an empty one. Return: 0, or a negative errno with @error filled in. */
int null_settings_read(const char *path, ConfError *error, NullSettings *ret_config);
