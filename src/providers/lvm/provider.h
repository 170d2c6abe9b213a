/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lvm provider as a table of calls; its userdata is an LvmProvider
 */

#include "providers/lvm/set.h"

/* Things that were told once, and are not told again: pools that are low, copies that cannot grow. */
#define TOLD_MAX 256u

typedef struct LvmProvider {
        Lvm lvm;
        Policy policy;
        Set *set;             /* being made, NULL otherwise */
        vss_value *suspended; /* what calls without results have suspended, told by the next CheckStorage */
        bool looked;          /* is "watched" of now? */
        uint64_t looked_usec;
        Report watched; /* our logical volumes */
        char *told[TOLD_MAX];
        size_t n_told;
        uint64_t stuck_usec,
                unstuck_usec; /* how long a copy that could not be deleted is left alone, and until when */
} LvmProvider;

extern const struct vss_provider lvm_provider;

/* Settings, and all of a provider's memory. */
int provider_init(LvmProvider *p, const char *conf_path);
void provider_done(LvmProvider *p);

/* Why a command or call failed, in words. */
const char *provider_error(const LvmProvider *p, int r);

/* watch.c */
vss_result watch_check_storage(vss_provider_call *call, vss_value *results);
