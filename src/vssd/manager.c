/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The manager: the object /org/linuxvss
 */

#include <linuxvss/provider.h>
#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "config.h"
#include "util/clock.h"
#include "vssd/areas.h"
#include "vssd/attach.h"
#include "vssd/catalog.h"
#include "vssd/doctor.h"
#include "vssd/door.h"
#include "vssd/event.h"
#include "vssd/hold-client.h"
#include "vssd/job.h"
#include "vssd/lease.h"
#include "vssd/log.h"
#include "vssd/losses.h"
#include "vssd/manager.h"
#include "vssd/needed.h"
#include "vssd/plan.h"
#include "vssd/session.h"
#include "vssd/storage.h"
#include "vssd/support.h"
#include "vssd/units.h"
#include "vssd/watch.h"
#include "vssd/worker.h"

#define RENEW_SECONDS_MAX (7u * 24 * 3600)

/* A job of the manager's, with the method that was called. */
typedef struct Request {
        Manager *manager;
        Job *job;
        Discover *discover;
        vss_value *filter;
} Request;

static Request *request_free(Request *request) {
        if (!request)
                return NULL;
        vss_value_free(request->filter);
        free(request);
        return NULL;
}

DEFINE_CLEANUP(Request *, request_free)

static Request *request_new(Manager *manager) {
        Request *request = calloc(1, sizeof(*request));

        if (request)
                request->manager = manager;
        return request;
}

static void on_result(void *userdata, const Failure *failure, vss_value *result) {
        Request *request = userdata;

        job_done(request->job, failure, result);
        request_free(request);
}

/* Answers the call with a job once the work has been begun, so that a failure to begin is the call's own. */
static int begin(Request *request, sd_bus_message *m) {
        return job_start(request->manager, m, NULL, NULL, &request->job);
}

/* Sessions */

static int list_sessions(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        for (Session *session = manager->sessions; session; session = session->next)
                if (vss_value_append(list, session_describe(session)) < 0)
                        return -ENOMEM;
        if (r >= 0)
                r = marshal_append_dicts(reply, list);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int abort_session(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Session *session;
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0)
                return r;
        session = session_find(manager, id);
        if (!session || session->close_job)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "There is no session %s. See vss list sessions.", id);
        r = job_start(manager, m, NULL, NULL, &session->close_job);
        if (r >= 0)
                session_close(session);
        return r;
}

