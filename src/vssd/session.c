/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions
 *
 * Every call is checked the same way: is the caller the owner, is the call legal now (model/session.h), then
 * the handler. What a session holds ends with its owner's connection or its lease, whichever it was made
 * with.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "model/id.h"
#include "model/path.h"
#include "util/clock.h"
#include "util/utf8.h"
#include "vssd/catalog.h"
#include "vssd/door.h"
#include "vssd/farewell.h"
#include "vssd/log.h"
#include "vssd/session.h"
#include "vssd/set-run.h"

#define LEASE_SECONDS_MAX (7u * 24 * 3600)
#define WAIT_SECONDS_MAX 3600

typedef int (*SessionMethod)(Session *session, sd_bus_message *m, sd_bus_error *error);

/* Short calls */

static int initialize_for_backup(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "");
}

static int set_context(Session *session, sd_bus_message *m, sd_bus_error *error) {
        static const uint32_t bases[] = {
                VSS_CTX_BACKUP,       VSS_CTX_FILE_SHARE_BACKUP, VSS_CTX_NAS_ROLLBACK,
                VSS_CTX_APP_ROLLBACK, VSS_CTX_CLIENT_ACCESSIBLE, VSS_CTX_CLIENT_ACCESSIBLE_WRITERS
        };
        const uint32_t base_mask = VSS_VOLSNAP_ATTR_PERSISTENT | VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE |
                                   VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE | VSS_VOLSNAP_ATTR_NO_WRITERS;
        const uint32_t additions = VSS_VOLSNAP_ATTR_NO_AUTORECOVERY | VSS_VOLSNAP_ATTR_NOT_TRANSACTED |
                                   VSS_VOLSNAP_ATTR_DIFFERENTIAL | VSS_VOLSNAP_ATTR_PLEX |
                                   VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY | VSS_VOLSNAP_ATTR_TXF_RECOVERY;
        uint32_t context;
        bool known = false;
        int r = sd_bus_message_read(m, "u", &context);

        if (r < 0)
                return r;
        FOREACH_ELEMENT (base, bases)
                known = known || (context & base_mask) == *base;
        if (!known || (context & ~(base_mask | additions)) != 0)
                return bus_error_setf(
                        error, VSS_E_UNSUPPORTED_CONTEXT,
                        "Context 0x%x is not one of the contexts, or has attributes that are not "
                        "supported here.",
                        context);
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
        session->set.backup_type = (enum vss_backup_type)type;
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

static const vss_value *find_component(const vss_value *list, const char *logical_path, const char *name) {
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *component = vss_value_at(list, i);

                if (strcmp(vss_value_get_string(component, "logical-path", ""), logical_path) == 0 &&
                    strcmp(vss_value_get_string(component, "name", ""), name) == 0)
                        return component;
        }
        return NULL;
}

static int find_writer(Session *session, const char *name, SetWriter **ret_writer, sd_bus_error *error) {
        SetWriter *writer = set_find_writer(&session->set, name);

        if (!writer)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "There is no writer %s in this session. See vss list writers.", name);
        *ret_writer = writer;
        return 0;
}

static int add_component(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const char *name, *logical_path, *component;
        vss_value *chosen;
        SetWriter *writer = NULL;
        int r;

        r = sd_bus_message_read(m, "sss", &name, &logical_path, &component);
        if (r >= 0)
                r = find_writer(session, name, &writer, error);
        if (r < 0)
                return r;
        if (!find_component(vss_value_get(writer->participant->info, "components"), logical_path, component))
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "Writer %s has no component \"%s%s%s\". See vss list components.",
                                      writer->participant->name, logical_path, *logical_path ? "/" : "",
                                      component);
        if (find_component(writer->chosen, logical_path, component))
                return bus_error_setf(error, VSS_E_OBJECT_ALREADY_EXISTS,
                                      "Component \"%s%s%s\" has been added already.", logical_path,
                                      *logical_path ? "/" : "", component);
        chosen = vss_value_new_dict();
        (void)vss_value_set_string(chosen, "logical-path", logical_path);
        (void)vss_value_set_string(chosen, "name", component);
        if (vss_value_append(writer->chosen, chosen) < 0)
                return -ENOMEM;
        return sd_bus_reply_method_return(m, "");
}

