/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Volumes that are attached at each boot: /etc/linuxvss/attached.d/NAME.conf
 *
 *     Device=UUID=0a1b...      of the file system; or the path of a block device
 *     Name=NAME                may be left out, and must be that of the file
 *
 * NAME is the volume's device, /dev/mapper/NAME. `vss attach` writes these files; an administrator may, too.
 *
 * Functions return 0 or a negative errno; what is wrong with a file is in @error.
 */

#include <stddef.h>
#include "providers/common/devmap.h"
#include "util/conf.h"

#define ATTACHED_MAX 256u
#define ATTACHED_NAME_SIZE 65u
#define ATTACHED_SOURCE_SIZE 256u
#define ATTACHED_DIR LINUXVSS_CONFDIR "/attached.d"

typedef struct Attached {
        char name[ATTACHED_NAME_SIZE];
        char source[ATTACHED_SOURCE_SIZE]; /* "UUID=..." or a path */
} Attached;

/* Letters, digits, "_", "-", "+" and "."; no "." or "-" first. */
bool attached_name_is_valid(const char *name);
bool attached_source_is_valid(const char *source);

int attached_read(const char *name, ConfError *error, Attached *ret_attached);
/* Replaces the file, down to the disk. */
int attached_write(const Attached *attached);
/* -ENOENT: there is none. */
int attached_remove(const char *name);

typedef struct AttachedList {
        Attached items[ATTACHED_MAX];
        size_t n;
} AttachedList;

/* All of them, by name; what cannot be read is named on standard error and left out. */
int attached_list(AttachedList *ret_list);

/*
 * attached_find() - the block device of a source
 * Devices of ours are none: a volume's device and its copies bear the same UUID.
 * @ret_path: may be that of another node than the one named
 * -ENOENT: none; -ENOTUNIQ: more than one device bears the UUID, and neither lies on the other.
 */
int attached_find(const char *source, char ret_path[static DEVMAP_PATH_SIZE]);
