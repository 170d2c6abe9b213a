/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-reflink: the reflink provider as a program
 */

#include "config.h"
#include "providers/reflink/provider.h"

int main(void) {
        ReflinkProvider provider = { .settings = LINUXVSS_CONFDIR "/reflink.conf" };
        int status;

        status = vss_provider_main(&reflink_provider, &provider);
        (void)set_free(provider.set);
        return status;
}
