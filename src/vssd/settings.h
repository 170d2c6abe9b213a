/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settings: limits of the service, from /etc/linuxvss/linuxvss.conf; linuxvss.conf(5) says what each is for
 */

#include <stdint.h>

typedef struct Settings {
        uint64_t writer_usec;                /* one call to a writer outside the freeze window */
        uint64_t restore_usec;               /* PreRestore and PostRestore of a writer */
        uint64_t verify_usec;                /* Verify of a writer */
        uint64_t provider_usec;              /* one call to a provider */
        uint64_t freeze_usec;                /* the freeze window, and each call in it */
        uint64_t hold_usec;                  /* the hold */
        uint64_t lease_freeze_usec;          /* a freeze that an agent asked for */
        uint64_t sync_limit_usec;            /* the last round of syncfs before a freeze */
        uint64_t worker_usec;                /* path look-ups, mounts */
        unsigned long sets_max;              /* shadow copy sets on the machine */
        unsigned long sessions_max;          /* sessions at one time, of everybody */
        unsigned long client_accessible_max; /* client-accessible shadow copies of one volume */
} Settings;

/* Fills in the defaults, then what the file says. A missing file is no error; a bad line is logged with its
 * number and the default stays. */
void settings_load(Settings *ret_settings);
