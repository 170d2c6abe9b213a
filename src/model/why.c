/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Why something was refused
 */

#include <stdarg.h>
#include "model/why.h"
#include "util/utf8.h"

vss_result why_set(Why *why, vss_result code, const char *format, ...) {
        va_list args;

        if (!why)
                return code;
        va_start(args, format);
        if (vsnprintf(why->text, sizeof(why->text), format, args) < 0)
                why->text[0] = '\0';
        va_end(args);
        (void)text_make_utf8(why->text);
        return code;
}