static int set_backup_succeeded(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const char *name, *logical_path, *component;
        vss_value *chosen = NULL;
        SetWriter *writer = NULL;
        int succeeded, r;

        r = sd_bus_message_read(m, "sssb", &name, &logical_path, &component, &succeeded);
        if (r >= 0)
                r = find_writer(session, name, &writer, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < vss_value_count(writer->chosen) && !chosen; i++) {
                vss_value *at = value_at_mutable(writer->chosen, i);

                if (strcmp(vss_value_get_string(at, "logical-path", ""), logical_path) == 0 &&
                    strcmp(vss_value_get_string(at, "name", ""), component) == 0)
                        chosen = at;
        }
        if (!chosen)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "Component \"%s%s%s\" of %s was not added.", logical_path,
                                      *logical_path ? "/" : "", component, name);
        if (vss_value_set_boolean(chosen, "succeeded", succeeded) < 0)
                return -ENOMEM;
        return sd_bus_reply_method_return(m, "");
}

static int hold_control_group(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const char *path;
        int r = sd_bus_message_read(m, "s", &path);

        return r < 0 ? r : set_add_cgroup(&session->set, path, m, error);
}

static int get_writer_status(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *status = set_writer_status(&session->set);

        return reply_dicts(m, status);
}

static int find_snapshot(Session *session, sd_bus_message *m, SetVolume **ret_volume, sd_bus_error *error) {
        SetVolume *volume = NULL;
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0)
                return r;
        if (session->facts & SESSION_SNAPSHOT_DONE)
                volume = set_find_snapshot(&session->set, id);
        if (!volume)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "Shadow copy %s is not of this session.", id);
        *ret_volume = volume;
        return 0;
}

