/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The requester's calls that need no session
 */

#include <string.h>
#include "lib/service.h"

#define PATHS_MAX 1024u
#define LEASE_MAX_SECONDS 604800u

static vss_result call_job(vss_service *service, const char *member, vss_async **ret_async) {
        return service ? service_callf_job(service, BUS_PATH, BUS_MANAGER, member, ret_async, "")
                       : VSS_E_INVALIDARG;
}

static vss_result call_job_dict(vss_service *service, const char *member, const vss_value *dict,
                                vss_async **ret_async) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        int r;

        if (!service || (dict && vss_value_kind(dict) != VSS_KIND_DICT))
                return service_invalid(service, "a dictionary is needed");
        result = service_new_call(service, BUS_PATH, BUS_MANAGER, member, &call);
        if (result < 0)
                return result;
        r = marshal_append_dict(call, dict);
        return r < 0 ? service_fail_errno(service, r, NULL) : service_call_job(service, call, ret_async);
}

vss_result vss_service_list_writers(vss_service *service, vss_async **ret_async) {
        return call_job(service, "ListWriters", ret_async);
}

vss_result vss_service_list_providers(vss_service *service, vss_async **ret_async) {
        return call_job(service, "ListProviders", ret_async);
}

vss_result vss_service_list_volumes(vss_service *service, vss_async **ret_async) {
        return call_job(service, "ListVolumes", ret_async);
}

vss_result vss_service_list_sessions(vss_service *service, vss_value **ret_sessions) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        vss_result result;

        if (!service || !ret_sessions)
                return service_invalid(service, "a list needs a place to be put");
        result = service_callf(service, BUS_PATH, BUS_MANAGER, "ListSessions", &reply, "");
        return result < 0 ? result : service_read_dicts(service, reply, ret_sessions);
}

vss_result vss_service_plan(vss_service *service, const char *const *paths, size_t n_paths,
                            const vss_value *options, vss_async **ret_async) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        int r;

        if (!service || (n_paths > 0 && !paths) || n_paths > PATHS_MAX ||
            (options && vss_value_kind(options) != VSS_KIND_DICT))
                return service_invalid(service, "a list of paths and a dictionary of options are needed");
        for (size_t i = 0; i < n_paths; i++)
                if (!paths[i] || paths[i][0] != '/')
                        return service_invalid(service, "paths must be absolute");
        result = service_new_call(service, BUS_PATH, BUS_MANAGER, "Plan", &call);
        if (result < 0)
                return result;
        r = sd_bus_message_open_container(call, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n_paths; i++)
                r = sd_bus_message_append(call, "s", paths[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = marshal_append_dict(call, options);
        return r < 0 ? service_fail_errno(service, r, NULL) : service_call_job(service, call, ret_async);
}

vss_result vss_service_query(vss_service *service, const vss_value *filter, vss_async **ret_async) {
        return call_job_dict(service, "Query", filter, ret_async);
}

vss_result vss_service_delete_snapshots(vss_service *service, const vss_value *selection,
                                        vss_async **ret_async) {
        /* Nothing chosen must never read as everything. */
        if (service && vss_value_count(selection) != 1)
                return service_invalid(
                        service,
                        "choose shadow copies by exactly one of snapshots, set, volume, oldest, all");
        return call_job_dict(service, "DeleteSnapshots", selection, ret_async);
}

vss_result vss_service_expose_snapshot(vss_service *service, const char *id, const char *directory,
                                       vss_async **ret_async) {
        if (!service || !id || !directory || directory[0] != '/')
                return service_invalid(service, "a shadow copy's id and an absolute directory are needed");
        return service_callf_job(service, BUS_PATH, BUS_MANAGER, "ExposeSnapshot", ret_async, "ss", id,
                                 directory);
}

vss_result vss_service_unexpose_snapshot(vss_service *service, const char *id, vss_async **ret_async) {
        if (!service || !id)
                return service_invalid(service, "a shadow copy is named by its id");
        return service_callf_job(service, BUS_PATH, BUS_MANAGER, "UnexposeSnapshot", ret_async, "s", id);
}

vss_result vss_service_break_snapshot_set(vss_service *service, const char *set_id, uint32_t flags,
                                          vss_async **ret_async) {
        if (!service || !set_id)
                return service_invalid(service, "a set is named by its id");
        return service_callf_job(service, BUS_PATH, BUS_MANAGER, "BreakSnapshotSet", ret_async, "su", set_id,
                                 flags);
}

vss_result vss_service_revert_to_snapshot(vss_service *service, const char *id, bool force,
                                          vss_async **ret_async) {
        if (!service || !id)
                return service_invalid(service, "a shadow copy is named by its id");
        return service_callf_job(service, BUS_PATH, BUS_MANAGER, "RevertToSnapshot", ret_async, "sb", id,
                                 (int)force);
}

vss_result vss_service_query_revert_status(vss_service *service, const char *volume, vss_async **ret_async) {
        if (!service || !volume || volume[0] != '/')
                return service_invalid(service, "a volume is named by its absolute path");
        return service_callf_job(service, BUS_PATH, BUS_MANAGER, "QueryRevertStatus", ret_async, "s",
                                 volume);
}

vss_result vss_service_query_diff_areas(vss_service *service, const vss_value *filter,
                                        vss_async **ret_async) {
        return call_job_dict(service, "QueryDiffAreas", filter, ret_async);
}

static vss_result call_diff_area(vss_service *service, const char *member, const char *volume,
                                 const char *diff_volume, uint64_t maximum, const vss_value *options,
                                 vss_async **ret_async) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        int r;

        if (!service || !volume || volume[0] != '/' || !diff_volume || diff_volume[0] != '/' ||
            (options && vss_value_kind(options) != VSS_KIND_DICT))
                return service_invalid(service, "two volumes are named by their absolute paths");
        result = service_new_call(service, BUS_PATH, BUS_MANAGER, member, &call);
        if (result < 0)
                return result;
        r = sd_bus_message_append(call, "sst", volume, diff_volume, maximum);
        if (r >= 0)
                r = marshal_append_dict(call, options);
        return r < 0 ? service_fail_errno(service, r, NULL) : service_call_job(service, call, ret_async);
}

