/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What went wrong with a repository
 */

#include <stdarg.h>
#include "repository/fail.h"

int repo_fail(Why *why, int error, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;

        if (!why)
                return error;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        (void)why_set(why, VSS_E_UNEXPECTED, "%s", text ?: "Out of memory.");
        return error;
}
