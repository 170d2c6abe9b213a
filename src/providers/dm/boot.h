/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Attaching a volume before it is mounted, with the persistent shadow copies it has
 *
 * A persistent copy's store knows what the volume was, as long as nobody has written to the volume past its
 * device. So at each attach, before anything is mounted: the file system is looked into through a read-only
 * device, without replaying its journal; of each area the extents must be those that were recorded, and its
 * token (token.h) must fit. Such copies stand again before the volume does. All others are lost: that is
 * written into their headers at once, with the reason, and when the volume has been mounted their areas
 * shrink to that. The provider tells who asks.
 *
 * Each step may be the last: what runs next begins anew, and finds what there is. Nothing here stops
 * anybody.
 */

#include "providers/dm/device.h"
#include "providers/dm/volume.h"
#include "util/value.h"

/* What has become of a copy. */
typedef struct BootNote {
        char id[VSS_ID_SIZE];
        char reason[256]; /* "": it stands again */
} BootNote;

#define BOOT_NOTES_MAX 1024u

typedef struct BootReport {
        BootNote notes[BOOT_NOTES_MAX];
        size_t n;
        char message[512]; /* what has failed, and what to do */
} BootReport;

/*
 * boot_attach() - makes /dev/mapper/@name of a device that nobody uses
 * Return: 0, also if it was attached already; -EBUSY: the device is in use; other negative errnos.
 */
int boot_attach(const Device *device, const char *name, BootReport *report);
/* Devices of copies of a volume that is there no more: nothing is lost by it, until the volume is mounted
 * otherwise. */
int boot_remove_copies(const Device *device, BootReport *report);
/*
 * boot_record() - records how an attached volume is: mounted from its device, or unmounted and clean
 * To be called when it has been mounted or unmounted, and whenever it may have been: its copies are void if
 * the power fails before. Of a mounted one, areas of lost copies shrink to their headers, and those of
 * copies that were not to outlive their boot go.
 */
int boot_record(const Volume *volume, BootReport *report);
/* The same for the tokens of copies that stand alone, and only if something has changed: cheap enough to be
 * done again and again. */
int boot_refresh(const Volume *volume);
/* The same, for who knows its copies. */
int boot_refresh_copies(const Volume *volume, const vss_value *ids);
/* Records that, and removes the devices of the volume and of its copies. -EBUSY: it is mounted. */
int boot_detach(const Volume *volume, BootReport *report);
