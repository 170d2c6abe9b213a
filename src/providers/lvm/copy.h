/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One shadow copy, as a logical volume: its device, its content, its end
 *
 * Functions return 0 or a negative errno; -EREMOTEIO: a command of LVM failed, "error" of Lvm has what it
 * said.
 */

#include "providers/common/devmap.h"
#include "providers/lvm/command.h"

/* Copies whose content is given up: why is in the tag. */
#define COPY_LOST_SIZE 200u

bool copy_is_thin(const LogicalVolume *lv);
bool copy_is_created(const LogicalVolume *lv);
/* Is its content there? @ret_why: why not. */
bool copy_is_lost(const LogicalVolume *lv, char ret_why[static COPY_LOST_SIZE]);
int copy_device_name(const LogicalVolume *lv, char ret_name[static DEVMAP_NAME_SIZE]);

/* Its device is there: thin ones are not, after a start of the machine. */
int copy_activate(Lvm *lvm, const LogicalVolume *lv);
/* Nothing may write to it, or whoever opens it. Nobody must have it open for writing. */
int copy_set_read_only(const char *device_name, bool thin, bool read_only);
/* The live table of a device that nobody needs just now is replaced by another of one target. */
int copy_swap_table(const char *device_name, const char *type, const char *parameters);

/* Tags that go, and tags that come, at once. Suspends nothing. */
int copy_change_tags(Lvm *lvm, const LogicalVolume *lv, const Tags *away, const Tags *add);
/* A command that changes the snapshots of a classic volume. */
int copy_run_guarded(Lvm *lvm, const Arguments *arguments, const char *vg_uuid, const char *origin_uuid,
                     const char *why, vss_value *suspended);
/* Removes it, whatever there is of it. -EBUSY: it is in use. */
int copy_remove(Lvm *lvm, const LogicalVolume *lv, vss_value *suspended);
/* The space of a thin copy that is in use is given back; what reads from it gets errors. */
int copy_give_up(Lvm *lvm, const LogicalVolume *lv, const char *why);
