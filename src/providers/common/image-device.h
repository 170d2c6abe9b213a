/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Block devices over what a chain serves: a loop device over a file, a device of the kernel's NBD client
 *
 * A loop device is known by the file that it stands on, which is unique while that is mounted; the numbers
 * of loop devices go from hand to hand.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ImageBacking {
        dev_t device;
        ino_t inode;
} ImageBacking;

#define IMAGE_DEVICE_SIZE 32u

/* Functions return 0 or a negative errno. */

/* @length 0: all there is behind @offset. */
int image_loop_attach(const char *path, uint64_t offset, uint64_t length, bool read_only,
                      char ret_device[static IMAGE_DEVICE_SIZE]);
/* The whole of it, with its partitions. */
int image_loop_attach_disk(const char *path, bool read_only, char ret_device[static IMAGE_DEVICE_SIZE]);
/* -ENOENT: there is none on it. */
int image_loop_find(const ImageBacking *backing, char ret_device[static IMAGE_DEVICE_SIZE]);
/* -EBUSY: it is mounted, or open; nothing has been done. */
int image_loop_detach(const char *device);
int image_backing(const char *path, ImageBacking *ret_backing);

/* A device of the kernel's NBD client that nobody uses. -ENOENT: none, or no such thing in this kernel. */
int image_nbd_free(char ret_device[static IMAGE_DEVICE_SIZE]);
/* Does anybody serve it? */
bool image_nbd_is_served(const char *device);
/* -EBUSY: it is mounted. */
int image_device_is_free(const char *device);
int image_device_set_read_only(const char *device, bool read_only);
/* Whoever reads a file from end to end has the next requests under way already. */
int image_device_read_ahead(const char *device);
