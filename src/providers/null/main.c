/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-null: the null provider as a program
 */

#include "config.h"
#include "providers/null/provider.h"

int main(void) {
        NullProvider provider = {
                .config_path = LINUXVSS_CONFDIR "/null.conf",
                .directory = LINUXVSS_RUNDIR "/null",
        };
        int status;

        status = vss_provider_main(&null_provider, &provider);
        null_provider_done(&provider);
        return status;
}
