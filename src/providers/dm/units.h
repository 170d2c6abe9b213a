/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * systemd's units for volumes that are attached at each boot: their text
 *
 * linuxvss-attach@NAME.service makes /dev/mapper/NAME as soon as the volume's device is there, and before
 * anything is mounted from it; when it is stopped, everything has been unmounted, and it records that.
 * linuxvss-mounted@NAME.service follows each mount of it in fstab, and records that.
 */

#include <stddef.h>
#include <stdio.h>
#include "providers/dm/attached.h"

#define UNIT_NAME_SIZE 512u
#define UNIT_MOUNTS_MAX 64u

/* As systemd-escape(1) does: of a path ("dev-mapper-srv"), or of a word. -ENAMETOOLONG. */
int unit_escape(const char *text, bool path, char ret_name[static UNIT_NAME_SIZE]);

typedef struct UnitMounts {
        char items[UNIT_MOUNTS_MAX][UNIT_NAME_SIZE]; /* names of mount units */
        size_t n;
} UnitMounts;

/* The mount units that an fstab has for /dev/mapper/NAME. */
int unit_mounts_read(FILE *fstab, const char *name, UnitMounts *ret_mounts);

void unit_print_attach(FILE *file, const Attached *attached, const UnitMounts *mounts);
void unit_print_mounted(FILE *file, const Attached *attached, const UnitMounts *mounts);
/* The device unit of a source, with its suffix. */
int unit_device(const char *source, char ret_name[static UNIT_NAME_SIZE]);
