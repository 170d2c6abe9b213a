/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Difference areas: where the differences of copies lie, and how much they may take
 */

#include "providers/lvm/provider.h"

/* What is left for copies of a classic volume, of the maximum that somebody has set; UINT64_MAX if nobody
 * has. */
uint64_t area_left(const Report *report, const LogicalVolume *origin);

vss_result area_query(vss_provider_call *call, vss_value *list);
vss_result area_add(vss_provider_call *call, const struct vss_volume *volume,
                    const struct vss_volume *diff_volume, uint64_t maximum);
vss_result area_change(vss_provider_call *call, const struct vss_volume *volume,
                       const struct vss_volume *diff_volume, uint64_t maximum);
