/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which image a mounted volume lies on, and where in it
 *
 * From a block device down: a partition, or a device of device-mapper that maps one piece of another device
 * one to one, is a part of what is below. At the bottom is a device of krbd, which sysfs tells all about,
 * one that rbd-nbd serves, which its command line tells, or one that was attached here, of which there is a
 * record.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "providers/rbd/remote.h"

typedef struct Bottom {
        dev_t device;
        char name[64];           /* the kernel's, "rbd0" */
        uint64_t offset, length; /* of the volume in it, in bytes; length 0: all of it */
} Bottom;

/* @sys: /sys, or what stands for it in a test. -EMEDIUMTYPE: @ret_why says why not. */
int device_find_bottom(const char *sys, dev_t device, Bottom *ret_bottom, const char **ret_why);
/* Of "rbdN". -ENOENT: it is none. -EMEDIUMTYPE: a snapshot, or it cannot be named. */
int device_read_krbd(const char *sys, const char *name, Place *ret_place, const char **ret_why);
/* Of a command line as /proc has it. -ENOENT: that is no rbd-nbd. */
int device_parse_rbd_nbd(const char *line, size_t size, Place *ret_place);
/* Of "nbdN". -ENOENT */
int device_read_rbd_nbd(const char *sys, const char *name, Place *ret_place);
