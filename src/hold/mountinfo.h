/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lines of /proc/self/mountinfo
 *
 * A reader of our own, since the hold locks all of its memory and a library would be locked with it.
 */

#include <stdint.h>
#include <sys/types.h>

/* One mount; the strings point into the line, unescaped. */
typedef struct MountInfo {
        uint64_t id;
        dev_t device;
        const char *root;
        const char *point;
        const char *type;
        const char *source;
} MountInfo;

/* Of "MAJOR:MINOR". Return: 0 or -EBADMSG. */
int device_parse(const char *text, dev_t *ret_device);
/* Return: 0, or -EBADMSG if @line is no mount; @line is changed in any case. */
int mountinfo_parse(char *line, MountInfo *ret_mount);
/* Calls @each for every mount until it does not return 0. Return: what it returned, 0 at the end, or -errno.
 */
int mountinfo_each(int (*each)(const MountInfo *mount, void *data), void *data);
/* The superblock of an open file, as mountinfo numbers it. Return: 0, -ENOENT if its mount is not listed, or
 * -errno. */
int mountinfo_device_of(int fd, uint64_t *ret_device);
/* The id of an open file's mount. */
int mountinfo_id_of(int fd, uint64_t *ret_id);
/* Undoes \ooo in place. */
void octal_unescape(char *text);
