/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls for tests that drive a provider's table directly, without a bus
 */

#include <stdarg.h>
#include <stdio.h>
#include "providers/common/fake-call.h"

void *vss_provider_call_userdata(const vss_provider_call *call) {
        return call->userdata;
}

vss_result vss_provider_call_fail(vss_provider_call *call, vss_result code, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(call->message, sizeof(call->message), format, args);
        va_end(args);
        call->failure = code;
        return code;
}
