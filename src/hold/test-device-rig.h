/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Volumes on device-mapper devices for the hold's tests, and snapshots of them
 *
 * A volume is a file system on a linear device over a loop device. A copy is a dm-snapshot of the loop
 * device with a store that lives as long as the machine, made here: everything slow is done before the
 * cut.
 */

#include "hold/test-hold-rig.h"

#define COPIES_MAX 16u

typedef struct Copy {
        Volume *volume;
        Volume store; /* only a loop device */
        char name[48], point[PATH_MAX];
        dev_t device;
} Copy;

/* Through HELD to CUT. @sync: what is dirty is written out first, as the service does. Return: was it sent?
 */
bool cut_send(Session *session, uint64_t limit, bool sync);

/* Return: 0, or -errno with what is missing in *@ret_reason */
int devices_begin(const char *program, const char **ret_reason);
void devices_end(void);
/* The volume VOLUME_DEVICES + @i, with its image in @dir. Return: NULL with the reason printed. */
Volume *device_make(unsigned i, const char *dir, off_t size, const char *type);
/* What dmsetup would do. Return: 0, or -errno with it printed. */
int dm_create(const char *name, const char *table);
int dm_load(const char *name, const char *table, bool readonly);
int dm_suspend(const char *name, bool freeze);
int dm_resume(const char *name);
int dm_clear(const char *name);
int dm_remove(const char *name);
/* Puts it, as it is, on a disk whose every write takes @msec; and back. */
int device_slow(const Volume *volume, unsigned msec);
int device_fast(const Volume *volume);
/* A table that maps the same again, waiting to be resumed. */
int device_load_same(const Volume *volume);
bool device_suspended(const Volume *volume);
bool device_has_inactive(const Volume *volume);
/* Of any device-mapper device. Return: 0 or -errno. */
int device_number(const char *name, dev_t *ret_device);

/* Snapshot and origin are loaded, and go live by the cut. */
int copy_prepare(Copy *copy, Volume *volume, unsigned i);
/* Behind the cut: mounted for reading at copy->point. */
int copy_open(Copy *copy);
/* Also if the cut never was. */
void copy_drop(Copy *copy);
/* ADD of its volume, OPERATION of its snapshot. */
void session_add_copy(Session *session, const Copy *copy, uint32_t target, uint32_t rank);
