/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A failure on its way to the requester
 */

#include <stdarg.h>
#include <string.h>
#include "util/utf8.h"
#include "vssd/failure.h"

void failure_clear(Failure *failure) {
        free(failure->culprit);
        free(failure->message);
        *failure = (Failure){ 0 };
}

static vss_result _printf_(4, 0)
        set_va(Failure *failure, vss_result code, const char *culprit, const char *format, va_list args) {
        char *message = NULL, *name = text_make_utf8(strdup(culprit ?: ""));

        /* Made before the old one goes: the arguments may point into it. */
        if (vasprintf(&message, format, args) < 0)
                message = NULL;
        failure_clear(failure);
        *failure = (Failure){ .code = code, .culprit = name, .message = text_make_utf8(message) };
        return code;
}

vss_result failure_set(Failure *failure, vss_result code, const char *culprit, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)set_va(failure, code, culprit, format, args);
        va_end(args);
        return code;
}

vss_result failure_set_first(Failure *failure, vss_result code, const char *culprit, const char *format,
                             ...) {
        va_list args;

        if (failure->code < 0)
                return failure->code;
        va_start(args, format);
        (void)set_va(failure, code, culprit, format, args);
        va_end(args);
        return code;
}

void failure_copy(Failure *to, const Failure *from) {
        (void)failure_set(to, from->code, failure_culprit(from), "%s", failure_message(from));
}
