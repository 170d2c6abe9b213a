/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: their calls
 *
 * Every call is checked the same way: is the caller the owner, is the call legal now (model/session.h), then
 * the handler. Short ones are here; those that make jobs are in session-set.c and session-writers.c.
 */

#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "model/context.h"
#include "model/path.h"
#include "vssd/door.h"
#include "vssd/log.h"
#include "vssd/session.h"
#include "vssd/wanted.h"

typedef int (*SessionMethod)(Session *session, sd_bus_message *m, sd_bus_error *error);

/* Short calls */

static int initialize_for_backup(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "");
}

static int set_context(Session *session, sd_bus_message *m, sd_bus_error *error) {
        vss_result result;
        uint32_t context;
        Why why;
        int r = sd_bus_message_read(m, "u", &context);

        if (r < 0)
                return r;
        result = context_check(context, &why);
        if (result < 0)
                return bus_error_setf(error, result, "%s", why.text);
        session->set.context = context;
        return sd_bus_reply_method_return(m, "");
}

static int set_backup_state(Session *session, sd_bus_message *m, sd_bus_error *error) {
        int select, bootable, partial, r;
        uint32_t type;

        r = sd_bus_message_read(m, "bbub", &select, &bootable, &type, &partial);
        if (r < 0)
                return r;
        if (type < VSS_BT_FULL || type > VSS_BT_OTHER)
                return bus_error_setf(error, VSS_E_INVALIDARG, "%u is no backup type.", type);
        session->set.select_components = select;
        session->set.bootable_system_state = bootable;
        session->set.partial_file_support = partial;
        session->set.backup_type = (enum vss_backup_type)type;
        return sd_bus_reply_method_return(m, "");
}

static int set_restore_state(Session *session, sd_bus_message *m, sd_bus_error *error) {
        uint32_t type;
        int r = sd_bus_message_read(m, "u", &type);

        if (r < 0)
                return r;
        if (type < VSS_RTYPE_BY_COPY || type > VSS_RTYPE_OTHER)
                return bus_error_setf(error, VSS_E_INVALIDARG, "%u is no restore type.", type);
        session->set.restore_type = (enum vss_restore_type)type;
        return sd_bus_reply_method_return(m, "");
}

static int set_dry_run(Session *session, sd_bus_message *m, sd_bus_error *error) {
        int dry_run, r = sd_bus_message_read(m, "b", &dry_run);

        if (r < 0)
                return r;
        session->set.dry_run = dry_run;
        return sd_bus_reply_method_return(m, "");
}

static int read_writer_list(Session *session, sd_bus_message *m, vss_value **list) {
        vss_value *names = NULL;
        int r = marshal_read_strings(m, &names);

        if (r < 0)
                return r;
        /* After the gather the contract accepts the call and does nothing. */
        if (session->facts & SESSION_GATHERED)
                vss_value_free(names);
        else {
                vss_value_free(*list);
                *list = names;
        }
        return sd_bus_reply_method_return(m, "");
}

static int enable_writers(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return read_writer_list(session, m, &session->enabled);
}

static int disable_writers(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return read_writer_list(session, m, &session->disabled);
}

static int disable_instances(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return read_writer_list(session, m, &session->disabled_instances);
}

/* What was gathered is told no more; what the session itself needs of it, it keeps. The facts say so. */
static int forget(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "");
}

static int reply_dicts(sd_bus_message *m, const vss_value *list) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = marshal_append_dicts(reply, list);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int get_writer_metadata(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < session->set.n_writers; i++) {
                const SetWriter *writer = &session->set.writers[i];
                vss_value *metadata = vss_value_copy(writer->participant->info);

                (void)vss_value_set_string(metadata, "name", writer->participant->name);
                (void)vss_value_set_boolean(metadata, "disabled", writer->disabled);
                if (vss_value_append(list, metadata) < 0)
                        return -ENOMEM;
        }
        return reply_dicts(m, list);
}

static int hold_control_group(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const char *path;
        int r = sd_bus_message_read(m, "s", &path);

        return r < 0 ? r : set_add_cgroup(&session->set, path, m, error);
}

static int set_wanted_paths(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *paths = NULL;
        int r = marshal_read_strings(m, &paths);

        if (r < 0)
                return r;
        if (vss_value_count(paths) > WANTED_PATHS_MAX)
                return bus_error_setf(error, VSS_E_INVALIDARG, "At most %u paths can be wanted.", WANTED_PATHS_MAX);
        for (size_t i = 0; i < vss_value_count(paths); i++) {
                const char *path = vss_value_string(vss_value_at(paths, i), "");

                if (!path_is_normal(path))
                        return bus_error_setf(error, VSS_E_INVALIDARG,
                                              "%s is no absolute path, or not written in the shortest way.", path);
        }
        vss_value_free(session->wanted);
        session->wanted = TAKE_PTR(paths);
        return sd_bus_reply_method_return(m, "");
}

