/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: the requester's calls of the contract
 *
 * The state machine is the service's; here are arguments, the call, and its answer.
 */

#include <fcntl.h>
#include <string.h>
#include "lib/session.h"

#define LEASE_MAX_SECONDS 604800u
#define NAMES_MAX 1024u

vss_session *vss_session_free(vss_session *session) {
        if (!session)
                return NULL;
        free(session->path);
        free(session->id);
        free(session->token);
        free(session);
        return NULL;
}

static vss_result session_new(vss_service *service, const char *path, const char *id, const char *token,
                              vss_session **ret_session) {
        vss_session *session = calloc(1, sizeof(*session));

        if (session) {
                session->service = service;
                session->path = strdup(path);
                session->id = strdup(id);
                session->token = strdup(token);
        }
        if (!session || !session->path || !session->id || !session->token) {
                (void)vss_session_free(session);
                return service_fail(service, VSS_E_OUTOFMEMORY, "", "out of memory");
        }
        *ret_session = session;
        return VSS_S_OK;
}

vss_result vss_session_create(vss_service *service, const vss_value *options, vss_session **ret_session) {
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        const char *path, *id, *token;
        vss_result result;
        int r;

        if (!service || !ret_session)
                return service_invalid(service, "a session needs a place to be put");
        if (options && vss_value_kind(options) != VSS_KIND_DICT)
                return service_invalid(service, "options must be a dictionary");
        result = service_new_call(service, BUS_PATH, BUS_MANAGER, "CreateSession", &call);
        if (result < 0)
                return result;
        r = marshal_append_dict(call, options);
        if (r < 0)
                return service_fail_errno(service, r, NULL);
        result = service_call(service, call, CALL_TIMEOUT_USEC, &reply);
        if (result < 0)
                return result;
        r = sd_bus_message_read(reply, "oss", &path, &id, &token);
        return r < 0 ? service_fail_errno(service, r, NULL)
                     : session_new(service, path, id, token, ret_session);
}

vss_result vss_session_adopt(vss_service *service, const char *token, vss_session **ret_session) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path, *id;
        vss_result result;
        int r;

        if (!service || !token || !ret_session)
                return service_invalid(service, "a session is adopted by its token");
        result = service_callf(service, BUS_PATH, BUS_MANAGER, "AdoptSession", &reply, "s", token);
        if (result < 0)
                return result;
        r = sd_bus_message_read(reply, "os", &path, &id);
        return r < 0 ? service_fail_errno(service, r, NULL)
                     : session_new(service, path, id, token, ret_session);
}

vss_result vss_session_renew(vss_session *session, uint32_t seconds) {
        if (!session || seconds == 0 || seconds > LEASE_MAX_SECONDS)
                return service_invalid(session ? session->service : NULL, "a lease is 1 to 604800 seconds");
        if (!session->token[0])
                return service_fail(session->service, VSS_E_BAD_STATE, "",
                                    "the session has no lease to renew");
        return service_callf(session->service, BUS_PATH, BUS_MANAGER, "Renew", NULL, "su", session->token,
                             seconds);
}

const char *vss_session_id(const vss_session *session) {
        return session ? session->id : "";
}

const char *vss_session_token(const vss_session *session) {
        return session ? session->token : "";
}

vss_session *vss_session_release(vss_session *session) {
        _cleanup_message_ sd_bus_message *call = NULL;

        if (session &&
            service_new_call(session->service, session->path, BUS_SESSION, "Release", &call) >= 0 &&
            service_call(session->service, call, RELEASE_TIMEOUT_USEC, NULL) >= 0)
                (void)service_dispatch(session->service);
        return vss_session_free(session);
}

vss_result vss_session_initialize_for_backup(vss_session *session) {
        return SESSION_CALL(session, "InitializeForBackup", NULL, "");
}

vss_result vss_session_set_context(vss_session *session, uint32_t context) {
        return SESSION_CALL(session, "SetContext", NULL, "u", context);
}

