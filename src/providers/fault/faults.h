/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the fault provider does wrong: read anew before each call
 *
 *     # call = fault; calls are named as in org.linuxvss.Provider1
 *     CommitSnapshots=fail E_INSUFFICIENT_STORAGE the array is on fire
 *     OpenSnapshot=hang           never answers
 *     EndPrepareSnapshots=slow 1500   milliseconds, then as usual
 *     PreCommitSnapshots=crash
 *     PostCommitSnapshots=stop    stops itself; goes on after SIGCONT
 *     DeleteSnapshot=lie          answers well and does nothing
 *     Query=bad-code              answers a number that is no result
 */

#include <linuxvss/types.h>
#include "util/conf.h"

typedef enum FaultKind {
        FAULT_NONE,
        FAULT_FAIL,
        FAULT_HANG,
        FAULT_SLOW,
        FAULT_CRASH,
        FAULT_STOP,
        FAULT_LIE,
        FAULT_BAD_CODE,
} FaultKind;

typedef struct Fault {
        FaultKind kind;
        vss_result code;      /* FAIL */
        char message[200];    /* FAIL */
        unsigned long millis; /* SLOW */
} Fault;

int fault_parse(const char *value, ConfError *error, Fault *ret_fault);
/* The fault of one call. A file that is missing has none. Return: 0, or a negative errno with @error filled
 * in. */
int fault_read(const char *path, const char *call, ConfError *error, Fault *ret_fault);
