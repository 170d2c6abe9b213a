/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: what a requester says of components, and reads of them
 */

#include <string.h>
#include "lib/session.h"

/* The three that name a component, as far as they must be there. */
static vss_result check(vss_session *session, const char *writer, const char *name) {
        return session && writer && name ? VSS_S_OK
                                         : service_invalid(session ? session->service : NULL,
                                                           "a component has a writer and a name");
}

/* A setter's call: the component, then @types of the arguments. */
#define COMPONENT_CALL(session, member, writer, logical_path, name, types, ...)                   \
        (check(session, writer, name) < 0                                                         \
                 ? VSS_E_INVALIDARG                                                               \
                 : SESSION_CALL(session, member, NULL, "sss" types, writer, (logical_path) ?: "", \
                                name __VA_OPT__(, ) __VA_ARGS__))

vss_result vss_session_add_component(vss_session *session, const char *writer, const char *logical_path,
                                     const char *name) {
        return COMPONENT_CALL(session, "AddComponent", writer, logical_path, name, "");
}

vss_result vss_session_set_backup_succeeded(vss_session *session, const char *writer,
                                            const char *logical_path, const char *name, bool succeeded) {
        return COMPONENT_CALL(session, "SetBackupSucceeded", writer, logical_path, name, "b", succeeded);
}

vss_result vss_session_set_backup_options(vss_session *session, const char *writer, const char *logical_path,
                                          const char *name, const char *options) {
        return COMPONENT_CALL(session, "SetBackupOptions", writer, logical_path, name, "s", options ?: "");
}

vss_result vss_session_set_previous_backup_stamp(vss_session *session, const char *writer,
                                                 const char *logical_path, const char *name,
                                                 const char *stamp) {
        return COMPONENT_CALL(session, "SetPreviousBackupStamp", writer, logical_path, name, "s",
                              stamp ?: "");
}

vss_result vss_session_get_writer_components(vss_session *session, vss_value **ret_writers) {
        return session_call_list(session, "GetWriterComponents", ret_writers);
}

vss_result vss_session_set_selected_for_restore(vss_session *session, const char *writer,
                                                const char *logical_path, const char *name, bool selected) {
        return COMPONENT_CALL(session, "SetSelectedForRestore", writer, logical_path, name, "b", selected);
}

vss_result vss_session_set_restore_options(vss_session *session, const char *writer,
                                           const char *logical_path, const char *name, const char *options) {
        return COMPONENT_CALL(session, "SetRestoreOptions", writer, logical_path, name, "s", options ?: "");
}

vss_result vss_session_set_additional_restores(vss_session *session, const char *writer,
                                               const char *logical_path, const char *name, bool additional) {
        return COMPONENT_CALL(session, "SetAdditionalRestores", writer, logical_path, name, "b", additional);
}

vss_result vss_session_add_restore_subcomponent(vss_session *session, const char *writer,
                                                const char *logical_path, const char *name,
                                                const char *sub_logical_path, const char *sub_name) {
        if (session && !sub_name)
                return service_invalid(session->service, "a subcomponent has a name");
        return COMPONENT_CALL(session, "AddRestoreSubcomponent", writer, logical_path, name, "ss",
                              sub_logical_path ?: "", sub_name);
}

vss_result vss_session_add_new_target(vss_session *session, const char *writer, const char *logical_path,
                                      const char *name, const char *path, const char *filespec,
                                      bool recursive, const char *alternate_path) {
        if (session && (!path || !filespec || !alternate_path))
                return service_invalid(session->service, "a new target has a file set and a directory");
        return COMPONENT_CALL(session, "AddNewTarget", writer, logical_path, name, "ssbs", path, filespec,
                              recursive, alternate_path);
}

vss_result vss_session_add_alternative_location_mapping(vss_session *session, const char *writer,
                                                        const char *logical_path, const char *name,
                                                        const char *path, const char *filespec,
                                                        bool recursive, const char *alternate_path) {
        if (session && (!path || !filespec || !alternate_path))
                return service_invalid(session->service, "a mapping has a file set and a directory");
        return COMPONENT_CALL(session, "AddAlternativeLocationMapping", writer, logical_path, name, "ssbs",
                              path, filespec, recursive, alternate_path);
}

vss_result vss_session_set_ranges_file_path(vss_session *session, const char *writer,
                                            const char *logical_path, const char *name, uint32_t index,
                                            const char *path) {
        if (session && !path)
                return service_invalid(session->service, "a ranges file has a path");
        return COMPONENT_CALL(session, "SetRangesFilePath", writer, logical_path, name, "us", index, path);
}

vss_result vss_session_set_file_restore_status(vss_session *session, const char *writer,
                                               const char *logical_path, const char *name,
                                               enum vss_file_restore_status status) {
        return COMPONENT_CALL(session, "SetFileRestoreStatus", writer, logical_path, name, "u",
                              (uint32_t)status);
}

vss_result vss_session_set_authoritative_restore(vss_session *session, const char *writer,
                                                 const char *logical_path, const char *name,
                                                 bool authoritative) {
        return COMPONENT_CALL(session, "SetAuthoritativeRestore", writer, logical_path, name, "b",
                              authoritative);
}

vss_result vss_session_set_roll_forward(vss_session *session, const char *writer, const char *logical_path,
                                        const char *name, enum vss_rollforward_type type,
                                        const char *point) {
        return COMPONENT_CALL(session, "SetRollForward", writer, logical_path, name, "us", (uint32_t)type,
                              point ?: "");
}

vss_result vss_session_set_restore_name(vss_session *session, const char *writer, const char *logical_path,
                                        const char *name, const char *restore_name) {
        if (session && !restore_name)
                return service_invalid(session->service, "a component is restored under a name");
        return COMPONENT_CALL(session, "SetRestoreName", writer, logical_path, name, "s", restore_name);
}
