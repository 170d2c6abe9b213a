/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where files of a writer may be put, whatever a saved document says
 *
 * A document may have been changed since it was saved. A place counts if the writer's descriptor has it
 * (Roots=), if it belongs to the user of the descriptor, or if the running writer declares it now, which the
 * service has judged.
 */

#include <linuxvss/types.h>
#include <stdbool.h>
#include "util/macro.h"

typedef struct Vouch {
        char path[512];           /* of the descriptor */
        const vss_value *running; /* the writer's metadata as it is now; borrowed; NULL: it does not run */
        vss_value *roots, *units; /* lists */
        int64_t uid;              /* -1: of nobody, or of too many */
        bool trust;               /* the administrator vouches for everything */
        char reason[768];
} Vouch;

/* @writer: its name, perhaps with an instance. A descriptor that is missing or broken vouches for nothing.
 * Return: 0, -ENOMEM. */
int vouch_init(Vouch *vouch, const char *writer, const vss_value *running, bool trust);
void vouch_clear(Vouch *vouch);
#define _cleanup_vouch_ _cleanup_(vouch_clear)

/* May files be put into this directory? NULL, or why not; borrowed until the next call. */
const char *vouch_refuse(Vouch *vouch, const char *directory);
/* May this unit be stopped and started? */
bool vouch_has_unit(const Vouch *vouch, const char *unit);
