/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Disks for tests that run as root: loop devices in memory, mounted where nobody else sees them
 *
 * Everything ends with the process, however it ends: the mounts with its mount namespace, the loop device
 * with its last mount, the memory with both.
 */

#include <stdbool.h>
#include <stddef.h>

typedef struct TestDisk {
        int image, loop;
        char device[32];
} TestDisk;

/* A mount namespace of its own with an empty tmpfs at @directory. Return: false and why on standard output.
 */
bool test_disk_begin(const char *directory);
/* A disk of @size bytes; @mkfs is the command's words, the device is added. */
bool test_disk_make(TestDisk *disk, size_t size, const char *const mkfs[]);
void test_disk_done(TestDisk *disk);
/* mkdir and mount. */
bool test_disk_mount(const TestDisk *disk, const char *type, const char *options, const char *directory);

bool test_write(const char *path, const char *text);
/* Is it a file with that text? */
bool test_has(const char *path, const char *text);