static int get_snapshot_properties(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        SetVolume *volume = NULL;
        int r = find_snapshot(session, m, &volume, error);

        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = marshal_append_dict(reply, volume->properties);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void on_snapshot_opened(void *userdata, const Failure *failure, int fd) {
        _cleanup_message_ sd_bus_message *m = userdata;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(closep) int mount_fd = fd;
        int r;

        if (failure->code < 0) {
                (void)bus_error_setf(&error, failure->code, "%s", failure_message(failure));
                r = sd_bus_reply_method_error(m, &error);
        } else
                r = sd_bus_reply_method_return(m, "h", mount_fd);
        if (r < 0)
                log_warning("cannot answer OpenSnapshot: %s", strerror(-r));
}

static int open_snapshot(Session *session, sd_bus_message *m, sd_bus_error *error) {
        SetVolume *volume = NULL;
        int r = find_snapshot(session, m, &volume, error);

        if (r >= 0)
                r = catalog_open(session->manager, volume->id, on_snapshot_opened, m);
        if (r >= 0)
                (void)sd_bus_message_ref(m);
        return r;
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
        { "SetContext", SESSION_CALL_SET_CONTEXT, set_context, false },
        { "SetBackupState", SESSION_CALL_SET_BACKUP_STATE, set_backup_state, false },
        { "EnableWriterClasses", SESSION_CALL_ENABLE_WRITER_CLASSES, enable_writers, false },
        { "DisableWriterClasses", SESSION_CALL_DISABLE_WRITER_CLASSES, disable_writers, false },
        { "GatherWriterMetadata", SESSION_CALL_GATHER_WRITER_METADATA, session_gather, true },
        { "GetWriterMetadata", SESSION_CALL_GET_WRITER_METADATA, get_writer_metadata, false },
        { "AddComponent", SESSION_CALL_ADD_COMPONENT, add_component, false },
        { "StartSnapshotSet", SESSION_CALL_START_SNAPSHOT_SET, session_start_set, true },
        { "AddToSnapshotSet", SESSION_CALL_ADD_TO_SNAPSHOT_SET, session_add_volume, true },
        { "HoldControlGroup", SESSION_CALL_HOLD_CONTROL_GROUP, hold_control_group, false },
        { "PrepareForBackup", SESSION_CALL_PREPARE_FOR_BACKUP, session_prepare, true },
        { "DoSnapshotSet", SESSION_CALL_DO_SNAPSHOT_SET, session_do_set, true },
        { "GatherWriterStatus", SESSION_CALL_GATHER_WRITER_STATUS, session_gather_status, true },
        { "GetWriterStatus", SESSION_CALL_GET_WRITER_STATUS, get_writer_status, false },
        { "GetSnapshotProperties", SESSION_CALL_GET_SNAPSHOT_PROPERTIES, get_snapshot_properties, false },
        { "OpenSnapshot", SESSION_CALL_OPEN_SNAPSHOT, open_snapshot, false },
        { "SetBackupSucceeded", SESSION_CALL_SET_BACKUP_SUCCEEDED, set_backup_succeeded, false },
        { "BackupComplete", SESSION_CALL_BACKUP_COMPLETE, session_complete, true },
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

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Session *session = userdata;
        const char *member = sd_bus_message_get_member(m);

        if (strcmp(member, "AbortBackup") == 0 || strcmp(member, "Release") == 0)
                return door_enter_now(session->manager, m, NULL, dispatch, error);
        return door_enter(session->manager, m, NULL, dispatch, error);
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

static const sd_bus_vtable session_vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD_BARE("InitializeForBackup"),
        METHOD("SetContext", "u", P(context), "", ),
        METHOD("SetBackupState", "bbub",
               P(select_components) P(bootable_system_state) P(backup_type) P(partial_file_support), "", ),
        METHOD("EnableWriterClasses", "as", P(writers), "", ),
        METHOD("DisableWriterClasses", "as", P(writers), "", ),
        METHOD("GatherWriterMetadata", "", , "o", P(job)),
        METHOD("GetWriterMetadata", "", , "aa{sv}", P(writers)),
        METHOD("AddComponent", "sss", P(writer) P(logical_path) P(name), "", ),
        METHOD("StartSnapshotSet", "", , "s", P(set)),
        METHOD("AddToSnapshotSet", "ss", P(path) P(provider), "o", P(job)),
        METHOD("HoldControlGroup", "s", P(cgroup), "", ),
        METHOD("PrepareForBackup", "", , "o", P(job)),
        METHOD("DoSnapshotSet", "", , "o", P(job)),
        METHOD("GatherWriterStatus", "", , "o", P(job)),
        METHOD("GetWriterStatus", "", , "aa{sv}", P(writers)),
        METHOD("GetSnapshotProperties", "s", P(id), "a{sv}", P(properties)),
        METHOD("OpenSnapshot", "s", P(id), "h", P(mount)),
        METHOD("SetBackupSucceeded", "sssb", P(writer) P(logical_path) P(name) P(succeeded), "", ),
        METHOD("BackupComplete", "", , "o", P(job)),
        METHOD("AbortBackup", "", , "o", P(job)),
        METHOD_BARE("Release"),
        SD_BUS_PROPERTY("Id", "s", property_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_state, 0, 0),
        SD_BUS_VTABLE_END,
};

/* Life */

static Session *session_free(Session *session) {
        if (!session)
                return NULL;
        if (session->previous)
                session->previous->next = session->next;
        else if (session->manager->sessions == session)
                session->manager->sessions = session->next;
        if (session->next)
                session->next->previous = session->previous;
        if (session->path[0])
                session->manager->n_sessions--;
        session_release_turn(session);
        session_cancel_work(session);
        sd_bus_slot_unref(session->slot);
        sd_bus_slot_unref(session->watch);
        sd_event_source_disable_unref(session->lease);
        sd_event_source_disable_unref(session->delete_again);
        set_clear(&session->set);
        vss_value_free(session->enabled);
        vss_value_free(session->disabled);
        vss_value_free(session->left_out);
        vss_value_free(session->result);
        sd_bus_message_unref(session->releasing);
        free(session->label);
        free(session->owner);
        free(session);
        return NULL;
}

DEFINE_CLEANUP(Session *, session_free)

static int on_lease_over(sd_event_source *source, uint64_t usec, void *userdata) {
        Session *session = userdata;

        log_warning("the lease of session %s is over", session->id);
        session_close(session);
        return 0;
}

int session_renew(Session *session, uint32_t seconds) {
        int r;

        session->lease = sd_event_source_disable_unref(session->lease);
        r = sd_event_add_time_relative(session->manager->event, &session->lease, CLOCK_MONOTONIC,
                                       seconds * USEC_PER_SEC, 100 * USEC_PER_MSEC, on_lease_over, session);
        if (r >= 0)
                session->lease_usec = now_usec() + seconds * USEC_PER_SEC;
        return r;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Session *session = userdata;
        const char *name, *from, *to;

        if (sd_bus_message_read(m, "sss", &name, &from, &to) < 0 || *to || !session->owner ||
            strcmp(name, session->owner) != 0)
                return 0;
        free(TAKE_PTR(session->owner));
        if (session->lease)
                return 0;
        log_info("the requester of session %s left; the session ends", session->id);
        session_close(session);
        return 0;
}

static int own(Session *session, sd_bus_message *m) {
        char match[256];
        sd_bus_creds *creds = NULL;
        char *owner = strdup(sd_bus_message_get_sender(m));
        uid_t uid;
        int r;

        if (!owner)
                return -ENOMEM;
        free(session->owner);
        session->owner = owner;
        session->watch = sd_bus_slot_unref(session->watch);
        (void)snprintf(match, sizeof(match),
                       "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                       "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                       owner);
        r = sd_bus_add_match_async(session->manager->bus, &session->watch, match, on_owner_changed, NULL,
                                   session);
        if (r < 0)
                return r;
        if (sd_bus_query_sender_creds(m, SD_BUS_CREDS_PID, &creds) >= 0)
                (void)sd_bus_creds_get_pid(creds, &session->pid);
        sd_bus_creds_unref(creds);
        /* Asked behind the match: whoever leaves is noticed, by the signal or by there being no answer. */
        r = door_sender_uid(m, &uid);
        if (r < 0)
                free(TAKE_PTR(session->owner));
        return r;
}

/* An option of the wrong type must not pass for one that was not given. */
static const char *find_misfit(const vss_value *options) {
        static const struct {
                const char *name;
                enum vss_kind kind;
        } known[] = {
                { "lease", VSS_KIND_INTEGER },
                { "wait", VSS_KIND_INTEGER },
                { "require", VSS_KIND_STRING },
                { "label", VSS_KIND_STRING },
        };

        FOREACH_ELEMENT (option, known) {
                const vss_value *value = vss_value_get(options, option->name);

                if (value && vss_value_kind(value) != option->kind)
                        return option->name;
        }
        return NULL;
}

static int read_options(Session *session, const vss_value *options, uint32_t *ret_lease,
                        sd_bus_error *error) {
        int64_t lease = vss_value_get_integer(options, "lease", 0);
        int64_t wait = vss_value_get_integer(options, "wait", 0);
        const char *require = vss_value_get_string(options, "require", "none");
        const char *misfit = find_misfit(options);

        if (misfit)
                return bus_error_setf(error, VSS_E_INVALIDARG, "The option %s has the wrong type.", misfit);
        if (lease < 0 || lease > LEASE_SECONDS_MAX || wait < 0 || wait > WAIT_SECONDS_MAX)
                return bus_error_setf(error, VSS_E_INVALIDARG,
                                      "A lease is %u seconds at most, and a wait %d.", LEASE_SECONDS_MAX,
                                      WAIT_SECONDS_MAX);
        if (vss_level_from_name(require, &session->require) < 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "\"%s\" is no level.", require);
        session->wait_usec = (uint64_t)wait * USEC_PER_SEC;
        session->label = text_make_utf8(strndup(vss_value_get_string(options, "label", ""), 128));
        *ret_lease = (uint32_t)lease;
        return session->label ? 0 : -ENOMEM;
}

int session_create(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(session_freep) Session *session = NULL;
        _cleanup_value_ vss_value *options = NULL;
        uint32_t lease = 0;
        int r;

        r = marshal_read_dict(m, &options);
        if (r < 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "The options cannot be read.");
        if (manager->n_sessions >= manager->settings.sessions_max)
                return bus_error_setf(
                        error, VSS_E_MAXIMUM_NUMBER_OF_SETS_REACHED,
                        "There are %lu sessions already, and no more are allowed (MaximumSessions). "
                        "See vss list sessions.",
                        manager->settings.sessions_max);
        session = calloc(1, sizeof(*session));
        if (!session)
                return -ENOMEM;
        *session = (Session){ .manager = manager,
                              .set = { .manager = manager, .backup_type = VSS_BT_COPY },
                              .created_usec = now_usec(),
                              .left_out = vss_value_new_list() };
        r = read_options(session, options, &lease, error);
        if (r >= 0 && !sd_bus_error_is_set(error))
                r = id_new(session->id);
        if (r >= 0 && lease > 0)
                r = id_new(session->token);
        if (r >= 0)
                r = door_sender_uid(m, &session->uid);
        if (r >= 0)
                r = own(session, m);
        if (r >= 0 && lease > 0)
                r = session_renew(session, lease);
        if (r < 0 || sd_bus_error_is_set(error))
                return r;

        session->next = manager->sessions;
        if (session->next)
                session->next->previous = session;
        manager->sessions = session;
        manager->n_sessions++;
        (void)snprintf(session->path, sizeof(session->path), BUS_PATH_SESSION "/%" PRIu64,
                       ++manager->last_session);
        r = sd_bus_add_object_vtable(manager->bus, &session->slot, session->path, BUS_SESSION,
                                     session_vtable, session);
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "oss", session->path, session->id, session->token);
        if (r >= 0)
                (void)TAKE_PTR(session);
        return r;
}