static int renew(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Session *session;
        const char *token;
        uint32_t seconds;
        uid_t uid;
        int r = sd_bus_message_read(m, "su", &token, &seconds);

        if (r >= 0)
                r = door_sender_uid(m, &uid);
        if (r < 0)
                return r;
        if (lease_renew(manager, token, uid, seconds, m, error, &r))
                return r;
        session = session_find_token(manager, token);
        if (!session || (uid != 0 && uid != session->uid))
                return bus_error_setf(
                        error, VSS_E_OBJECT_NOT_FOUND,
                        "No leased session has this token: it is wrong, of another user, or the lease is "
                        "over.");
        if (seconds == 0 || seconds > RENEW_SECONDS_MAX)
                return bus_error_setf(error, VSS_E_INVALIDARG, "A lease is 1 to %u seconds.",
                                      RENEW_SECONDS_MAX);
        r = session_renew(session, seconds);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

/* Lists */

/* What the flags say, in the words of the capabilities. */
static void describe_provider(vss_value *info) {
        static const struct {
                uint64_t flag;
                const char *name;
        } names[] = {
                { VSS_PROVIDER_PERSISTENT, "persistent" },
                { VSS_PROVIDER_TRANSPORTABLE, "transportable" },
                { VSS_PROVIDER_DIFFERENTIAL, "differential" },
                { VSS_PROVIDER_PLEX, "plex" },
                { VSS_PROVIDER_NO_COPY, "no-copy" },
                { VSS_PROVIDER_EXPLICIT_ONLY, "explicit-only" },
        };
        uint64_t flags = (uint64_t)vss_value_get_integer(info, "flags", 0);
        _cleanup_value_ vss_value *all = vss_value_new_dict();
        vss_value *list = value_require(all, "capabilities", VSS_KIND_LIST);
        const vss_value *calls = vss_value_get(info, "capabilities");

        FOREACH_ELEMENT (name, names)
                if (flags & name->flag)
                        (void)value_append_string(list, name->name);
        for (size_t i = 0; i < vss_value_count(calls); i++)
                (void)value_append_string(list, vss_value_string(vss_value_at(calls, i), ""));
        (void)vss_value_set(info, "capabilities", vss_value_copy(list));
        (void)vss_value_set_integer(info, "max-snapshots", (int64_t)support_max_snapshots(info));
}

static void on_listed(void *userdata, const Failure *failure, Discovery *found) {
        Request *request = userdata;
        _cleanup_value_ vss_value *result = vss_value_new_dict();
        bool providers = request->filter != NULL;
        vss_value *list = value_require(result, providers ? "providers" : "writers", VSS_KIND_LIST);

        for (size_t i = 0; i < found->n_participants; i++) {
                const Participant *participant = found->participants[i];
                vss_value *info = vss_value_copy(participant->info);

                (void)vss_value_set_string(info, "name", participant->name);
                (void)vss_value_set_integer(info, "uid", participant->uid);
                (void)vss_value_set_integer(info, "pid", participant->pid);
                if (providers)
                        describe_provider(info);
                else {
                        (void)vss_value_set_integer(info, "state", VSS_WS_STABLE);
                        (void)vss_value_set_string(info, "state-name", vss_writer_state_name(VSS_WS_STABLE));
                }
                (void)vss_value_append(list, info);
        }
        (void)vss_value_set(result, "rejected", vss_value_copy(found->rejected));
        if (!providers)
                (void)vss_value_set(result, "absent", vss_value_copy(found->absent));
        job_done(request->job, failure, result);
        request_free(request);
}

static int list_participants(Manager *manager, sd_bus_message *m, bool providers) {
        _cleanup_(request_freep) Request *request = request_new(manager);
        int r;

        if (!request)
                return -ENOMEM;
        request->filter = providers ? vss_value_new_dict() : NULL;
        r = discover_start(manager, providers, on_listed, request, &request->discover);
        if (r >= 0)
                r = begin(request, m);
        if (r < 0)
                discover_cancel(request->discover);
        else
                (void)TAKE_PTR(request);
        return r;
}

static int list_writers(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        return list_participants(manager, m, false);
}

static int list_providers(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        return list_participants(manager, m, true);
}

static int start_plan(Manager *manager, sd_bus_message *m, const vss_value *paths,
                      const vss_value *options) {
        _cleanup_(request_freep) Request *request = request_new(manager);
        int r;

        if (!request)
                return -ENOMEM;
        r = begin(request, m);
        if (r < 0)
                return r;
        r = plan_start(manager, paths, options, on_result, request);
        if (r < 0) {
                Failure failure = { .code = VSS_E_OUTOFMEMORY };

                if (r == -EINVAL)
                        failure_set(&failure, VSS_E_INVALIDARG, "", "Paths must be absolute.");
                job_done(request->job, &failure, NULL);
                failure_clear(&failure);
                return 0;
        }
        (void)TAKE_PTR(request);
        return 0;
}

static int list_volumes(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        return start_plan(manager, m, NULL, NULL);
}

static int plan(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *paths = NULL, *options = NULL;
        int r = marshal_read_strings(m, &paths);

        if (r >= 0)
                r = marshal_read_dict(m, &options);
        if (r < 0 || vss_value_count(paths) == 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "A plan needs paths.");
        return start_plan(manager, m, paths, options);
}

/* Shadow copies */

typedef int (*CatalogStart)(Request *request);

static int start_query(Request *request) {
        return catalog_query(request->manager, request->filter, on_result, request, NULL);
}

static int start_delete(Request *request) {
        return catalog_delete(request->manager, request->filter, on_result, request);
}

static int start_catalog(Manager *manager, sd_bus_message *m, CatalogStart start, sd_bus_error *error) {
        _cleanup_(request_freep) Request *request = request_new(manager);
        int r;

        if (!request)
                return -ENOMEM;
        if (marshal_read_dict(m, &request->filter) < 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "The selection cannot be read.");
        r = begin(request, m);
        if (r < 0)
                return r;
        r = start(request);
        if (r < 0) {
                Failure failure = { .code = VSS_E_OUTOFMEMORY };

                job_done(request->job, &failure, NULL);
                return 0;
        }
        (void)TAKE_PTR(request);
        return 0;
}

static int query(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        return start_catalog(manager, m, start_query, error);
}

static int delete_snapshots(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        return start_catalog(manager, m, start_delete, error);
}

static void on_expose_found(void *userdata, const Failure *failure, vss_value *result) {
        Request *request = userdata;
        const char *id = vss_value_get_string(request->filter, "snapshot", "");
        const char *directory = vss_value_get_string(request->filter, "directory", NULL);
        const vss_value *snapshot = vss_value_at(vss_value_get(result, "snapshots"), 0);
        int64_t context = vss_value_get_integer(snapshot, "context", 0);
        Failure refused = { 0 };
        int r = 0;

        if (!snapshot)
                failure_set(&refused, VSS_E_OBJECT_NOT_FOUND, id,
                            "There is no shadow copy %s. See vss list shadows.", id);
        else if (directory && (context & VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE))
                failure_set(&refused, VSS_E_INVALIDARG, id,
                            "A client-accessible shadow copy cannot be exposed.");
        else if (directory && strcmp(vss_value_get_string(snapshot, "state", ""), "lost") == 0)
                failure_set(&refused, VSS_E_SNAPSHOT_LOST, id, "Shadow copy %s is lost: %s", id,
                            vss_value_get_string(snapshot, "reason", ""));
        else if (directory && *vss_value_get_string(snapshot, "exposed", ""))
                failure_set(&refused, VSS_E_OBJECT_ALREADY_EXISTS, id,
                            "Shadow copy %s is exposed already, at %s.", id,
                            vss_value_get_string(snapshot, "exposed", ""));
        else if (directory &&
                 (vss_value_get_integer(snapshot, "attributes", 0) & VSS_VOLSNAP_ATTR_NOT_SURFACED))
                failure_set(
                        &refused, VSS_E_OBJECT_NOT_FOUND, id,
                        "Shadow copy %s is for another machine, and not to be seen here. Import it there.",
                        id);
        else
                r = directory ? catalog_expose(request->manager, id, directory,
                                               context & VSS_VOLSNAP_ATTR_PERSISTENT, on_result, request)
                              : catalog_unexpose(request->manager, id, on_result, request);
        if (r == -ENOENT)
                failure_set(&refused, VSS_E_OBJECT_NOT_FOUND, id, "Shadow copy %s is not exposed.", id);
        else if (r < 0)
                failure_set(&refused, VSS_E_OUTOFMEMORY, id, "It cannot be mounted: %s", strerror(-r));
        if (refused.code < 0)
                on_result(request, &refused, NULL);
        failure_clear(&refused);
}

static int expose(Manager *manager, sd_bus_message *m, const char *id, const char *directory) {
        _cleanup_(request_freep) Request *request = request_new(manager);
        int r;

        if (!request)
                return -ENOMEM;
        request->filter = vss_value_new_dict();
        if (vss_value_set_string(request->filter, "snapshot", id) < 0 ||
            (directory && vss_value_set_string(request->filter, "directory", directory) < 0))
                return -ENOMEM;
        r = begin(request, m);
        if (r < 0)
                return r;
        r = catalog_query(manager, request->filter, on_expose_found, request, NULL);
        if (r < 0) {
                Failure failure = { .code = VSS_E_OUTOFMEMORY };

                job_done(request->job, &failure, NULL);
                return 0;
        }
        (void)TAKE_PTR(request);
        return 0;
}

static int expose_snapshot(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        const char *id, *directory;
        int r = sd_bus_message_read(m, "ss", &id, &directory);

        if (r < 0)
                return r;
        if (directory[0] != '/')
                return bus_error_setf(error, VSS_E_INVALIDARG, "%s is not an absolute path.", directory);
        return expose(manager, m, id, directory);
}

static int unexpose_snapshot(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        return r < 0 ? r : expose(manager, m, id, NULL);
}

/* Storage */

static int request_begin(Manager *manager, sd_bus_message *m, Request **ret_request) {
        _cleanup_(request_freep) Request *request = request_new(manager);
        int r = request ? begin(request, m) : -ENOMEM;

        if (r >= 0)
                *ret_request = TAKE_PTR(request);
        return r;
}

/* The request is begun, and @r is what beginning its work has answered. */
static int storage_begun(Request *request, int r) {
        Failure failure = { .code = VSS_E_OUTOFMEMORY };

        if (r >= 0)
                return 0;
        on_result(request, &failure, NULL);
        return 0;
}

static int break_set(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        const uint32_t both = VSS_BREAKEX_FLAG_REVERT_IDENTITY_ALL | VSS_BREAKEX_FLAG_REVERT_IDENTITY_NONE;
        const uint32_t known = both | VSS_BREAKEX_FLAG_MASK_LUNS | VSS_BREAKEX_FLAG_MAKE_READ_WRITE;
        Request *request = NULL;
        const char *set;
        uint32_t flags;
        int r = sd_bus_message_read(m, "su", &set, &flags);

        if (r < 0)
                return r;
        if ((flags & ~known) || (flags & both) == both ||
            ((flags & VSS_BREAKEX_FLAG_MASK_LUNS) && flags != VSS_BREAKEX_FLAG_MASK_LUNS))
                return bus_error_setf(
                        error, VSS_E_INVALIDARG,
                        "Flags 0x%x are not possible: 1 masks the LUNs, and goes alone; 2 makes them "
                        "writable; 4 or 8 gives all or none their original identity.",
                        flags);
        r = request_begin(manager, m, &request);
        if (r < 0)
                return r;
        return storage_begun(request, storage_break(manager, set, flags, on_result, request));
}

static int revert_to_snapshot(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Request *request = NULL;
        const char *id;
        int force, r = sd_bus_message_read(m, "sb", &id, &force);

        if (r < 0)
                return r;
        r = request_begin(manager, m, &request);
        if (r < 0)
                return r;
        return storage_begun(request, storage_revert(manager, id, force, on_result, request));
}

static int query_revert_status(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Request *request = NULL;
        const char *volume;
        int r = sd_bus_message_read(m, "s", &volume);

        if (r < 0)
                return r;
        if (volume[0] != '/')
                return bus_error_setf(error, VSS_E_INVALIDARG, "%s is not an absolute path.", volume);
        r = request_begin(manager, m, &request);
        if (r < 0)
                return r;
        return storage_begun(request, storage_revert_status(manager, volume, on_result, request));
}

/* The doctor */

static void on_examined(void *userdata, int error, WorkerAnswer *answer) {
        Request *request = userdata;
        Failure failure = { 0 };

        if (error < 0)
                failure_set(&failure, VSS_E_UNEXPECTED, "doctor", "The examination failed: %s",
                            strerror(-error));
        job_done(request->job, &failure, answer->value);
        failure_clear(&failure);
        request_free(request);
}

static int doctor(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(request_freep) Request *request = request_new(manager);
        int r;

        if (!request)
                return -ENOMEM;
        r = begin(request, m);
        if (r < 0)
                return r;
        r = worker_start(manager, doctor_main, manager, manager->settings.worker_usec, on_examined, request,
                         NULL);
        if (r < 0) {
                Failure failure = { .code = VSS_E_OUTOFMEMORY };

                job_done(request->job, &failure, NULL);
                return 0;
        }
        (void)TAKE_PTR(request);
        return 0;
}

/* The object */

static const struct {
        const char *member;
        const char *action;
        DoorMethod method;
        bool now; /* lets go of what is held, or keeps a lease: never waits at the door */
} methods[] = {
        { "CreateSession", DOOR_CREATE, session_create, false },
        { "AdoptSession", DOOR_CREATE, session_adopt, false },
        { "ListSessions", DOOR_LIST, list_sessions, false },
        { "AbortSession", DOOR_ADMIN, abort_session, true },
        { "ListWriters", DOOR_LIST, list_writers, false },
        { "ListProviders", DOOR_LIST, list_providers, false },
        { "ListVolumes", DOOR_LIST, list_volumes, false },
        { "Plan", DOOR_LIST, plan, false },
        { "Query", DOOR_LIST, query, false },
        { "DeleteSnapshots", DOOR_DELETE, delete_snapshots, false },
        { "ExposeSnapshot", DOOR_ADMIN, expose_snapshot, false },
        { "UnexposeSnapshot", DOOR_ADMIN, unexpose_snapshot, false },
        { "BreakSnapshotSet", DOOR_ADMIN, break_set, false },
        { "RevertToSnapshot", DOOR_ADMIN, revert_to_snapshot, false },
        { "QueryRevertStatus", DOOR_LIST, query_revert_status, false },
        { "QueryDiffAreas", DOOR_LIST, areas_query, false },
        { "AddDiffArea", DOOR_ADMIN, areas_add, false },
        { "ChangeDiffAreaMaximumSize", DOOR_ADMIN, areas_change, false },
        { "AttachDevice", DOOR_ADMIN, attach_device, false },
        { "DetachDevice", DOOR_ADMIN, attach_detach, false },
        { "ListAttached", DOOR_LIST, attach_list, false },
        { "Freeze", DOOR_FREEZE, lease_freeze, false },
        /* Their token is the right to them; nobody else is asked while something is held. */
        { "Thaw", NULL, lease_thaw, true },
        { "Renew", NULL, renew, true },
        /* Whose business it is, is found out by units.c. */
        { "StopUnit", NULL, units_control, false },
        { "StartUnit", NULL, units_control, false },
        { "GetUnitState", NULL, units_state, false },
        { "Doctor", DOOR_LIST, doctor, false },
        { "Subscribe", DOOR_LIST, event_subscribe, false },
};

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;

        FOREACH_ELEMENT (row, methods)
                if (strcmp(row->member, sd_bus_message_get_member(m)) == 0)
                        return row->now ? door_enter_now(manager, m, row->action, row->method, error)
                                        : door_enter(manager, m, row->action, row->method, error);
        return 0;
}

