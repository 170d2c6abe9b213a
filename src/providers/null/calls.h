/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The null provider inside: what its calls have in common, and those that play an array
 */

#include "providers/null/provider.h"
#include "providers/null/settings.h"
#include "util/value.h"

/* Each records why the call fails. */
vss_result null_fail(vss_provider_call *call, const char *whom, const char *what, int error);
vss_result null_unknown(vss_provider_call *call, const char *id);
vss_result null_read_config(vss_provider_call *call, NullSettings *ret_config);
/* Opens where copies are kept. */
vss_result null_open_memory(vss_provider_call *call, int *ret_fd);
/* The identity of one copy. */
vss_result null_read_copy(vss_provider_call *call, int memory_fd, const char *id, vss_value **ret_info);

/* cut.c: appends a cut, written as in the settings, to the results of the end of prepare. -EINVAL. */
int null_add_cut(vss_value *results, const char *snapshot_id, const char *text, uint64_t here);
/* array.c */
vss_result null_get_target_luns(vss_provider_call *call, const char *set_id, vss_value *luns);
vss_result null_import_snapshots(vss_provider_call *call, const vss_value *set, vss_value *result);
vss_result null_break_snapshot_set(vss_provider_call *call, const char *set_id, uint32_t flags);
vss_result null_resync_snapshots(vss_provider_call *call, const vss_value *request);
/* revert.c */
vss_result null_revert_to_snapshot(vss_provider_call *call, const char *snapshot_id, bool force);
vss_result null_query_revert_status(vss_provider_call *call, const struct vss_volume *volume,
                                    vss_value *status);
/* storage.c */
vss_result null_query_diff_areas(vss_provider_call *call, vss_value *list);
vss_result null_add_diff_area(vss_provider_call *call, const struct vss_volume *volume,
                              const struct vss_volume *diff_volume, uint64_t maximum);
vss_result null_change_diff_area(vss_provider_call *call, const struct vss_volume *volume,
                                 const struct vss_volume *diff_volume, uint64_t maximum);
vss_result null_check_storage(vss_provider_call *call, vss_value *results);
vss_result null_attach_device(vss_provider_call *call, const char *device, const vss_value *options,
                              vss_value *result);
vss_result null_detach_device(vss_provider_call *call, const char *device, const vss_value *options,
                              vss_value *result);
vss_result null_query_attached(vss_provider_call *call, vss_value *list);
/* The copy that the settings lose is called lost. Return: 0 or -ENOMEM. */
int null_mark_lost(const NullSettings *config, vss_value *list);
