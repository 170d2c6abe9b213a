/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Commands of LVM
 *
 * LVM has no library any more, so that its own program is run, with its arguments and no shell. What lies in
 * a volume group is LVM's alone to change; no command runs while a device of a set is suspended.
 *
 * Functions return 0 or a negative errno; -EREMOTEIO: the command failed, and "error" has what it said.
 */

#include <limits.h>
#include <sys/types.h>
#include "providers/lvm/report.h"

#define LVM_ERROR_SIZE 512u
#define LVM_ARGUMENTS_MAX 256u

typedef struct Lvm {
        bool ready;
        bool udev;                        /* the machine has it */
        bool holds_locks;                 /* by lvm_lock() */
        char locking_dir[PATH_MAX - 256]; /* "" until it is known */
        char error[LVM_ERROR_SIZE];
} Lvm;

/* A list of arguments. */
typedef struct Arguments {
        char *items[LVM_ARGUMENTS_MAX];
        size_t n;
        bool failed; /* no memory, or too many */
} Arguments;

void arguments_add(Arguments *arguments, const char *format, ...) _printf_(2, 3);
void arguments_done(Arguments *arguments);
#define _cleanup_arguments_ _cleanup_(arguments_done)

int lvm_run(Lvm *lvm, const Arguments *arguments);
/* One that suspends devices by itself, the first of which is its volume: it runs under a guard, which
 * resumes them whatever happens. @suspended: a list that is told how long the volume stood; may be NULL. */
int lvm_run_guarded(Lvm *lvm, const Arguments *arguments, const dev_t *devices, size_t n_devices,
                    const char *why, vss_value *suspended);
/* All logical volumes, or those with our tag. */
int lvm_list(Lvm *lvm, bool ours, Report *ret_report);
/*
 * lvm_lock() - keep commands that change a volume group waiting, as LVM's own lock does
 * Ends when the descriptor is closed. -ETIMEDOUT: a command is at work on it.
 */
int lvm_lock(Lvm *lvm, const char *vg, int *ret_fd);
