/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Why something was refused: a sentence for whoever asked, with the result that goes with it
 */

#include <linuxvss/types.h>
#include "util/macro.h"

#define WHY_SIZE 640u

typedef struct Why {
        char text[WHY_SIZE];
} Why;

/* Sets the sentence; @why may be NULL. What was cut off or is no UTF-8 is made valid. Return: @code. */
vss_result why_set(Why *why, vss_result code, const char *format, ...) _printf_(3, 4);

static inline _unused_ vss_result why_no_memory(Why *why) {
        return why_set(why, VSS_E_OUTOFMEMORY, "Out of memory.");
}
