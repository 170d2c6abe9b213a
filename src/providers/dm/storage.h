/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where areas of a volume's copies lie, and how large they may be
 *
 * Settings are read from dm.conf each time. What was said of one volume lies on it, in
 * /.linuxvss/storage.json:
 *
 *     {"on": UUID of the file system that holds its areas, "maximum": bytes or -1}
 *
 * Functions return 0 or a negative errno.
 */

#include <linuxvss/provider.h>
#include "providers/dm/catalog.h"
#include "providers/dm/policy.h"

/* dm.conf; where it is wrong that is told on standard error, and what is usual counts. */
void storage_read_policy(Policy *ret_policy);

typedef struct Storage {
        char on[VSS_ID_SIZE]; /* UUID of the file system that holds the areas */
        bool is_explicit;     /* somebody has said so */
        uint64_t maximum;     /* POLICY_NO_LIMIT */
        PolicyVolume volume;  /* as the policy wants it; free: 0 until a place is known */
} Storage;

/* What is said of a volume, and what its areas take. */
int storage_read(const Volume *volume, const Policy *policy, Storage *ret_storage);

/* The directory of areas of its place, with @storage's free space filled in. */
int storage_open(Storage *storage, bool make, int *ret_fd, Device *ret_on);

vss_result storage_query(vss_provider_call *call, vss_value *list);
vss_result storage_add(vss_provider_call *call, const struct vss_volume *volume,
                       const struct vss_volume *diff_volume, uint64_t maximum);
vss_result storage_change(vss_provider_call *call, const struct vss_volume *volume,
                          const struct vss_volume *diff_volume, uint64_t maximum);
