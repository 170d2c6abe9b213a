/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-rbd: the rbd provider as a program
 */

#include <unistd.h>
#include "providers/rbd/provider.h"

int main(void) {
        RbdProvider provider;
        int status = EXIT_FAILURE;

        if (provider_init(&provider, RBD_CONF) == 0)
                status = vss_provider_main(&rbd_provider, &provider);
        provider_done(&provider);
        (void)fflush(NULL);
        /* Threads may be waiting for a cluster; nobody waits for them. */
        _exit(status);
}