vss_result vss_session_set_backup_state(vss_session *session, bool select_components,
                                        bool bootable_system_state, enum vss_backup_type type,
                                        bool partial_file_support) {
        if (session && (type < VSS_BT_FULL || type > VSS_BT_OTHER))
                return service_invalid(session->service, "there is no such backup type");
        return SESSION_CALL(session, "SetBackupState", NULL, "bbub", select_components,
                            bootable_system_state, (uint32_t)type, partial_file_support);
}

static vss_result call_names(vss_session *session, const char *member, const char *const *names, size_t n) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        int r;

        if (!session || (n > 0 && !names) || n > NAMES_MAX)
                return service_invalid(session ? session->service : NULL, "a list of names is needed");
        for (size_t i = 0; i < n; i++)
                if (!names[i])
                        return service_invalid(session->service, "a name in the list is missing");
        result = service_new_call(session->service, session->path, BUS_SESSION, member, &call);
        if (result < 0)
                return result;
        r = sd_bus_message_open_container(call, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(call, "s", names[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r < 0 ? service_fail_errno(session->service, r, NULL)
                     : service_call(session->service, call, CALL_TIMEOUT_USEC, NULL);
}

vss_result vss_session_enable_writer_classes(vss_session *session, const char *const *names, size_t n) {
        return call_names(session, "EnableWriterClasses", names, n);
}

vss_result vss_session_disable_writer_classes(vss_session *session, const char *const *names, size_t n) {
        return call_names(session, "DisableWriterClasses", names, n);
}

vss_result vss_session_disable_writer_instances(vss_session *session, const char *const *names, size_t n) {
        return call_names(session, "DisableWriterInstances", names, n);
}

vss_result vss_session_gather_writer_metadata(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "GatherWriterMetadata", ret_async, "");
}

vss_result session_call_list(vss_session *session, const char *member, vss_value **ret_list) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        vss_result result;

        if (!session || !ret_list)
                return service_invalid(session ? session->service : NULL, "a list needs a place to be put");
        result = SESSION_CALL(session, member, &reply, "");
        return result < 0 ? result : service_read_dicts(session->service, reply, ret_list);
}

vss_result vss_session_get_writer_metadata(vss_session *session, vss_value **ret_writers) {
        return session_call_list(session, "GetWriterMetadata", ret_writers);
}

vss_result vss_session_free_writer_metadata(vss_session *session) {
        return SESSION_CALL(session, "FreeWriterMetadata", NULL, "");
}

vss_result vss_session_start_snapshot_set(vss_session *session, char ret_set_id[VSS_ID_SIZE]) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *id;
        vss_result result;
        int r;

        if (!session || !ret_set_id)
                return service_invalid(session ? session->service : NULL,
                                       "the set's identity needs a place to be put");
        result = SESSION_CALL(session, "StartSnapshotSet", &reply, "");
        if (result < 0)
                return result;
        r = sd_bus_message_read(reply, "s", &id);
        if (r >= 0 && strlen(id) >= VSS_ID_SIZE)
                r = -EBADMSG;
        if (r < 0)
                return service_fail_errno(session->service, r, NULL);
        (void)snprintf(ret_set_id, VSS_ID_SIZE, "%s", id);
        return VSS_S_OK;
}

static vss_result check_path(vss_session *session, const char *path) {
        if (!session || !path)
                return service_invalid(session ? session->service : NULL, "an absolute path is needed");
        return path[0] == '/' ? VSS_S_OK
                              : service_fail(session->service, VSS_E_INVALIDARG, path,
                                             "%s is not an absolute path", path);
}

vss_result vss_session_add_to_snapshot_set(vss_session *session, const char *path, const char *provider,
                                           vss_async **ret_async) {
        vss_result result = check_path(session, path);

        return result < 0 ? result
                          : SESSION_JOB(session, "AddToSnapshotSet", ret_async, "ss", path, provider ?: "");
}

vss_result vss_session_is_volume_supported(vss_session *session, const char *path, const char *provider,
                                           vss_async **ret_async) {
        vss_result result = check_path(session, path);

        return result < 0 ? result
                          : SESSION_JOB(session, "IsVolumeSupported", ret_async, "ss", path, provider ?: "");
}

vss_result vss_session_set_wanted_paths(vss_session *session, const char *const *paths, size_t n) {
        return call_names(session, "SetWantedPaths", paths, n);
}

