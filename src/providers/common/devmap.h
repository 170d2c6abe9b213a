/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Device-mapper devices of ours: made, looked at and removed by libdevmapper
 *
 * For all that stops nobody. What suspends a device in use is the hold's and the guards' alone (guard.h), so
 * there is no suspend in here.
 *
 * Where udev runs, it makes the nodes, and a call returns when it has; where there is none, the library
 * makes them. Functions return 0 or a negative errno: -ENXIO for a device that is not there, -EOPNOTSUPP
 * where the kernel has no device-mapper.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/macro.h"

/* As in device-mapper itself, with the end of the text. */
#define DEVMAP_NAME_SIZE 128u
#define DEVMAP_UUID_SIZE 129u
/* "/dev/mapper/NAME" */
#define DEVMAP_PATH_SIZE (DEVMAP_NAME_SIZE + 16u)
/* Devices that are listed at most, segments of one table. */
#define DEVMAP_LIST_MAX 8192u
#define DEVMAP_TARGETS_MAX (1u << 20)

#define DEVMAP_SECTOR 512u

typedef struct DevmapTarget {
        uint64_t start, length; /* in sectors */
        const char *type;
        const char *parameters;
} DevmapTarget;

typedef struct DevmapInfo {
        char name[DEVMAP_NAME_SIZE];
        char uuid[DEVMAP_UUID_SIZE];
        dev_t device;
        bool suspended;
        bool live;     /* it has a live table */
        bool inactive; /* a table is loaded and waits for resume */
        bool read_only;
        unsigned open_count;
} DevmapInfo;

enum {
        DEVMAP_READ_ONLY = 1 << 0,
        /* Nothing on the machine looks into it: no blkid, no links by label. */
        DEVMAP_HIDDEN = 1 << 1,
};

/* Makes a device and its node. Without targets it has no table, and takes no I/O until it is loaded and
 * resumed. -EEXIST: there is one of the name, or of the UUID. -EBUSY: what its table names is in use. */
int devmap_create(const char *name, const char *uuid, unsigned flags, const DevmapTarget *targets,
                  size_t n_targets);
/* An inactive table. */
int devmap_load(const char *name, unsigned flags, const DevmapTarget *targets, size_t n_targets);
int devmap_clear(const char *name);
/* Of a device that nobody uses, or that has no live table yet. */
int devmap_resume(const char *name, unsigned flags);
/* The node of one that was resumed by somebody else. */
int devmap_make_node(const char *name);
/* -EBUSY: somebody has it open. */
int devmap_remove(const char *name);
/* By the kernel, as soon as nobody has it open any more. */
int devmap_remove_later(const char *name);
int devmap_message(const char *name, uint64_t sector, const char *message);

int devmap_info(const char *name, DevmapInfo *ret_info);
int devmap_info_device(dev_t device, DevmapInfo *ret_info);
int devmap_info_uuid(const char *uuid, DevmapInfo *ret_info);
/* "START LENGTH TYPE PARAMETERS", a line for each target; devices are MAJOR:MINOR. Empty: no live table. */
int devmap_table(const char *name, char **ret_text);
int devmap_status(const char *name, char **ret_text);

/* Does this machine have device-mapper? */
bool devmap_is_there(void);
void devmap_path(const char *name, char ret_path[static DEVMAP_PATH_SIZE]);

/* Every device whose UUID begins with @prefix, in no order. */
typedef struct DevmapList {
        DevmapInfo *items;
        size_t n;
} DevmapList;

int devmap_list(const char *prefix, DevmapList *ret_list);
void devmap_list_done(DevmapList *list);

#define _cleanup_devmap_list_ _cleanup_(devmap_list_done)

/* One line of devmap_table() or devmap_status(); texts point into a copy that the caller frees. */
typedef struct DevmapLine {
        uint64_t start, length;
        char type[32];
        char *parameters;
} DevmapLine;

/* The line at *@text, which is moved behind it. Return: 1, 0 at the end, -EBADMSG, -ENOMEM. */
int devmap_next_line(const char **text, DevmapLine *ret_line);
void devmap_line_done(DevmapLine *line);

#define _cleanup_devmap_line_ _cleanup_(devmap_line_done)

/* The text is one line that says just this? @device stands at the parameters' beginning or behind the first
 * blank. */
bool devmap_table_is(const char *text, uint64_t length, const char *type, const char *parameters);

/* The state of a snapshot, from devmap_status(). */
typedef struct DevmapSnapshot {
        uint64_t used, total, metadata; /* in sectors */
        bool invalid;                   /* it is lost: full, or its store has failed */
        bool overflow;
} DevmapSnapshot;

/* @parameters: of the status of a target "snapshot". -EBADMSG. */
int devmap_parse_snapshot(const char *parameters, DevmapSnapshot *ret_snapshot);