Session *session_find(Manager *manager, const char *id) {
        for (Session *session = manager->sessions; session; session = session->next)
                if (strcasecmp(session->id, id) == 0)
                        return session;
        return NULL;
}

Session *session_find_token(Manager *manager, const char *token) {
        for (Session *session = manager->sessions; session; session = session->next)
                if (*session->token && !session->closing && strcmp(session->token, token) == 0)
                        return session;
        return NULL;
}

int session_adopt(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Session *session;
        const char *token;
        uid_t uid;
        int r = sd_bus_message_read(m, "s", &token);

        if (r >= 0)
                r = door_sender_uid(m, &uid);
        if (r < 0)
                return r;
        session = session_find_token(manager, token);
        if (!session || session->uid != uid)
                return bus_error_setf(
                        error, VSS_E_OBJECT_NOT_FOUND,
                        "No leased session has this token: it is wrong, of another user, or the lease "
                        "is over.");
        r = own(session, m);
        return r < 0 ? r : sd_bus_reply_method_return(m, "os", session->path, session->id);
}

vss_value *session_describe(const Session *session) {
        vss_value *value = vss_value_new_dict();
        uint64_t now = now_usec();

        (void)vss_value_set_string(value, "id", session->id);
        (void)vss_value_set_string(value, "label", session->label);
        (void)vss_value_set_integer(value, "owner", session->uid);
        (void)vss_value_set_integer(value, "pid", session->pid);
        (void)vss_value_set_string(value, "state", session_state_name(session->facts));
        (void)vss_value_set_string(value, "set", session->set.id);
        (void)vss_value_set_boolean(value, "creating", session->manager->creating == session);
        (void)vss_value_set_integer(value, "age-usec", (int64_t)(now - session->created_usec));
        (void)vss_value_set_integer(
                value, "lease-usec",
                session->lease && session->lease_usec > now ? (int64_t)(session->lease_usec - now) : 0);
        return value;
}

