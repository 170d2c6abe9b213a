/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-lvm: the lvm provider as a program
 */

#include "providers/lvm/provider.h"

int main(void) {
        LvmProvider provider;
        int status = EXIT_FAILURE;

        if (provider_init(&provider, LVM_CONF) == 0)
                status = vss_provider_main(&lvm_provider, &provider);
        provider_done(&provider);
        return status;
}
