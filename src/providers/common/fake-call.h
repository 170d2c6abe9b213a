/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls for tests that drive a provider's table directly, without a bus
 */

#include <linuxvss/provider.h>

struct vss_provider_call {
        void *userdata;
        vss_result failure; /* the last one */
        char message[1024];
};
