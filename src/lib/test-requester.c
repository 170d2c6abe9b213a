/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The requester's side on a bus of its own, against a small service in a child
 */

#include <linuxvss/requester.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "lib/test-bus.h"

#define ID "aaaaaaaa-0000-4000-8000-000000000000"

/* The service: jobs by the name of the method that starts them. */

static char job_path[64];
static unsigned job_number;

static int done(sd_bus_message *call, int32_t code, const char *culprit, const char *message) {
        _cleanup_message_ sd_bus_message *m = NULL;
        _cleanup_value_ vss_value *result = vss_value_new_dict();

        (void)vss_value_set_string(result, "of", job_path);
        if (sd_bus_message_new_signal(sd_bus_message_get_bus(call), &m, job_path, BUS_JOB, "Done") < 0 ||
            sd_bus_message_append(m, "iss", code, culprit, message) < 0 ||
            marshal_append_dict(m, result) < 0)
                return -ENOMEM;
        return sd_bus_send_to(sd_bus_message_get_bus(call), m, sd_bus_message_get_sender(call), NULL);
}

static int progress(sd_bus_message *call) {
        _cleanup_message_ sd_bus_message *m = NULL;
        _cleanup_value_ vss_value *values = vss_value_new_dict();

        (void)vss_value_set_string(values, "step", "thinking");
        if (sd_bus_message_new_signal(sd_bus_message_get_bus(call), &m, job_path, BUS_JOB, "Progress") < 0 ||
            marshal_append_dict(m, values) < 0)
                return -ENOMEM;
        return sd_bus_send_to(sd_bus_message_get_bus(call), m, sd_bus_message_get_sender(call), NULL);
}

static int on_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        if (strcmp(sd_bus_message_get_path(m), job_path) != 0)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND, "no such job");
        (void)sd_bus_reply_method_return(m, "");
        return done(m, VSS_S_ASYNC_CANCELLED, "", "");
}

static const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Cancel", NULL, NULL, on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int on_job_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(m);

        (void)snprintf(job_path, sizeof(job_path), BUS_PATH_JOB "/%u", ++job_number);
        (void)sd_bus_add_object_vtable(sd_bus_message_get_bus(m), NULL, job_path, BUS_JOB, job_vtable, NULL);
        (void)sd_bus_reply_method_return(m, "o", job_path);
        if (strcmp(member, "ListWriters") == 0)
                return done(m, VSS_S_OK, "", "");
        if (strcmp(member, "ListProviders") == 0)
                return done(m, VSS_E_PROVIDER_VETO, "Btrfs", "provider Btrfs: no");
        if (strcmp(member, "Doctor") == 0) {
                (void)sd_bus_flush(sd_bus_message_get_bus(m));
                (void)usleep(100000);
                _exit(0);
        }
        return progress(m); /* ListVolumes: never ends by itself */
}

static int on_create(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_value_ vss_value *options = NULL;

        if (marshal_read_dict(m, &options) < 0)
                return -EBADMSG;
        return sd_bus_reply_method_return(m, "oss", BUS_PATH_SESSION "/1", ID,
                                          vss_value_get_integer(options, "lease", 0) ? "secret" : "");
}

static int on_list(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "aa{sv}", 1, 1, "id", "s", ID);
}

static int on_refuse(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return bus_error_setf(error, VSS_E_BAD_STATE, "InitializeForBackup is missing");
}

static int on_nothing(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "");
}

