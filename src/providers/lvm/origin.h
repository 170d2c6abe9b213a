/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which logical volume a volume is, by its device alone: no command is run for it
 */

#include <linuxvss/provider.h>
#include "providers/common/devmap.h"
#include "providers/lvm/report.h"

typedef struct Origin {
        bool thin;
        dev_t device;
        char name[DEVMAP_NAME_SIZE]; /* of the device: "vg-lv" */
        char vg_uuid[LVM_UUID_SIZE], uuid[LVM_UUID_SIZE];
        uint64_t sectors;
        /* Of a thin one: */
        dev_t pool;
        char pool_name[DEVMAP_NAME_SIZE]; /* of its device */
        uint64_t thin_id;
} Origin;

/* Return: 0, a negative errno, or -EMEDIUMTYPE and in @ret_why why no shadow copies can be made of it. */
int origin_look(dev_t device, Origin *ret_origin, const char **ret_why);
/* The table of a device that is one target: its parameters. -EMEDIUMTYPE: it is another. */
int origin_read_target(const char *name, const char *type, bool status, char **ret_parameters);

/* The devices that LVM suspends when it changes the snapshots of a classic volume: it, the inner one, its
 * snapshots and their stores. */
#define STACK_MAX 120u
int origin_list_stack(const char *vg_uuid, const char *uuid, dev_t ret_devices[static STACK_MAX],
                      size_t *ret_n);
/*
 * origin_sweep() - devices of copies that LVM knows nothing of any more
 * A command that died in the middle leaves them. @report: all logical volumes. None that is open is removed.
 */
int origin_sweep(const Report *report);