/* The end of a session */

static void close_done(Session *session) {
        if (session->releasing && sd_bus_reply_method_return(session->releasing, "") < 0)
                log_warning("cannot answer Release");
        session->releasing = sd_bus_message_unref(session->releasing);
        job_done(TAKE_PTR(session->close_job), NULL, NULL);
}

/* A provider that died or hung is tried again, later and later: nobody else will delete what was made for this
 * session alone. The requester does not wait for that. */
#define DELETE_TRIES 6u
#define DELETE_RETRY_USEC (500 * USEC_PER_MSEC)

static void delete_copies(Session *session);

static int on_delete_again(sd_event_source *source, uint64_t usec, void *userdata) {
        delete_copies(userdata);
        return 0;
}

static void on_deleted(void *userdata, const Failure *failure, vss_value *result) {
        Session *session = userdata;
        const vss_value *failed = vss_value_get(result, "failed");
        bool again = failure->code < 0;

        for (size_t i = 0; i < vss_value_count(failed); i++) {
                const vss_value *one = vss_value_at(failed, i);

                if (vss_value_get_integer(one, "code", 0) == VSS_E_OBJECT_NOT_FOUND)
                        continue;
                again = true;
                log_error("shadow copy %s cannot be deleted: %s", vss_value_get_string(one, "id", ""),
                          vss_value_get_string(one, "reason", ""));
        }
        close_done(session);
        session->delete_again = sd_event_source_disable_unref(session->delete_again);
        if (!again || session->delete_tries >= DELETE_TRIES ||
            sd_event_add_time_relative(session->manager->event, &session->delete_again, CLOCK_MONOTONIC,
                                       DELETE_RETRY_USEC << session->delete_tries++, 10 * USEC_PER_MSEC,
                                       on_delete_again, session) < 0)
                session_free(session);
}

static void delete_copies(Session *session) {
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        vss_value *ids = value_require(selection, "snapshots", VSS_KIND_LIST);
        Failure none = { 0 };

        if ((session->facts & SESSION_SNAPSHOT_DONE) &&
            !(session->set.context & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE))
                for (size_t i = 0; i < session->set.n_volumes; i++)
                        (void)value_append_string(ids, session->set.volumes[i].id);
        if (vss_value_count(ids) == 0 ||
            catalog_delete(session->manager, selection, on_deleted, session) < 0)
                on_deleted(session, &none, NULL);
}

static void on_unwound(Session *session) {
        for (size_t i = 0; i < session->set.n_writers; i++) {
                SetWriter *writer = &session->set.writers[i];
                _cleanup_value_ vss_value *event = NULL;

                if (!writer->told)
                        continue;
                event = set_event(&session->set, session->id, writer, 0);
                farewell_writer(writer->participant, "BackupShutdown", event);
        }
        delete_copies(session);
}

void session_close(Session *session) {
        if (session->closing)
                return;
        session->closing = true;
        session->lease = sd_event_source_disable_unref(session->lease);
        session_unwind(session, on_unwound);
}
