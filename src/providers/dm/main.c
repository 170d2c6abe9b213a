/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-provider-dm: the dm provider as a program
 */

#include "providers/dm/attach.h"
#include "providers/dm/provider.h"

int main(void) {
        struct vss_provider table = dm_provider;
        DmProvider provider = { 0 };
        Policy policy;
        int status;

        attach_recover();
        storage_read_policy(&policy);
        table.max_snapshots = policy.snapshots;
        status = vss_provider_main(&table, &provider);
        dm_provider_done(&provider);
        return status;
}