vss_result vss_service_add_diff_area(vss_service *service, const char *volume, const char *diff_volume,
                                     uint64_t maximum, const vss_value *options, vss_async **ret_async) {
        return call_diff_area(service, "AddDiffArea", volume, diff_volume, maximum, options, ret_async);
}

vss_result vss_service_change_diff_area_maximum_size(vss_service *service, const char *volume,
                                                     const char *diff_volume, uint64_t maximum,
                                                     const vss_value *options, vss_async **ret_async) {
        return call_diff_area(service, "ChangeDiffAreaMaximumSize", volume, diff_volume, maximum, options,
                              ret_async);
}

static vss_result call_device(vss_service *service, const char *member, const char *device,
                              const vss_value *options, vss_async **ret_async) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        int r;

        if (!service || !device || !*device || (options && vss_value_kind(options) != VSS_KIND_DICT))
                return service_invalid(service, "a device and a dictionary of options are needed");
        result = service_new_call(service, BUS_PATH, BUS_MANAGER, member, &call);
        if (result < 0)
                return result;
        r = sd_bus_message_append(call, "s", device);
        if (r >= 0)
                r = marshal_append_dict(call, options);
        return r < 0 ? service_fail_errno(service, r, NULL) : service_call_job(service, call, ret_async);
}

vss_result vss_service_attach_device(vss_service *service, const char *device, const vss_value *options,
                                     vss_async **ret_async) {
        return call_device(service, "AttachDevice", device, options, ret_async);
}

vss_result vss_service_detach_device(vss_service *service, const char *device, const vss_value *options,
                                     vss_async **ret_async) {
        return call_device(service, "DetachDevice", device, options, ret_async);
}

vss_result vss_service_list_attached(vss_service *service, vss_async **ret_async) {
        return call_job(service, "ListAttached", ret_async);
}

vss_result vss_service_abort_session(vss_service *service, const char *session_id, vss_async **ret_async) {
        if (!service || !session_id)
                return service_invalid(service, "a session is named by its id");
        return service_callf_job(service, BUS_PATH, BUS_MANAGER, "AbortSession", ret_async, "s", session_id);
}

vss_result vss_service_freeze(vss_service *service, uint32_t lease_seconds, const vss_value *options,
                              vss_async **ret_async) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        int r;

        if (!service || lease_seconds == 0 || lease_seconds > LEASE_MAX_SECONDS ||
            (options && vss_value_kind(options) != VSS_KIND_DICT))
                return service_invalid(service, "a freeze needs a lease of at least a second");
        result = service_new_call(service, BUS_PATH, BUS_MANAGER, "Freeze", &call);
        if (result < 0)
                return result;
        r = sd_bus_message_append(call, "u", lease_seconds);
        if (r >= 0)
                r = marshal_append_dict(call, options);
        return r < 0 ? service_fail_errno(service, r, NULL) : service_call_job(service, call, ret_async);
}

vss_result vss_service_renew(vss_service *service, const char *token, uint32_t lease_seconds) {
        if (!service || !token || lease_seconds == 0)
                return service_invalid(service, "a lease needs its token and a number of seconds");
        return service_callf(service, BUS_PATH, BUS_MANAGER, "Renew", NULL, "su", token, lease_seconds);
}

vss_result vss_service_thaw(vss_service *service, const char *token, vss_async **ret_async) {
        if (!service)
                return VSS_E_INVALIDARG;
        return service_callf_job(service, BUS_PATH, BUS_MANAGER, "Thaw", ret_async, "s", token ?: "");
}

vss_result vss_service_doctor(vss_service *service, vss_async **ret_async) {
        return call_job(service, "Doctor", ret_async);
}

vss_result vss_service_subscribe(vss_service *service, vss_event_handler handler, void *userdata) {
        if (!service || !handler)
                return service_invalid(service, "events need a handler");
        service->handler = handler;
        service->userdata = userdata;
        return service_callf(service, BUS_PATH, BUS_MANAGER, "Subscribe", NULL, "");
}

const char *vss_service_version(vss_service *service) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        char *version = NULL;
        int r;

        if (service_begin(service) < 0)
                return NULL;
        r = sd_bus_get_property_string(service->bus, BUS_NAME, BUS_PATH, BUS_MANAGER, "Version", &error,
                                       &version);
        if (r < 0) {
                (void)service_fail_errno(service, r, &error);
                return NULL;
        }
        free(service->version);
        return service->version = version;
}