static int property_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", LINUXVSS_VERSION);
}

static int property_instance(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Manager *manager = userdata;

        return sd_bus_message_append(reply, "s", manager->instance);
}

#define METHOD(member, in, in_names, out, out_names) \
        SD_BUS_METHOD_WITH_NAMES(member, in, in_names, out, out_names, on_method, SD_BUS_VTABLE_UNPRIVILEGED)
#define METHOD_BARE(member) SD_BUS_METHOD(member, "", "", on_method, SD_BUS_VTABLE_UNPRIVILEGED)
#define P(name) SD_BUS_PARAM(name)

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD("CreateSession", "a{sv}", P(options), "oss", P(session) P(id) P(token)),
        METHOD("AdoptSession", "s", P(token), "os", P(session) P(id)),
        METHOD("ListSessions", "", , "aa{sv}", P(sessions)),
        METHOD("AbortSession", "s", P(id), "o", P(job)),
        METHOD("ListWriters", "", , "o", P(job)),
        METHOD("ListProviders", "", , "o", P(job)),
        METHOD("ListVolumes", "", , "o", P(job)),
        METHOD("Plan", "asa{sv}", P(paths) P(options), "o", P(job)),
        METHOD("Query", "a{sv}", P(filter), "o", P(job)),
        METHOD("DeleteSnapshots", "a{sv}", P(selection), "o", P(job)),
        METHOD("ExposeSnapshot", "ss", P(id) P(directory), "o", P(job)),
        METHOD("UnexposeSnapshot", "s", P(id), "o", P(job)),
        METHOD("BreakSnapshotSet", "su", P(set) P(flags), "o", P(job)),
        METHOD("RevertToSnapshot", "sb", P(id) P(force), "o", P(job)),
        METHOD("QueryRevertStatus", "s", P(volume), "o", P(job)),
        METHOD("QueryDiffAreas", "a{sv}", P(filter), "o", P(job)),
        METHOD("AddDiffArea", "ssta{sv}", P(volume) P(diff_volume) P(maximum) P(options), "o", P(job)),
        METHOD("ChangeDiffAreaMaximumSize", "ssta{sv}", P(volume) P(diff_volume) P(maximum) P(options), "o",
               P(job)),
        METHOD("AttachDevice", "sa{sv}", P(device) P(options), "o", P(job)),
        METHOD("DetachDevice", "sa{sv}", P(device) P(options), "o", P(job)),
        METHOD("ListAttached", "", , "o", P(job)),
        METHOD("Freeze", "ua{sv}", P(lease_seconds) P(options), "o", P(job)),
        METHOD("Thaw", "s", P(token), "o", P(job)),
        METHOD("Renew", "su", P(token) P(lease_seconds), "", ),
        METHOD("StopUnit", "s", P(unit), "", ),
        METHOD("StartUnit", "s", P(unit), "", ),
        METHOD("GetUnitState", "s", P(unit), "s", P(state)),
        METHOD("Doctor", "", , "o", P(job)),
        METHOD_BARE("Subscribe"),
        SD_BUS_SIGNAL_WITH_NAMES("Event", "a{sv}", P(event), 0),
        SD_BUS_PROPERTY("Version", "s", property_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Instance", "s", property_instance, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int manager_start(Manager *manager) {
        int r = door_new(&manager->door);

        if (r >= 0)
                r = catalog_new(&manager->catalog);
        if (r >= 0)
                r = sd_bus_add_object_vtable(manager->bus, NULL, BUS_PATH, BUS_MANAGER, manager_vtable,
                                             manager);
        /* Before anything else: nothing stays frozen. */
        if (r >= 0)
                r = hold_release_leftovers(manager);
        if (r >= 0)
                r = losses_start(manager);
        needed_start(manager);
        if (r >= 0)
                r = sd_bus_request_name(manager->bus, BUS_NAME, 0);
        return r < 0 ? r : catalog_start(manager);
}

void manager_deinit(Manager *manager) {
        event_forget_all(manager);
        units_end(manager);
        watch_end(manager);
        manager->losses = losses_free(manager->losses);
        manager->lease = lease_free(manager->lease);
        manager->catalog = catalog_free(manager->catalog);
        manager->express = vss_value_free(manager->express);
        manager->door = door_free(manager->door);
        provider_turns_clear(&manager->turns);
}
