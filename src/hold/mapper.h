/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The few calls of device-mapper that stop and start devices
 *
 * Straight to the kernel, by device number: a library would allocate, and what is called here is called
 * while the file systems that hold this program may stand still. @control is a descriptor of mapper_open(),
 * @device a device number as stat() gives it.
 */

#include <stdbool.h>
#include <stdint.h>

#define MAPPER_NAME_SIZE 128u

typedef struct MapperState {
        bool suspended;
        bool inactive; /* a table is loaded that the next resume makes the live one */
        char name[MAPPER_NAME_SIZE];
} MapperState;

/* Return: a descriptor, -EOPNOTSUPP if the machine has no device-mapper, or -errno. */
int mapper_open(void);
/* Return: 0, -ENXIO if it is no device of device-mapper's, or -errno. */
int mapper_state(int control, uint64_t device, MapperState *ret_state);
/* Waits for what is under way. @freeze: freezes the file system on it first. Return: 0, also if it was
 * suspended already; -EBUSY: somebody else froze the file system; or -errno with nothing suspended. */
int mapper_suspend(int control, uint64_t device, bool freeze);
/* With its inactive table, if there is one. Return: 0, also if it ran already, or -errno. */
int mapper_resume(int control, uint64_t device);
/* Forgets the inactive table. */
int mapper_clear(int control, uint64_t device);
/* To the target at sector 0. @message: at most 127 bytes. */
int mapper_message(int control, uint64_t device, const char *message);
/* Undoes a suspend: forgets the inactive table and resumes with the live one. Return: 0, -EINVAL if it was
 * not suspended (then nothing is forgotten), or -errno. */
int mapper_undo(int control, uint64_t device);