/* Tells what came: "SetRollForward(Fault, a/b, c, 3, point)". */
static int on_echo(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char text[512], type;
        const char *separator = "(";
        size_t n = (size_t)snprintf(text, sizeof(text), "%s", sd_bus_message_get_member(m));

        while (sd_bus_message_peek_type(m, &type, NULL) > 0 && n < sizeof(text)) {
                const char *string = "";
                uint32_t number = 0;
                int boolean = 0;

                (void)sd_bus_message_read_basic(m, type,
                                                type == 's'   ? (void *)&string
                                                : type == 'u' ? (void *)&number
                                                              : (void *)&boolean);
                n += type == 's'   ? (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", separator, string)
                     : type == 'u' ? (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", separator, number)
                                   : (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", separator,
                                                      boolean ? "yes" : "no");
                separator = ", ";
        }
        return bus_error_setf(error, VSS_E_BAD_STATE, "%s)", text);
}

/* Answers a document with the same document, in capitals. */
static int on_document(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char text[64] = "";
        int fd, copy = memfd_create("test", MFD_CLOEXEC);
        ssize_t size;

        if (strcmp(sd_bus_message_get_member(m), "SaveAsXML") == 0)
                return sd_bus_reply_method_return(m, "h", write(copy, "<saved/>", 8) == 8 ? copy : -1);
        if (sd_bus_message_read(m, "h", &fd) < 0)
                return -EBADMSG;
        size = pread(fd, text, sizeof(text) - 1, 0);
        return bus_error_setf(error, VSS_E_INVALID_XML_DOCUMENT, "%zd bytes, %s: %s", size,
                              write(fd, "x", 1) < 0 ? "sealed" : "open", text);
}

static int on_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        (void)sd_bus_reply_method_return(m, "");
        return sd_bus_emit_signal(sd_bus_message_get_bus(m), BUS_PATH, BUS_MANAGER, "Event", "a{sv}", 1,
                                  "kind", "s", "freeze");
}

static int on_start_set(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "s", ID);
}

