/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the steps before and after a mount have in common
 */

#include "config.h"
#include "providers/dm/boot.h"
#include "providers/dm/remains.h"
#include "util/macro.h"

#define PROBE_UUID_PREFIX "LINUXVSS-probe-"

int boot_fail(BootReport *report, int error, const char *format, ...) _printf_(3, 4);
void boot_note(BootReport *report, const char *id, const char *format, ...) _printf_(3, 4);

/* Of devices that nobody uses any more; 0 if there is none. */
int boot_remove_device(const char *name);

bool boot_copy_stands(const char *id);
bool boot_is_persistent(const Remain *remain);
bool boot_is_lost(const Remain *remain);
bool boot_is_created(const Remain *remain);
/* Writes into its header that it is lost, and why. */
int boot_lose(Remain *remain, const char *reason);

/* A detached mount that replays nothing and writes nothing. */
int probe_mount(const char *device, const char *type, int *ret_root);

/* Where tests have the program killed, or stopped (VSS_DM_STOP_BY=STOP): VSS_DM_STOP_AT=NAME[:N], at the Nth
 * time. A release build has none of it. */
#if LINUXVSS_TEST_HOOKS
void boot_stop(const char *name);
bool boot_believes(void);
#else
static inline bool boot_believes(void) {
        return false;
}
static inline void boot_stop(const char *name) {
        (void)name;
}
#endif
