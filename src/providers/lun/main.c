/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-lun: the lun provider as a program
 */

#include <signal.h>
#include "config.h"
#include "providers/lun/provider.h"

int main(void) {
        LunProvider provider;
        int status = EXIT_FAILURE;

        /* An array that has gone is an error of the call. */
        (void)signal(SIGPIPE, SIG_IGN);
        if (lun_provider_init(&provider, LUN_CONF, LINUXVSS_RUNDIR "/lun") == 0)
                status = vss_provider_main(&lun_provider, &provider);
        lun_provider_done(&provider);
        return status;
}
