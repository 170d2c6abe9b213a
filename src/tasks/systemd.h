/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is asked of systemd: units that are started at boot, and now
 *
 * Return: 0 or a negative errno with a sentence.
 */

#include <stdint.h>
#include "model/why.h"

typedef struct Systemd Systemd;

int systemd_open(Why *why, Systemd **ret_systemd);
Systemd *systemd_close(Systemd *systemd);
DEFINE_CLEANUP(Systemd *, systemd_close)

/* Unit files are read anew. */
int systemd_reload(Systemd *systemd, Why *why);
/* NULL-terminated names of units. */
int systemd_enable(Systemd *systemd, const char *const *units, Why *why);
int systemd_disable(Systemd *systemd, const char *const *units, Why *why);
/* The job is begun; a timer is started at once. */
int systemd_start(Systemd *systemd, const char *unit, Why *why);
/* One that there is not, or that is not loaded, is stopped. */
int systemd_stop(Systemd *systemd, const char *unit, Why *why);
/* When a timer elapses next; 0: never, or nobody knows. */
uint64_t systemd_next_usec(Systemd *systemd, const char *timer);