vss_result vss_session_hold_control_group(vss_session *session, const char *cgroup) {
        if (!session || !cgroup || !cgroup[0])
                return service_invalid(session ? session->service : NULL,
                                       "a control group is named by its path");
        return SESSION_CALL(session, "HoldControlGroup", NULL, "s", cgroup);
}

vss_result vss_session_prepare_for_backup(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "PrepareForBackup", ret_async, "");
}

vss_result vss_session_do_snapshot_set(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "DoSnapshotSet", ret_async, "");
}

vss_result vss_session_gather_writer_status(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "GatherWriterStatus", ret_async, "");
}

vss_result vss_session_get_writer_status(vss_session *session, vss_value **ret_writers) {
        return session_call_list(session, "GetWriterStatus", ret_writers);
}

vss_result vss_session_free_writer_status(vss_session *session) {
        return SESSION_CALL(session, "FreeWriterStatus", NULL, "");
}

vss_result vss_session_query(vss_session *session, const vss_value *filter, vss_async **ret_async) {
        _cleanup_message_ sd_bus_message *call = NULL;
        vss_result result;
        int r;

        if (!session || (filter && vss_value_kind(filter) != VSS_KIND_DICT))
                return service_invalid(session ? session->service : NULL, "a filter is a dictionary");
        result = service_new_call(session->service, session->path, BUS_SESSION, "Query", &call);
        if (result < 0)
                return result;
        r = marshal_append_dict(call, filter);
        return r < 0 ? service_fail_errno(session->service, r, NULL)
                     : service_call_job(session->service, call, ret_async);
}

vss_result vss_session_get_snapshot_properties(vss_session *session, const char *id,
                                               vss_value **ret_properties) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        vss_result result;

        if (!session || !id || !ret_properties)
                return service_invalid(session ? session->service : NULL,
                                       "a shadow copy is named by its id");
        result = SESSION_CALL(session, "GetSnapshotProperties", &reply, "s", id);
        return result < 0 ? result : service_read_dict(session->service, reply, ret_properties);
}

vss_result vss_session_open_snapshot(vss_session *session, const char *id, int *ret_mount_fd) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        vss_result result;
        int r, fd;

        if (!session || !id || !ret_mount_fd)
                return service_invalid(session ? session->service : NULL,
                                       "a shadow copy is named by its id");
        result = SESSION_CALL(session, "OpenSnapshot", &reply, "s", id);
        if (result < 0)
                return result;
        /* The message owns the one in it. */
        r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0) {
                fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                r = fd < 0 ? -errno : 0;
        }
        if (r < 0)
                return service_fail_errno(session->service, r, NULL);
        *ret_mount_fd = fd;
        return VSS_S_OK;
}

vss_result vss_session_backup_complete(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "BackupComplete", ret_async, "");
}

vss_result vss_session_add_snapshot_to_recovery_set(vss_session *session, const char *id, uint32_t flags,
                                                    const char *destination) {
        if (!session || !id)
                return service_invalid(session ? session->service : NULL, "a shadow copy is named by its id");
        return SESSION_CALL(session, "AddSnapshotToRecoverySet", NULL, "sus", id, flags, destination ?: "");
}

vss_result vss_session_recover_set(vss_session *session, uint32_t flags, vss_async **ret_async) {
        return SESSION_JOB(session, "RecoverSet", ret_async, "u", flags);
}

vss_result vss_session_import_snapshots(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "ImportSnapshots", ret_async, "");
}

vss_result vss_session_abort_backup(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "AbortBackup", ret_async, "");
}

vss_result vss_session_verify_writers(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "VerifyWriters", ret_async, "");
}

vss_result vss_session_set_dry_run(vss_session *session, bool dry_run) {
        return SESSION_CALL(session, "SetDryRun", NULL, "b", dry_run);
}

vss_result vss_session_set_restore_state(vss_session *session, enum vss_restore_type type) {
        return SESSION_CALL(session, "SetRestoreState", NULL, "u", (uint32_t)type);
}

vss_result vss_session_pre_restore(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "PreRestore", ret_async, "");
}

vss_result vss_session_post_restore(vss_session *session, vss_async **ret_async) {
        return SESSION_JOB(session, "PostRestore", ret_async, "");
}