static int get_writer_status(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *status = set_writer_status(&session->set);

        return reply_dicts(m, status);
}

static int release(Session *session, sd_bus_message *m, sd_bus_error *error) {
        if (!session->releasing)
                session->releasing = sd_bus_message_ref(m);
        session_close(session);
        return 0;
}

/* The table of calls */

static const struct {
        const char *member;
        SessionCall call;
        SessionMethod method;
        bool is_job; /* the facts change at its end */
} methods[] = {
        { "InitializeForBackup", SESSION_CALL_INITIALIZE_FOR_BACKUP, initialize_for_backup, false },
        { "InitializeForBackupWithDocument", SESSION_CALL_INITIALIZE_FOR_BACKUP_WITH_DOCUMENT,
          session_begin_with_document, true },
        { "InitializeForRestore", SESSION_CALL_INITIALIZE_FOR_RESTORE, session_begin_restore, true },
        { "SetContext", SESSION_CALL_SET_CONTEXT, set_context, false },
        { "SetBackupState", SESSION_CALL_SET_BACKUP_STATE, set_backup_state, false },
        { "EnableWriterClasses", SESSION_CALL_ENABLE_WRITER_CLASSES, enable_writers, false },
        { "DisableWriterClasses", SESSION_CALL_DISABLE_WRITER_CLASSES, disable_writers, false },
        { "DisableWriterInstances", SESSION_CALL_DISABLE_WRITER_INSTANCES, disable_instances, false },
        { "GatherWriterMetadata", SESSION_CALL_GATHER_WRITER_METADATA, session_gather, true },
        { "GetWriterMetadata", SESSION_CALL_GET_WRITER_METADATA, get_writer_metadata, false },
        { "FreeWriterMetadata", SESSION_CALL_FREE_WRITER_METADATA, forget, false },
        { "AddComponent", SESSION_CALL_ADD_COMPONENT, session_add_component, false },
        { "SetBackupOptions", SESSION_CALL_SET_BACKUP_OPTIONS, session_set_component, false },
        { "SetPreviousBackupStamp", SESSION_CALL_SET_PREVIOUS_BACKUP_STAMP, session_set_component, false },
        { "GetWriterComponents", SESSION_CALL_GET_WRITER_COMPONENTS, session_get_components, false },
        { "StartSnapshotSet", SESSION_CALL_START_SNAPSHOT_SET, session_start_set, true },
        { "IsVolumeSupported", SESSION_CALL_IS_VOLUME_SUPPORTED, session_is_volume_supported, true },
        { "AddToSnapshotSet", SESSION_CALL_ADD_TO_SNAPSHOT_SET, session_add_volume, true },
        { "SetWantedPaths", SESSION_CALL_SET_WANTED_PATHS, set_wanted_paths, false },
        { "HoldControlGroup", SESSION_CALL_HOLD_CONTROL_GROUP, hold_control_group, false },
        { "PrepareForBackup", SESSION_CALL_PREPARE_FOR_BACKUP, session_prepare, true },
        { "DoSnapshotSet", SESSION_CALL_DO_SNAPSHOT_SET, session_do_set, true },
        { "GatherWriterStatus", SESSION_CALL_GATHER_WRITER_STATUS, session_gather_status, true },
        { "GetWriterStatus", SESSION_CALL_GET_WRITER_STATUS, get_writer_status, false },
        { "FreeWriterStatus", SESSION_CALL_FREE_WRITER_STATUS, forget, false },
        { "Query", SESSION_CALL_QUERY, session_query, true },
        { "GetSnapshotProperties", SESSION_CALL_GET_SNAPSHOT_PROPERTIES, session_get_snapshot, false },
        { "OpenSnapshot", SESSION_CALL_OPEN_SNAPSHOT, session_open_snapshot, false },
        { "SetBackupSucceeded", SESSION_CALL_SET_BACKUP_SUCCEEDED, session_set_component, false },
        { "BackupComplete", SESSION_CALL_BACKUP_COMPLETE, session_complete, true },
        { "SaveAsXML", SESSION_CALL_SAVE_AS_XML, session_save_document, false },
        { "SaveWriterMetadata", SESSION_CALL_SAVE_WRITER_METADATA, session_save_metadata, false },
        { "SetRestoreState", SESSION_CALL_SET_RESTORE_STATE, set_restore_state, false },
        { "VerifyWriters", SESSION_CALL_VERIFY_WRITERS, session_verify, true },
        { "SetDryRun", SESSION_CALL_SET_DRY_RUN, set_dry_run, false },
        { "SetSelectedForRestore", SESSION_CALL_SET_SELECTED_FOR_RESTORE, session_set_component, false },
        { "SetRestoreOptions", SESSION_CALL_SET_RESTORE_OPTIONS, session_set_component, false },
        { "SetAdditionalRestores", SESSION_CALL_SET_ADDITIONAL_RESTORES, session_set_component, false },
        { "AddRestoreSubcomponent", SESSION_CALL_ADD_RESTORE_SUBCOMPONENT, session_set_component, false },
        { "AddNewTarget", SESSION_CALL_ADD_NEW_TARGET, session_set_component, false },
        { "SetAuthoritativeRestore", SESSION_CALL_SET_AUTHORITATIVE_RESTORE, session_set_component, false },
        { "SetRollForward", SESSION_CALL_SET_ROLL_FORWARD, session_set_component, false },
        { "SetRestoreName", SESSION_CALL_SET_RESTORE_NAME, session_set_component, false },
        { "PreRestore", SESSION_CALL_PRE_RESTORE, session_pre_restore, true },
        { "AddAlternativeLocationMapping", SESSION_CALL_ADD_ALTERNATIVE_LOCATION_MAPPING,
          session_set_component, false },
        { "SetRangesFilePath", SESSION_CALL_SET_RANGES_FILE_PATH, session_set_component, false },
        { "SetFileRestoreStatus", SESSION_CALL_SET_FILE_RESTORE_STATUS, session_set_component, false },
        { "PostRestore", SESSION_CALL_POST_RESTORE, session_post_restore, true },
        { "ImportSnapshots", SESSION_CALL_IMPORT_SNAPSHOTS, session_import, true },
        { "AddSnapshotToRecoverySet", SESSION_CALL_ADD_SNAPSHOT_TO_RECOVERY_SET, session_add_to_recovery_set,
          true },
        { "RecoverSet", SESSION_CALL_RECOVER_SET, session_recover_set, true },
        { "AbortBackup", SESSION_CALL_ABORT_BACKUP, session_abort, true },
        { "Release", SESSION_CALL_RELEASE, release, true },
};

