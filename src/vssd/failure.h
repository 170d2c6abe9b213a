/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A failure on its way to the requester: the number of the contract, whom it concerns, and a sentence
 */

#include <linuxvss/types.h>
#include "util/macro.h"

typedef struct Failure {
        vss_result code; /* VSS_S_OK: none */
        char *culprit;   /* writer, provider, volume, component; never NULL once set */
        char *message;
} Failure;

/* Replaces what was there. Without memory the code stands alone. Return: @code. */
vss_result failure_set(Failure *failure, vss_result code, const char *culprit, const char *format, ...)
        _printf_(4, 5);
/* As failure_set(), but the first failure stays: later ones follow from it. */
vss_result failure_set_first(Failure *failure, vss_result code, const char *culprit, const char *format, ...)
        _printf_(4, 5);
void failure_clear(Failure *failure);
void failure_copy(Failure *to, const Failure *from);

static inline const char *failure_culprit(const Failure *failure) {
        return failure->culprit ?: "";
}

static inline const char *failure_message(const Failure *failure) {
        return failure->message ?: vss_result_text(failure->code);
}