static int on_open(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(closep) int fd = open("/", O_PATH | O_CLOEXEC);

        return sd_bus_reply_method_return(m, "h", fd);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(m, "s", "1.2.3");
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CreateSession", "a{sv}", "oss", on_create, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListSessions", NULL, "aa{sv}", on_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListWriters", NULL, "o", on_job_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListProviders", NULL, "o", on_job_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListVolumes", NULL, "o", on_job_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Doctor", NULL, "o", on_job_call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Renew", "su", NULL, on_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Subscribe", NULL, NULL, on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable session_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("SetContext", "u", NULL, on_refuse, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartSnapshotSet", NULL, "s", on_start_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetWantedPaths", "as", NULL, on_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("EnableWriterClasses", "as", NULL, on_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetBackupState", "bbub", NULL, on_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("OpenSnapshot", "s", "h", on_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddComponent", "sss", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetBackupSucceeded", "sssb", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetBackupOptions", "ssss", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetPreviousBackupStamp", "ssss", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetRestoreState", "u", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetSelectedForRestore", "sssb", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetRestoreOptions", "ssss", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetAdditionalRestores", "sssb", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddRestoreSubcomponent", "sssss", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddNewTarget", "sssssbs", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddAlternativeLocationMapping", "sssssbs", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetRangesFilePath", "sssus", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetFileRestoreStatus", "sssu", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetAuthoritativeRestore", "sssb", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetRollForward", "sssus", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetDryRun", "b", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("VerifyWriters", NULL, "o", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetRestoreName", "ssss", NULL, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetWriterComponents", NULL, "aa{sv}", on_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("FreeWriterStatus", NULL, NULL, on_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("InitializeForRestore", "h", "o", on_document, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SaveAsXML", NULL, "h", on_document, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SaveWriterMetadata", "s", "h", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Release", NULL, NULL, on_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static pid_t start_service(void) {
        pid_t pid = fork();
        sd_bus *bus;

        if (pid != 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        bus = test_bus_connect();
        (void)sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_MANAGER, manager_vtable, NULL);
        (void)sd_bus_add_object_vtable(bus, NULL, BUS_PATH_SESSION "/1", BUS_SESSION, session_vtable, NULL);
        if (sd_bus_request_name(bus, BUS_NAME, 0) < 0)
                _exit(1);
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r < 0)
                        _exit(1);
                if (r == 0)
                        (void)sd_bus_wait(bus, UINT64_MAX);
        }
}

/* The tests */

static void test_arguments(vss_service *service) {
        vss_session *session = NULL;

        expect_int("connect to nowhere", vss_service_connect(NULL), VSS_E_INVALIDARG);
        expect_int("no service", vss_session_create(NULL, NULL, &session), VSS_E_INVALIDARG);
        expect_int("no place", vss_session_create(service, NULL, NULL), VSS_E_INVALIDARG);
        expect_int("no session", vss_session_do_snapshot_set(NULL, NULL), VSS_E_INVALIDARG);
        expect_int("no token", vss_session_adopt(service, NULL, &session), VSS_E_INVALIDARG);
        expect_int("delete without a selection", vss_service_delete_snapshots(service, NULL, NULL),
                   VSS_E_INVALIDARG);
        expect_int("a freeze without a lease", vss_service_freeze(service, 0, NULL, NULL), VSS_E_INVALIDARG);
        expect_int("a relative path", vss_service_plan(service, (const char *[]){ "srv" }, 1, NULL, NULL),
                   VSS_E_INVALIDARG);
        expect_true("the message says what", strstr(vss_service_error_message(service), "absolute") != NULL);
        expect_int("no async", vss_async_wait(NULL, 0), VSS_E_INVALIDARG);
        expect_true("NULL everywhere",
                    !vss_async_free(NULL) && !vss_session_free(NULL) && !vss_session_release(NULL) &&
                            !vss_service_free(NULL) && !vss_async_result(NULL) &&
                            strcmp(vss_session_id(NULL), "") == 0 && vss_service_fd(NULL) < 0);
}

static void test_jobs(vss_service *service) {
        vss_async *async = NULL, *slow = NULL;
        uint64_t start;

        expect_int("a job that is done with its reply", vss_service_list_writers(service, &async), VSS_S_OK);
        expect_int("wait", vss_async_wait(async, 5000), VSS_S_ASYNC_FINISHED);
        expect_str("its result", vss_value_get_string(vss_async_result(async), "of", NULL),
                   BUS_PATH_JOB "/1");
        expect_int("too late to cancel", vss_async_cancel(async), VSS_S_ASYNC_FINISHED);
        async = vss_async_free(async);
        expect_int("waiting to the end", vss_service_list_writers(service, NULL), VSS_S_OK);
        expect_int("a failure", vss_service_list_providers(service, NULL), VSS_E_PROVIDER_VETO);
        expect_str("its culprit", vss_service_error_culprit(service), "Btrfs");
        expect_str("its message", vss_service_error_message(service), "provider Btrfs: no");

        expect_int("a long job", vss_service_list_volumes(service, &slow), VSS_S_OK);
        expect_str("no message any more", vss_service_error_message(service), "");
        start = now_usec();
        expect_int("is pending", vss_async_wait(slow, 100), VSS_S_ASYNC_PENDING);
        expect_true("for as long as asked", now_usec() - start >= 99000);
        expect_true("no result yet", vss_async_result(slow) == NULL);
        expect_str("progress", vss_value_get_string(vss_async_progress(slow), "step", NULL), "thinking");
        expect_int("cancel", vss_async_cancel(slow), VSS_S_OK);
        expect_int("is cancelled", vss_async_wait(slow, 5000), VSS_S_ASYNC_CANCELLED);
        expect_int("again", vss_async_cancel(slow), VSS_S_ASYNC_CANCELLED);
        slow = vss_async_free(slow);
}

static void on_alarm(int number) {
}

static void test_interrupt(vss_service *service) {
        struct sigaction action = { .sa_handler = on_alarm };
        struct itimerval timer = { .it_value = { .tv_usec = 100000 } };
        vss_async *slow = NULL;
        uint64_t start = now_usec();

        (void)sigaction(SIGALRM, &action, NULL);
        expect_int("a long job", vss_service_list_volumes(service, &slow), VSS_S_OK);
        (void)setitimer(ITIMER_REAL, &timer, NULL);
        expect_int("a signal ends the wait", vss_async_wait(slow, 5000), VSS_S_ASYNC_PENDING);
        expect_true("early", now_usec() - start < 2 * USEC_PER_SEC);
        (void)vss_async_cancel(slow);
        slow = vss_async_free(slow);
}

/* Somebody else on the bus pretends to be the service. */
static void test_spoof(vss_service *service) {
        sd_bus *stranger = test_bus_connect();
        vss_async *slow = NULL;
        char sender[32], path[64];

        expect_int("a long job", vss_service_list_volumes(service, &slow), VSS_S_OK);
        for (unsigned i = 0; i < 40; i++)
                for (unsigned j = 1; j < 20; j++) {
                        _cleanup_message_ sd_bus_message *m = NULL;

                        (void)snprintf(sender, sizeof(sender), ":1.%u", i);
                        (void)snprintf(path, sizeof(path), BUS_PATH_JOB "/%u", j);
                        if (sd_bus_message_new_signal(stranger, &m, path, BUS_JOB, "Done") >= 0 &&
                            sd_bus_message_append(m, "iss", 0, "", "") >= 0 &&
                            marshal_append_dict(m, NULL) >= 0)
                                (void)sd_bus_send_to(stranger, m, sender, NULL);
                }
        (void)sd_bus_flush(stranger);
        expect_int("a stranger's Done is not believed", vss_async_wait(slow, 200), VSS_S_ASYNC_PENDING);
        (void)vss_async_cancel(slow);
        slow = vss_async_free(slow);
        (void)sd_bus_flush_close_unref(stranger);
}

static void test_session(vss_service *service) {
        _cleanup_value_ vss_value *options = vss_value_new_dict(), *sessions = NULL;
        vss_session *session = NULL, *plain = NULL;
        char set[VSS_ID_SIZE] = "";
        struct stat st = { 0 };
        int fd = -1;

        (void)vss_value_set_integer(options, "lease", 10);
        expect_int("create", vss_session_create(service, options, &session), VSS_S_OK);
        expect_str("id", vss_session_id(session), ID);
        expect_str("token", vss_session_token(session), "secret");
        expect_int("renew", vss_session_renew(session, 100), VSS_S_OK);
        expect_int("renew for ever", vss_session_renew(session, 604801), VSS_E_INVALIDARG);
        expect_int("out of order", vss_session_set_context(session, VSS_CTX_BACKUP), VSS_E_BAD_STATE);
        expect_str("what is missing", vss_service_error_message(service), "InitializeForBackup is missing");
        expect_int("a method it lacks", vss_session_initialize_for_backup(session), VSS_E_NOT_SUPPORTED);
        expect_int("names", vss_session_enable_writer_classes(session, (const char *[]){ "A", "B" }, 2),
                   VSS_S_OK);
        expect_int("state", vss_session_set_backup_state(session, true, false, VSS_BT_COPY, false),
                   VSS_S_OK);
        expect_int("no such type",
                   vss_session_set_backup_state(session, true, false, VSS_BT_UNDEFINED, false),
                   VSS_E_INVALIDARG);
        expect_int("wanted paths", vss_session_set_wanted_paths(session, (const char *[]){ "/a", "/b" }, 2), VSS_S_OK);
        expect_int("start a set", vss_session_start_snapshot_set(session, set), VSS_S_OK);
        expect_str("its id", set, ID);
        expect_int("open", vss_session_open_snapshot(session, ID, &fd), VSS_S_OK);
        expect_true("the mount is ours to close",
                    fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && close(fd) == 0);
        expect_int("a plain one", vss_session_create(service, NULL, &plain), VSS_S_OK);
        expect_int("has no lease", vss_session_renew(plain, 10), VSS_E_BAD_STATE);
        expect_true("release", vss_session_release(plain) == NULL);
        expect_true("free", vss_session_free(session) == NULL);
        expect_int("sessions", vss_service_list_sessions(service, &sessions), VSS_S_OK);
        expect_str("one", vss_value_get_string(vss_value_at(sessions, 0), "id", NULL), ID);
        expect_str("version", vss_service_version(service), "1.2.3");
}

/* What each call sends. */
#define SENDS(text, call)                                                        \
        do {                                                                     \
                expect_int(#call, call, VSS_E_BAD_STATE);                        \
                expect_str("  sends", vss_service_error_message(service), text); \
        } while (0)
#define C session, "Fault", "a/b", "c"

static void test_components(vss_service *service) {
        vss_session *session = NULL;
        vss_value *writers = NULL;

        expect_int("a session", vss_session_create(service, NULL, &session), VSS_S_OK);
        SENDS("AddComponent(Fault, a/b, c)", vss_session_add_component(C));
        SENDS("AddComponent(Fault, , c)", vss_session_add_component(session, "Fault", NULL, "c"));
        SENDS("SetBackupSucceeded(Fault, a/b, c, yes)", vss_session_set_backup_succeeded(C, true));
        SENDS("SetBackupOptions(Fault, a/b, c, some)", vss_session_set_backup_options(C, "some"));
        SENDS("SetPreviousBackupStamp(Fault, a/b, c, sunday)",
              vss_session_set_previous_backup_stamp(C, "sunday"));
        SENDS("SetRestoreState(1)", vss_session_set_restore_state(session, VSS_RTYPE_BY_COPY));
        SENDS("SetSelectedForRestore(Fault, a/b, c, no)", vss_session_set_selected_for_restore(C, false));
        SENDS("SetRestoreOptions(Fault, a/b, c, )", vss_session_set_restore_options(C, NULL));
        SENDS("SetAdditionalRestores(Fault, a/b, c, yes)", vss_session_set_additional_restores(C, true));
        SENDS("AddRestoreSubcomponent(Fault, a/b, c, a/b/c, d)",
              vss_session_add_restore_subcomponent(C, "a/b/c", "d"));
        SENDS("AddNewTarget(Fault, a/b, c, /srv, *.db, yes, /new)",
              vss_session_add_new_target(C, "/srv", "*.db", true, "/new"));
        SENDS("AddAlternativeLocationMapping(Fault, a/b, c, /srv, *, no, /old)",
              vss_session_add_alternative_location_mapping(C, "/srv", "*", false, "/old"));
        SENDS("SetRangesFilePath(Fault, a/b, c, 2, /ranges)",
              vss_session_set_ranges_file_path(C, 2, "/ranges"));
        SENDS("SetFileRestoreStatus(Fault, a/b, c, 2)", vss_session_set_file_restore_status(C, VSS_RS_ALL));
        SENDS("SetAuthoritativeRestore(Fault, a/b, c, yes)", vss_session_set_authoritative_restore(C, true));
        SENDS("SetDryRun(yes)", vss_session_set_dry_run(session, true));
        SENDS("VerifyWriters)", vss_session_verify_writers(session, NULL));
        SENDS("SetRollForward(Fault, a/b, c, 3, noon)",
              vss_session_set_roll_forward(C, VSS_RF_PARTIAL, "noon"));
        SENDS("SetRestoreName(Fault, a/b, c, copy)", vss_session_set_restore_name(C, "copy"));
        expect_int("without a writer", vss_session_add_component(session, NULL, "", "c"), VSS_E_INVALIDARG);
        expect_int("without a name", vss_session_set_restore_options(session, "Fault", "", NULL, "x"),
                   VSS_E_INVALIDARG);
        expect_int("without a session", vss_session_add_component(NULL, "Fault", "", "c"), VSS_E_INVALIDARG);
        expect_int("without a target", vss_session_add_new_target(C, "/srv", "*", true, NULL),
                   VSS_E_INVALIDARG);
        expect_int("the writers of the document", vss_session_get_writer_components(session, &writers),
                   VSS_S_OK);
        expect_int("are listed", (int)vss_value_count(writers), 1);
        expect_int("nothing to send", vss_session_free_writer_status(session), VSS_S_OK);
        vss_value_free(writers);
        vss_session_free(session);
}

static void test_documents(vss_service *service) {
        vss_session *session = NULL;
        char *text = NULL;
        size_t size = 0;

        expect_int("a session", vss_session_create(service, NULL, &session), VSS_S_OK);
        expect_int("a document goes out",
                   vss_session_initialize_for_restore(session, "<restore/>", 10, NULL),
                   VSS_E_INVALID_XML_DOCUMENT);
        expect_str("whole, and nobody can change it", vss_service_error_message(service),
                   "10 bytes, sealed: <restore/>");
        expect_int("one comes in", vss_session_save_as_xml(session, &text, &size), VSS_S_OK);
        expect_str("whole", text, "<saved/>");
        expect_int("of its size", (int)size, 8);
        free(text);
        expect_int("without a place", vss_session_save_as_xml(session, NULL, NULL), VSS_E_INVALIDARG);
        expect_int("without text", vss_session_initialize_for_restore(session, "", 0, NULL),
                   VSS_E_INVALIDARG);
        expect_int("too large",
                   vss_session_initialize_for_backup_with_document(session, "x", (64u << 20) + 1, NULL),
                   VSS_E_INVALID_XML_DOCUMENT);
        SENDS("SaveWriterMetadata(Fault)", vss_session_save_writer_metadata(session, "Fault", &text, NULL));
        vss_session_free(session);
}

static void on_event(void *userdata, const vss_value *event) {
        *(bool *)userdata = strcmp(vss_value_get_string(event, "kind", ""), "freeze") == 0;
}

static void test_events(vss_service *service) {
        bool seen = false;

        expect_int("subscribe", vss_service_subscribe(service, on_event, &seen), VSS_S_OK);
        for (uint64_t end = now_usec() + 2 * USEC_PER_SEC; !seen && now_usec() < end; (void)usleep(5000))
                (void)vss_service_process(service);
        expect_true("an event comes", seen);
}

static void test_death(vss_service *service, pid_t pid) {
        vss_async *async = NULL, *other = NULL;
        uint64_t start;

        expect_int("a job of a service that dies", vss_service_list_volumes(service, &other), VSS_S_OK);
        expect_int("and one more", vss_service_doctor(service, &async), VSS_S_OK);
        start = now_usec();
        expect_int("ends at once", vss_async_wait(async, 20000), VSS_E_SERVICE_UNAVAILABLE);
        expect_true("really", now_usec() - start < 2 * USEC_PER_SEC);
        expect_true("and says so", strstr(vss_service_error_message(service), "the service died") != NULL);
        expect_int("so does the other", vss_async_query_status(other), VSS_E_SERVICE_UNAVAILABLE);
        async = vss_async_free(async);
        other = vss_async_free(other);
        (void)waitpid(pid, NULL, 0);
        expect_int("no service", vss_service_list_writers(service, NULL), VSS_E_SERVICE_UNAVAILABLE);
}

static void test_lost(vss_service *service, TestBus *test_bus) {
        vss_async *async = NULL, *failed = NULL;

        expect_int("a job that fails", vss_service_list_providers(service, &failed), VSS_S_OK);
        expect_int("its failure", vss_async_wait(failed, 5000), VSS_E_PROVIDER_VETO);
        expect_int("a long job", vss_service_list_volumes(service, &async), VSS_S_OK);
        test_bus_stop(test_bus);
        expect_int("the bus dies", vss_async_wait(async, 5000), VSS_E_SERVICE_UNAVAILABLE);
        expect_int("no call any more", vss_service_list_writers(service, NULL), VSS_E_SERVICE_UNAVAILABLE);
        (void)vss_service_free(service);
        expect_int("an async may outlive it", vss_async_query_status(async), VSS_E_SERVICE_UNAVAILABLE);
        expect_int("one that had ended too", vss_async_query_status(failed), VSS_E_PROVIDER_VETO);
        async = vss_async_free(async);
        failed = vss_async_free(failed);
        expect_int("no bus", vss_service_connect(&service), VSS_E_SERVICE_UNAVAILABLE);
}

int main(void) {
        TestBus test_bus = { 0 };
        vss_service *service = NULL;
        sd_bus *bus;
        pid_t pid;

        if (!test_bus_start(&test_bus))
                return 0;
        bus = test_bus_connect();
        pid = start_service();
        expect_true("the service is there", test_bus_wait_name(bus, BUS_NAME, true));
        expect_int("connect", vss_service_connect(&service), VSS_S_OK);
        test_arguments(service);
        test_jobs(service);
        test_interrupt(service);
        test_spoof(service);
        test_session(service);
        test_components(service);
        test_documents(service);
        test_events(service);
        test_death(service, pid);

        pid = start_service();
        expect_true("the service is back", test_bus_wait_name(bus, BUS_NAME, true));
        expect_int("the same connection goes on", vss_service_list_writers(service, NULL), VSS_S_OK);
        (void)sd_bus_flush_close_unref(bus);
        test_lost(service, &test_bus);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return test_end();
}
