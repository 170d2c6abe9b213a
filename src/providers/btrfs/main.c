/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-btrfs: the btrfs provider as a program
 */

#include "providers/btrfs/provider.h"

int main(void) {
        BtrfsProvider provider = { 0 };
        int status;

        status = vss_provider_main(&btrfs_provider, &provider);
        (void)set_free(provider.set);
        return status;
}
