/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Processes that serve an image, and outlive whoever started them
 *
 * Each is in a session of its own and is nobody's child. It writes who it is, its number and when it began,
 * into a file before it becomes what it is to be, so that there is no moment at which one runs that is not
 * known of; and a number that somebody else has by now is never taken for it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What it says on standard error is kept in a file of at most so many bytes. */
#define IMAGE_LOG_MAX (64u << 10)

typedef struct ImageProcess {
        const char *pid_file; /* of its own, and new */
        const char *log;      /* or NULL: nowhere */
        bool writes_files;    /* what it writes is not limited */
} ImageProcess;

/* Functions return 0 or a negative errno. */

int image_process_start(const ImageProcess *how, char *const argv[]);
/* Who it is, and whether it runs. -ESRCH: it has ended. -ENOENT: it never was. */
int image_process_find(const char *pid_file, pid_t *ret_pid);
/* It is asked to end, and then made to; the file goes with it. 0 also if there was none. */
int image_process_stop(const char *pid_file);

/* Has it a connection by TCP that stands? One whose server has died has closed it. */
bool image_process_is_connected(pid_t pid);

/* argv[0] as it is found in the usual places. -ENOENT */
bool image_program_is_there(const char *name);