static Session *find_by_path(Manager *manager, const char *path) {
        for (Session *session = manager->sessions; session; session = session->next)
                if (strcmp(session->path, path) == 0)
                        return session;
        return NULL;
}

static int dispatch(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Session *session = find_by_path(manager, sd_bus_message_get_path(m));
        const char *why = "";
        int r;

        if (!session || session->closing)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND, "The session is over.");
        if (!session->owner || strcmp(session->owner, sd_bus_message_get_sender(m)) != 0)
                return bus_error_setf(error, VSS_E_ACCESSDENIED, "Session %s belongs to somebody else.",
                                      session->id);
        FOREACH_ELEMENT (row, methods) {
                if (strcmp(row->member, sd_bus_message_get_member(m)) != 0)
                        continue;
                if (!session_may(row->call, session->facts, session->set.context, &why))
                        return bus_error_setf(error, VSS_E_BAD_STATE, "%s is not possible now: %s.",
                                              row->member, why);
                r = row->method(session, m, error);
                if (r >= 0 && !sd_bus_error_is_set(error) && !row->is_job)
                        session->facts = session_after(row->call, session->facts);
                return r;
        }
        return bus_error_setf(error, VSS_E_NOT_SUPPORTED, "There is no such call.");
}

/* Whoever has a session may do all that a session is for, but for these. */
static const char *action_of(const char *member) {
        if (strcmp(member, "ImportSnapshots") == 0 || strcmp(member, "RecoverSet") == 0)
                return DOOR_ADMIN;
        return strcmp(member, "InitializeForRestore") == 0 ? DOOR_RESTORE : NULL;
}

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Session *session = userdata;
        const char *member = sd_bus_message_get_member(m);

        if (strcmp(member, "AbortBackup") == 0 || strcmp(member, "Release") == 0)
                return door_enter_now(session->manager, m, NULL, dispatch, error);
        return door_enter(session->manager, m, action_of(member), dispatch, error);
}

static int property_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Session *session = userdata;

        return sd_bus_message_append(reply, "s", session_state_name(session->facts));
}

static int property_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Session *session = userdata;

        return sd_bus_message_append(reply, "s", session->id);
}

#define METHOD(member, in, in_names, out, out_names) \
        SD_BUS_METHOD_WITH_NAMES(member, in, in_names, out, out_names, on_method, SD_BUS_VTABLE_UNPRIVILEGED)
