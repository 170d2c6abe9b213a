/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The parts of the system state: which there are on this machine, and where
 */

#include <stdbool.h>
#include <stddef.h>

#define PART_SETS_MAX 24u
#define PART_PATH_SIZE 256u
#define LAYOUT_DIRECTORY "/var/lib/linuxvss/system-state"

typedef enum Part {
        PART_CONFIGURATION,
        PART_ACCOUNTS,
        PART_PACKAGES,
        PART_CRONTABS,
        PART_BOOT,
        PART_FIRMWARE,
        PART_LAYOUT,
        PART_JOURNAL,
        PARTS
} Part;

typedef enum PackageSystem { PACKAGES_NONE, PACKAGES_DPKG, PACKAGES_RPM } PackageSystem;

typedef struct PartSet {
        char path[PART_PATH_SIZE];
        char filespec[64];
        bool recursive;
} PartSet;

typedef struct PartFiles {
        PartSet sets[PART_SETS_MAX];
        size_t n; /* 0: there is no such part here */
} PartFiles;

typedef struct Parts {
        PartFiles parts[PARTS];
        PackageSystem packages;
        char database[PART_PATH_SIZE]; /* the directory of the package system's */
} Parts;

typedef struct PartInfo {
        const char *name, *caption;
        bool state; /* of the system state in the strict sense: without it the machine does not start as it
                       was */
} PartInfo;

extern const PartInfo part_infos[PARTS];

/* @root: before all paths, "" for this machine's. */
void parts_find(const char *root, Parts *ret_parts);
