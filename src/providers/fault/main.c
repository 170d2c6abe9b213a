/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-fault: the fault provider as a program
 */

#include "config.h"
#include "providers/fault/provider.h"

int main(void) {
        FaultProvider provider = {
                .null.config_path = LINUXVSS_CONFDIR "/null.conf",
                .null.directory = LINUXVSS_RUNDIR "/fault",
                .config_path = LINUXVSS_CONFDIR "/fault-provider.conf",
        };
        int status;

        status = vss_provider_main(&fault_provider, &provider);
        null_provider_done(&provider.null);
        return status;
}
