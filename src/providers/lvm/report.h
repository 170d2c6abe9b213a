/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Logical volumes, as "lvs --reportformat json" tells of them
 *
 * Names and tags are what somebody has written into a volume group, perhaps on another machine. What does
 * not look as LVM itself would allow it is refused.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "providers/lvm/tags.h"

/* Names of groups and volumes: 127 characters. */
#define LVM_NAME_SIZE 128u
/* UUIDs of groups and volumes without their dashes. */
#define LVM_UUID_SIZE 33u
#define REPORT_VOLUMES_MAX 65536u
/* How names of our logical volumes begin. */
#define COPY_PREFIX "vss_"

/* What is asked for; each on its own line of the table in report.c. */
#define REPORT_FIELDS                                                                                       \
        "lv_name,vg_name,lv_uuid,vg_uuid,lv_tags,segtype,pool_lv,origin,lv_size,thin_id,lv_active,vg_free," \
        "vg_extent_size,vg_shared,vg_exported,vg_partial"

typedef struct LogicalVolume {
        char name[LVM_NAME_SIZE], vg[LVM_NAME_SIZE];
        char uuid[LVM_UUID_SIZE], vg_uuid[LVM_UUID_SIZE];
        char segtype[32];
        char pool[LVM_NAME_SIZE], origin[LVM_NAME_SIZE]; /* "" for none */
        Tags tags;
        uint64_t size;    /* bytes; of a classic snapshot: of its store */
        uint64_t thin_id; /* 0 for none */
        bool active;
        uint64_t vg_free, vg_extent_size;           /* bytes */
        bool vg_shared, vg_exported, vg_incomplete; /* of the group */
} LogicalVolume;

typedef struct Report {
        LogicalVolume *items;
        size_t n;
} Report;

void report_done(Report *report);
#define _cleanup_report_ _cleanup_(report_done)

/* -EBADMSG: not what lvs says. One volume that is not understood is left out. -E2BIG: too many. */
int report_parse(const char *text, size_t size, Report *ret_report);
const LogicalVolume *report_find_uuid(const Report *report, const char *vg_uuid, const char *uuid);
const LogicalVolume *report_find_name(const Report *report, const char *vg, const char *name);

/* Is it a copy, and not what has become of one? A volume that a copy was merged into keeps its tags, but has
 * the name and the UUID of the original; one that was renamed is somebody's own. @ret_info: its identity. */
bool report_is_copy(const LogicalVolume *lv, vss_value **ret_info);

/* A name that LVM would take. */
bool lvm_name_is_valid(const char *name);
/* As device-mapper devices are called: "vg-lv", each '-' of a name doubled. -ENAMETOOLONG. */
int lvm_device_name(const char *vg, const char *name, size_t size, char *ret_name);
/* The same of the device of a pool that its volumes lie on. */
int lvm_pool_device_name(const char *vg, const char *pool, size_t size, char *ret_name);
/* From the UUID of a device-mapper device: that of a logical volume as people see it, and nothing beside
 * it. */
bool lvm_parse_device_uuid(const char *uuid, char ret_vg_uuid[static LVM_UUID_SIZE],
                           char ret_uuid[static LVM_UUID_SIZE]);
