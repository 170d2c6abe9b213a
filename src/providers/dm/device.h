/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Block devices as they are on the machine, and what lies on them
 *
 * Functions return 0 or a negative errno.
 */

#include <linuxvss/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/macro.h"

#define DEVICE_PATH_SIZE 272u
#define DEVICE_NUMBER_SIZE 24u
#define DEVICE_LABEL_SIZE 64u

typedef struct Device {
        dev_t number;
        char path[DEVICE_PATH_SIZE]; /* its node under the name that people know */
        uint64_t sectors;
} Device;

/* What libblkid finds on it. */
typedef struct DeviceContent {
        char type[32]; /* "ext4", "swap", "LVM2_member", ...; "" if nothing is known of it */
        char uuid[VSS_ID_SIZE];
        char label[DEVICE_LABEL_SIZE];
        bool partition_table;
} DeviceContent;

/* A path, "UUID=..." or "LABEL=...". -ENOTBLK: no block device. */
int device_open(const char *name, Device *ret_device);
int device_from_number(dev_t number, Device *ret_device);
/* "MAJOR:MINOR", as device-mapper's tables name it. */
void device_number_text(dev_t number, char ret_text[static DEVICE_NUMBER_SIZE]);
int device_parse_number(const char *text, dev_t *ret_number);

int device_content(const char *path, DeviceContent *ret_content);
/* Has the kernel made partitions of it? */
bool device_has_partitions(dev_t number);
/* The device that is made of this one, by its kernel name ("dm-3", "md0"); -ENOENT: none is. */
int device_holder(dev_t number, char *ret_name, size_t size);
/* Is it swapped to? */
bool device_is_swap(dev_t number);

/* Blocks of it, past all caches; offset and size are multiples of 512. */
int device_read(const char *path, uint64_t offset, void *buffer, size_t size);
int device_write(const char *path, uint64_t offset, const void *buffer, size_t size);
/* For programs; what the file system has mounted is not asked. */
int device_set_read_only(const char *path, bool read_only);