#define METHOD_BARE(member) SD_BUS_METHOD(member, "", "", on_method, SD_BUS_VTABLE_UNPRIVILEGED)
#define P(name) SD_BUS_PARAM(name)
#define COMPONENT P(writer) P(logical_path) P(name)
#define FILE_SET P(path) P(filespec) P(recursive) P(alternate_path)

const sd_bus_vtable session_vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD_BARE("InitializeForBackup"),
        METHOD("InitializeForBackupWithDocument", "h", P(document), "o", P(job)),
        METHOD("InitializeForRestore", "h", P(document), "o", P(job)),
        METHOD("SetContext", "u", P(context), "", ),
        METHOD("SetBackupState", "bbub",
               P(select_components) P(bootable_system_state) P(backup_type) P(partial_file_support), "", ),
        METHOD("EnableWriterClasses", "as", P(writers), "", ),
        METHOD("DisableWriterClasses", "as", P(writers), "", ),
        METHOD("DisableWriterInstances", "as", P(writers), "", ),
        METHOD("GatherWriterMetadata", "", , "o", P(job)),
        METHOD("GetWriterMetadata", "", , "aa{sv}", P(writers)),
        METHOD_BARE("FreeWriterMetadata"),
        METHOD("AddComponent", "sss", COMPONENT, "", ),
        METHOD("SetBackupOptions", "ssss", COMPONENT P(options), "", ),
        METHOD("SetPreviousBackupStamp", "ssss", COMPONENT P(stamp), "", ),
        METHOD("GetWriterComponents", "", , "aa{sv}", P(writers)),
        METHOD("StartSnapshotSet", "", , "s", P(set)),
        METHOD("IsVolumeSupported", "ss", P(path) P(provider), "o", P(job)),
        METHOD("AddToSnapshotSet", "ss", P(path) P(provider), "o", P(job)),
        METHOD("SetWantedPaths", "as", P(paths), "", ),
        METHOD("HoldControlGroup", "s", P(cgroup), "", ),
        METHOD("PrepareForBackup", "", , "o", P(job)),
        METHOD("DoSnapshotSet", "", , "o", P(job)),
        METHOD("GatherWriterStatus", "", , "o", P(job)),
        METHOD("GetWriterStatus", "", , "aa{sv}", P(writers)),
        METHOD_BARE("FreeWriterStatus"),
        METHOD("Query", "a{sv}", P(filter), "o", P(job)),
        METHOD("GetSnapshotProperties", "s", P(id), "a{sv}", P(properties)),
        METHOD("OpenSnapshot", "s", P(id), "h", P(mount)),
        METHOD("SetBackupSucceeded", "sssb", COMPONENT P(succeeded), "", ),
        METHOD("BackupComplete", "", , "o", P(job)),
        METHOD("SaveAsXML", "", , "h", P(document)),
        METHOD("SaveWriterMetadata", "s", P(writer), "h", P(document)),
        METHOD("SetRestoreState", "u", P(restore_type), "", ),
        METHOD("VerifyWriters", "", , "o", P(job)),
        METHOD("SetDryRun", "b", P(dry_run), "", ),
        METHOD("SetSelectedForRestore", "sssb", COMPONENT P(selected), "", ),
        METHOD("SetRestoreOptions", "ssss", COMPONENT P(options), "", ),
        METHOD("SetAdditionalRestores", "sssb", COMPONENT P(additional), "", ),
        METHOD("AddRestoreSubcomponent", "sssss", COMPONENT P(sub_logical_path) P(sub_name), "", ),
        METHOD("AddNewTarget", "sssssbs", COMPONENT FILE_SET, "", ),
        METHOD("SetAuthoritativeRestore", "sssb", COMPONENT P(authoritative), "", ),
        METHOD("SetRollForward", "sssus", COMPONENT P(roll_forward_type) P(point), "", ),
        METHOD("SetRestoreName", "ssss", COMPONENT P(restore_name), "", ),
        METHOD("PreRestore", "", , "o", P(job)),
        METHOD("AddAlternativeLocationMapping", "sssssbs", COMPONENT FILE_SET, "", ),
        METHOD("SetRangesFilePath", "sssus", COMPONENT P(index) P(path), "", ),
        METHOD("SetFileRestoreStatus", "sssu", COMPONENT P(status), "", ),
        METHOD("PostRestore", "", , "o", P(job)),
        METHOD("ImportSnapshots", "", , "o", P(job)),
        METHOD("AddSnapshotToRecoverySet", "sus", P(id) P(flags) P(destination), "", ),
        METHOD("RecoverSet", "u", P(flags), "o", P(job)),
        METHOD("AbortBackup", "", , "o", P(job)),
        METHOD_BARE("Release"),
        SD_BUS_PROPERTY("Id", "s", property_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_state, 0, 0),
        SD_BUS_VTABLE_END,
};
