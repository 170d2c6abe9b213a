/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The null provider plays that a volume is reverted
 *
 * It is recorded with the copy, and the settings say how far it has come.
 */

#include <string.h>
#include "providers/null/calls.h"
#include "providers/null/memory.h"

/* The copy that @volume is being reverted to; NULL if there is none. Borrowed from @list. */
static const vss_value *find_revert(const vss_value *list, const char *volume) {
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *info = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(info, "volume", ""), volume) == 0 &&
                    vss_value_get(vss_value_get(info, "null"), "reverted"))
                        return info;
        }
        return NULL;
}

static vss_result list_copies(vss_provider_call *call, int memory, vss_value **ret_list) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        NullProvider *p = vss_provider_call_userdata(call);
        int r = list ? memory_list(memory, NULL, list) : -ENOMEM;

        if (r < 0)
                return null_fail(call, p->directory, "cannot be listed", r);
        *ret_list = TAKE_PTR(list);
        return VSS_S_OK;
}

vss_result null_revert_to_snapshot(vss_provider_call *call, const char *snapshot_id, bool force) {
        _cleanup_value_ vss_value *info = NULL, *list = NULL;
        _cleanup_(closep) int memory = -1;
        NullSettings config;
        vss_result result;
        const char *volume;
        vss_value *record;
        int r;

        result = null_read_config(call, &config);
        if (result >= 0)
                result = null_open_memory(call, &memory);
        if (result >= 0)
                result = null_read_copy(call, memory, snapshot_id, &info);
        if (result >= 0)
                result = list_copies(call, memory, &list);
        if (result < 0)
                return result;
        volume = vss_value_get_string(info, "volume", "");
        if (config.reverted_percent < 100 && find_revert(list, volume))
                return vss_provider_call_fail(call, VSS_E_REVERT_IN_PROGRESS, "%s is being reverted",
                                              volume);
        if (config.in_use && !force)
                return vss_provider_call_fail(call, VSS_E_VOLUME_IN_USE, "%s is in use", volume);
        record = value_require(value_require(info, "null", VSS_KIND_DICT), "reverted", VSS_KIND_DICT);
        r = record && vss_value_set_boolean(record, "forced", force) >= 0
                    ? memory_replace(memory, snapshot_id, info)
                    : -ENOMEM;
        return r < 0 ? null_fail(call, snapshot_id, "cannot be recorded", r) : VSS_S_OK;
}

vss_result null_query_revert_status(vss_provider_call *call, const struct vss_volume *volume,
                                    vss_value *status) {
        _cleanup_value_ vss_value *list = NULL;
        _cleanup_(closep) int memory = -1;
        const vss_value *info;
        NullSettings config;
        vss_result result;

        result = null_read_config(call, &config);
        if (result >= 0)
                result = null_open_memory(call, &memory);
        if (result >= 0)
                result = list_copies(call, memory, &list);
        if (result < 0)
                return result;
        info = find_revert(list, volume->path);
        if (vss_value_set_boolean(status, "in-progress", info && config.reverted_percent < 100) < 0 ||
            (info && (vss_value_set_integer(status, "percent", (int64_t)config.reverted_percent) < 0 ||
                      vss_value_set_string(status, "snapshot", vss_value_get_string(info, "id", "")) < 0)))
                return null_fail(call, volume->path, "", -ENOMEM);
        return VSS_S_OK;
}
