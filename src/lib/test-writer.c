/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The writer's main loop on a bus of its own, with this program in the service's place
 */

#include <linuxvss/writer.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "lib/test-bus.h"

#define NAME "org.linuxvss.Writer.Test"
#define SESSION_A "aaaaaaaa-0000-4000-8000-000000000000"
#define SESSION_B "bbbbbbbb-0000-4000-8000-000000000000"
#define SESSION_C "cccccccc-0000-4000-8000-000000000000"

static vss_result on_identify(vss_writer_call *call, vss_metadata *metadata) {
        static const struct vss_component_info info = { .size = sizeof(info),
                                                        .type = VSS_CT_FILEGROUP,
                                                        .name = "files" };

        trace(vss_writer_call_userdata(call), 'i');
        (void)vss_metadata_add_component(metadata, &info);
        return vss_metadata_add_files(metadata, "", "files", "/srv", "*", true);
}

static vss_result on_prepare_snapshot(vss_writer_call *call) {
        trace(vss_writer_call_userdata(call), 'p');
        if (vss_writer_call_backup_type(call) == VSS_BT_LOG)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE, "no %s", "logs \xff");
        if (vss_writer_call_backup_type(call) == VSS_BT_OTHER)
                return vss_writer_call_fail(call, VSS_E_BAD_STATE, "odd");
        if (vss_writer_call_backup_type(call) == VSS_BT_INCREMENTAL)
                return vss_writer_call_veto(call, VSS_E_WRITERERROR_OUTOFRESOURCES, "too much of %s", "it");
        if (vss_writer_call_backup_type(call) == VSS_BT_DIFFERENTIAL) {
                (void)vss_writer_call_set_application_failure(call, 600, "deadlock");
                (void)vss_writer_call_set_failure(call, "", "files", VSS_E_WRITERERROR_TIMEOUT, 601, "late");
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE, "no");
        }
        return VSS_S_OK;
}

static vss_result on_freeze(vss_writer_call *call) {
        trace(vss_writer_call_userdata(call), 'f');
        if (!vss_writer_call_is_path_affected(call, "/srv/x/y") ||
            vss_writer_call_is_path_affected(call, "/srvx"))
                trace(vss_writer_call_userdata(call), '!');
        return vss_writer_call_fail_component(call, "", "files", VSS_E_WRITERERROR_RETRYABLE, "busy");
}

static vss_result on_thaw(vss_writer_call *call) {
        trace(vss_writer_call_userdata(call), 't');
        return VSS_S_OK;
}

static vss_result on_abort(vss_writer_call *call) {
        trace(vss_writer_call_userdata(call), vss_writer_call_session_id(call)[0] == 'a' ? 'a' : 'b');
        return VSS_S_OK;
}

static vss_result on_post_snapshot(vss_writer_call *call) {
        const char *device = vss_writer_call_snapshot_device(call, "/srv/x");
        char path[64];

        /* With a mount, there is a file in it. */
        (void)snprintf(path, sizeof(path), "%s/inside", device ?: "");
        trace(vss_writer_call_userdata(call), device && strcmp(device, "/run/s") == 0 ? 's'
                                              : access(path, F_OK) == 0               ? 'm'
                                                                                      : '!');
        return VSS_S_OK;
}

static char temporary_file[] = "/tmp/test-vss-writer-XXXXXX";

/* What a writer does there: looks at its components, and tidies up if they are safe. */
static vss_result on_backup_complete(vss_writer_call *call) {
        bool all = true;

        trace(vss_writer_call_userdata(call), 'c');
        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);
                bool succeeded = vss_value_get_boolean(component, "succeeded", false);

                trace(vss_writer_call_userdata(call), vss_value_get_string(component, "name", "?")[0]);
                trace(vss_writer_call_userdata(call), succeeded ? '+' : '-');
                all = all && succeeded;
        }
        if (all)
                (void)unlink(temporary_file);
        return VSS_S_OK;
}

static vss_result on_pre_restore(vss_writer_call *call) {
        trace(vss_writer_call_userdata(call), '<');
        return VSS_S_OK;
}

static vss_result on_post_restore(vss_writer_call *call) {
        trace(vss_writer_call_userdata(call), '>');
        return VSS_S_OK;
}

static vss_result on_shutdown(vss_writer_call *call) {
        trace(vss_writer_call_userdata(call), 'z');
        return VSS_S_OK;
}

static const struct vss_writer writer = {
        VSS_WRITER_INIT,
        .name = "Test",
        .id = "6b1c6a36-0000-4000-8000-000000000001",
        .friendly_name = "A test",
        .version = "1",
        .freeze_timeout_ms = 700,
        .identify = on_identify,
        .freeze = on_freeze,
        .thaw = on_thaw,
        .abort = on_abort,
        .prepare_snapshot = on_prepare_snapshot,
        .post_snapshot = on_post_snapshot,
        .backup_complete = on_backup_complete,
        .backup_shutdown = on_shutdown,
        .pre_restore = on_pre_restore,
        .post_restore = on_post_restore,
};

static pid_t start_as(sd_bus *bus, const char *name, const struct vss_writer *w, Trace *t) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(vss_writer_main(w, t));
        }
        if (bus)
                expect_true("the writer is on the bus", test_bus_wait_name(bus, name, true));
        return pid;
}

static pid_t start(sd_bus *bus, const struct vss_writer *w, Trace *t) {
        return start_as(bus, NAME, w, t);
}

static const char *destination = NAME;
static unsigned n_mounts; /* that PostSnapshot brings along */
static int mount_fd = -1;

static int append_mounts(sd_bus_message *m) {
        int r = sd_bus_message_open_container(m, 'a', "{sh}");

        for (unsigned i = 0; r >= 0 && i < n_mounts; i++) {
                char volume[32];

                (void)snprintf(volume, sizeof(volume), i == 0 ? "/srv" : "/srv/%u", i);
                r = sd_bus_message_append(m, "{sh}", volume, mount_fd);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static const char *chosen = ""; /* names of components, a letter each; capital ones were saved */

static sd_bus_message *make_event(sd_bus *bus, const char *event, const char *session,
                                  enum vss_backup_type type) {
        _cleanup_value_ vss_value *values = vss_value_new_dict();
        sd_bus_message *m = NULL;

        for (const char *c = chosen; *c; c++) {
                vss_value *component = vss_value_new_dict();
                char name[] = { (char)(*c | 0x20), 0 };

                (void)vss_value_set_string(component, "name", name);
                (void)vss_value_set_boolean(component, "succeeded", !(*c & 0x20));
                (void)vss_value_append(value_require(values, "components", VSS_KIND_LIST), component);
        }

        (void)vss_value_set_string(values, "session", session);
        (void)vss_value_set_integer(values, "backup-type", type);
        (void)value_append_string(value_require(values, "volumes", VSS_KIND_LIST), "/srv");
        (void)vss_value_set_string(value_require(values, "devices", VSS_KIND_DICT), "/srv", "/run/s");
        if (sd_bus_message_new_method_call(bus, &m, destination, BUS_WRITER_PATH, BUS_WRITER, event) < 0 ||
            marshal_append_dict(m, values) < 0)
                exit(1);
        if (strcmp(event, "PostSnapshot") == 0 && append_mounts(m) < 0)
                exit(1);
        return m;
}

static vss_result send_type(sd_bus *bus, const char *event, const char *session, enum vss_backup_type type,
                            vss_value **ret_result) {
        _cleanup_message_ sd_bus_message *m = make_event(bus, event, session, type), *reply = NULL;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(bus, m, 5 * USEC_PER_SEC, &error, &reply);

        if (r < 0)
                return bus_error_result(&error);
        return ret_result && marshal_read_dict(reply, ret_result) < 0 ? VSS_E_UNEXPECTED : VSS_S_OK;
}

static vss_result send(sd_bus *bus, const char *event, const char *session) {
        return send_type(bus, event, session, VSS_BT_COPY, NULL);
}

static void test_events(sd_bus *bus, Trace *t) {
        _cleanup_value_ vss_value *metadata = NULL, *frozen = NULL;
        const vss_value *failed;

        expect_int("Identify", send_type(bus, "Identify", "", VSS_BT_COPY, &metadata), VSS_S_OK);
        expect_str("its name", vss_value_get_string(metadata, "name", NULL), "Test");
        expect_int("its level", vss_value_get_integer(metadata, "level", 0), VSS_APP_FRONT_END);
        expect_int("its components", vss_value_count(vss_value_get(metadata, "components")), 1);
        expect_int("without a session", send(bus, "PrepareForSnapshot", ""), VSS_E_INVALIDARG);
        expect_int("Thaw before Freeze", send(bus, "Thaw", SESSION_A), VSS_E_BAD_STATE);
        expect_int("an event without a handler", send(bus, "PrepareForBackup", SESSION_A), VSS_S_OK);
        expect_int("PrepareForSnapshot", send(bus, "PrepareForSnapshot", SESSION_A), VSS_S_OK);
        expect_int("one that fails", send_type(bus, "PrepareForSnapshot", SESSION_A, VSS_BT_LOG, NULL),
                   VSS_E_WRITERERROR_RETRYABLE);
        expect_int("one that fails as it must not",
                   send_type(bus, "PrepareForSnapshot", SESSION_A, VSS_BT_OTHER, NULL),
                   VSS_E_UNEXPECTED_WRITER_ERROR);
        expect_int("Freeze", send_type(bus, "Freeze", SESSION_A, VSS_BT_COPY, &frozen), VSS_S_OK);
        failed = vss_value_at(vss_value_get(frozen, "failed-components"), 0);
        expect_str("its failed component", vss_value_get_string(failed, "message", NULL), "busy");
        expect_int("Freeze twice", send(bus, "Freeze", SESSION_A), VSS_E_BAD_STATE);
        expect_int("PostSnapshot before Thaw", send(bus, "PostSnapshot", SESSION_A), VSS_E_BAD_STATE);
        expect_int("Identify while frozen", send(bus, "Identify", ""), VSS_S_OK);
        expect_int("Thaw", send(bus, "Thaw", SESSION_A), VSS_S_OK);
        expect_int("PostSnapshot", send(bus, "PostSnapshot", SESSION_A), VSS_S_OK);
        expect_int("BackupShutdown", send(bus, "BackupShutdown", SESSION_A), VSS_S_OK);
        expect_trace(t, "handlers ran in order", "ipppfitsz");
}

/* A shadow copy comes as a descriptor, and is a path for the handler. */
static void test_mounts(sd_bus *bus, Trace *t) {
        char directory[] = "/tmp/test-vss-writer-XXXXXX", file[64];
        int fd;

        if (!mkdtemp(directory))
                exit(1);
        (void)snprintf(file, sizeof(file), "%s/inside", directory);
        fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        mount_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        n_mounts = 1;
        expect_int("PostSnapshot with a mount", send(bus, "PostSnapshot", SESSION_A), VSS_S_OK);
        n_mounts = 16;
        expect_int("with 16, which is what the bus carries", send(bus, "PostSnapshot", SESSION_A), VSS_S_OK);
        n_mounts = 0;
        expect_int("without", send(bus, "PostSnapshot", SESSION_A), VSS_S_OK);
        expect_trace(t, "the handler reads through it", "mms");
        (void)close(fd);
        (void)close(mount_fd);
        (void)unlink(file);
        (void)rmdir(directory);
}

static void test_backup_complete(sd_bus *bus, Trace *t) {
        chosen = "Xy";
        expect_int("contract 9.3.11: BackupComplete gets to the writer",
                   send(bus, "BackupComplete", SESSION_A), VSS_S_OK);
        expect_trace(t,
                     "contract 9.3.14: which looks at each component that was chosen, contract 9.3.15: and "
                     "whether it was saved",
                     "cx+y-");
        expect_true("contract 9.3.15: it keeps what is not safe", access(temporary_file, F_OK) == 0);
        chosen = "XY";
        expect_int("BackupComplete of another session", send(bus, "BackupComplete", SESSION_B), VSS_S_OK);
        expect_trace(t, "where all were saved", "cx+y+");
        expect_true("contract 9.3.13: it may remove temporary files", access(temporary_file, F_OK) < 0);
        chosen = "";
}

static int on_failed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(sd_bus_message **)userdata = sd_bus_message_ref(m);
        return 0;
}

/* The error itself, which sd_bus_call() does not hand out. */
static sd_bus_message *failed_reply(sd_bus *bus, const char *event, enum vss_backup_type type) {
        _cleanup_message_ sd_bus_message *m = make_event(bus, event, SESSION_A, type);
        sd_bus_message *reply = NULL;

        (void)sd_bus_call_async(bus, NULL, m, on_failed, &reply, 0);
        for (int i = 0; i < 100 && !reply; i++)
                if (sd_bus_process(bus, NULL) == 0)
                        (void)sd_bus_wait(bus, 50000);
        return reply;
}

/* A veto is in the answer of an event that was carried out; a failure's body has the rest of what was said.
 */
static void test_failures(sd_bus *bus, Trace *t) {
        _cleanup_message_ sd_bus_message *failed = NULL;
        _cleanup_value_ vss_value *vetoed = NULL, *more = NULL;
        const vss_value *failure;
        const char *message = NULL;

        expect_int("a veto", send_type(bus, "PrepareForSnapshot", SESSION_A, VSS_BT_INCREMENTAL, &vetoed),
                   VSS_S_OK);
        failure = vss_value_get(vetoed, "failure");
        expect_int("its code", vss_value_get_integer(failure, "code", 0), VSS_E_WRITERERROR_OUTOFRESOURCES);
        expect_str("its words", vss_value_get_string(failure, "message", ""), "too much of it");

        failed = failed_reply(bus, "PrepareForSnapshot", VSS_BT_DIFFERENTIAL);
        expect_int("a failure", bus_error_result(sd_bus_message_get_error(failed)),
                   VSS_E_WRITERERROR_RETRYABLE);
        expect_true("its body goes on", sd_bus_message_rewind(failed, true) >= 0 &&
                                                sd_bus_message_read(failed, "s", &message) > 0 &&
                                                marshal_read_dict(failed, &more) >= 0);
        expect_str("after its words", message, "no");
        failure = vss_value_get(more, "failure");
        expect_int("with the application's number", vss_value_get_integer(failure, "application-code", 0),
                   600);
        expect_str("and words", vss_value_get_string(failure, "application-message", ""), "deadlock");
        failure = vss_value_at(vss_value_get(more, "failed-components"), 0);
        expect_int("and that of a component", vss_value_get_integer(failure, "application-code", 0), 601);
        expect_int("Abort", send(bus, "Abort", SESSION_A), VSS_S_OK);
        expect_trace(t, "the handler ran", "ppa");
}

static void test_restore(sd_bus *bus, Trace *t) {
        expect_int("PreRestore", send(bus, "PreRestore", SESSION_A), VSS_S_OK);
        expect_int("PostRestore", send(bus, "PostRestore", SESSION_A), VSS_S_OK);
        expect_int("BackupShutdown", send(bus, "BackupShutdown", SESSION_A), VSS_S_OK);
        expect_trace(t, "in order", "<>z");
        expect_int("PreRestore", send(bus, "PreRestore", SESSION_A), VSS_S_OK);
        expect_int("a backup in a restore", send(bus, "PrepareForSnapshot", SESSION_A), VSS_E_BAD_STATE);
        expect_int("a restore in a backup", send(bus, "PrepareForSnapshot", SESSION_B), VSS_S_OK);
        expect_int("likewise", send(bus, "PreRestore", SESSION_B), VSS_E_BAD_STATE);
        (void)sd_bus_release_name(bus, BUS_NAME);
        expect_trace(t, "when the service leaves, the backup is aborted, and the restore is over", "<pzb");
        (void)sd_bus_request_name(bus, BUS_NAME, 0);
}

/* 16 sessions at a time, and those that are done with make room. */
static void test_sessions(sd_bus *bus, Trace *t) {
        char session[VSS_ID_SIZE];

        for (unsigned i = 0; i < VSS_WRITER_SESSIONS_MAX; i++) {
                (void)snprintf(session, sizeof(session), "dddddddd-0000-4000-8000-%012u", i);
                expect_int("a session", send(bus, "PrepareForBackup", session), VSS_S_OK);
        }
        expect_int("contract 9.3.18: there is room for so many only",
                   send(bus, "PrepareForBackup", SESSION_A), VSS_E_WRITER_STATUS_NOT_AVAILABLE);
        expect_int("one of them ends", send(bus, "BackupComplete", session), VSS_S_OK);
        expect_int("contract 9.3.19: whose slot a later backup has",
                   send(bus, "PrepareForBackup", SESSION_A), VSS_S_OK);
        expect_int("its last event comes all the same", send(bus, "BackupShutdown", session), VSS_S_OK);
        expect_trace(t, "and is delivered", "cz");
        (void)sd_bus_release_name(bus, BUS_NAME);
        expect_trace(t, "the service leaves: all are aborted", "bbbbbbbbbbbbbbba");
        (void)sd_bus_request_name(bus, BUS_NAME, 0);
}

/* Two that are alike, side by side. */
static void test_instances(sd_bus *bus, Trace *t) {
        _cleanup_value_ vss_value *one = NULL, *two = NULL, *again = NULL;
        struct vss_writer w = writer;
        pid_t first, second;

        w.instance_name = "one";
        w.backup_schema = VSS_BS_TIMESTAMPED;
        first = start_as(bus, NAME ".one", &w, t);
        w.instance_name = "two";
        second = start_as(bus, NAME ".two", &w, t);
        destination = NAME ".one";
        expect_int("the first", send_type(bus, "Identify", "", VSS_BT_COPY, &one), VSS_S_OK);
        expect_int("the first again", send_type(bus, "Identify", "", VSS_BT_COPY, &again), VSS_S_OK);
        destination = NAME ".two";
        expect_int("the second", send_type(bus, "Identify", "", VSS_BT_COPY, &two), VSS_S_OK);
        destination = NAME;
        expect_str("its name", vss_value_get_string(one, "name", ""), "Test.one");
        expect_str("and instance", vss_value_get_string(two, "instance-name", ""), "two");
        expect_str("one class", vss_value_get_string(one, "id", "a"), vss_value_get_string(two, "id", "b"));
        expect_true("two runs", strcmp(vss_value_get_string(one, "instance-id", ""),
                                       vss_value_get_string(two, "instance-id", "")) != 0);
        expect_str("each the same for its life", vss_value_get_string(one, "instance-id", "a"),
                   vss_value_get_string(again, "instance-id", "b"));
        expect_int("schema", vss_value_get_integer(one, "backup-schema", 0), VSS_BS_TIMESTAMPED);
        expect_trace(t, "all identified", "iii");
        (void)kill(first, SIGTERM);
        (void)kill(second, SIGTERM);
        expect_int("ends", test_wait_exit(first), EXIT_SUCCESS);
        expect_int("ends", test_wait_exit(second), EXIT_SUCCESS);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(int *)userdata = sd_bus_message_is_method_error(m, NULL) ? -1 : 1;
        return 0;
}

static void test_others_wait(sd_bus *bus, Trace *t) {
        _cleanup_message_ sd_bus_message *m = make_event(bus, "PrepareForSnapshot", SESSION_B, VSS_BT_COPY);
        int answered = 0;

        expect_int("Freeze", send(bus, "Freeze", SESSION_A), VSS_S_OK);
        (void)sd_bus_call_async(bus, NULL, m, on_reply, &answered, 0);
        expect_int("Abort of a third session is answered at once", send(bus, "Abort", SESSION_C), VSS_S_OK);
        expect_trace(t, "but not delivered while frozen", "f");
        (void)sd_bus_process(bus, NULL);
        expect_int("its preparation waits", answered, 0);
        expect_int("Thaw", send(bus, "Thaw", SESSION_A), VSS_S_OK);
        expect_trace(t, "then they are delivered", "tpb");
        for (int i = 0; i < 100 && !answered; i++)
                if (sd_bus_process(bus, NULL) == 0)
                        (void)sd_bus_wait(bus, 50000);
        expect_int("and answered", answered, 1);
        expect_int("BackupShutdown", send(bus, "BackupShutdown", SESSION_A), VSS_S_OK);
        expect_int("Abort", send(bus, "Abort", SESSION_B), VSS_S_OK);
        expect_trace(t, "the end", "zb");
}

/* Who gave up while waiting must not be frozen later. */
static void test_others_give_up(sd_bus *bus, Trace *t) {
        _cleanup_message_ sd_bus_message *m = make_event(bus, "Freeze", SESSION_B, VSS_BT_COPY);
        int answered = 0;

        expect_int("Freeze", send(bus, "Freeze", SESSION_A), VSS_S_OK);
        (void)sd_bus_call_async(bus, NULL, m, on_reply, &answered, 0);
        expect_int("Abort of the one that waits", send(bus, "Abort", SESSION_B), VSS_S_OK);
        for (int i = 0; i < 100 && !answered; i++)
                if (sd_bus_process(bus, NULL) == 0)
                        (void)sd_bus_wait(bus, 50000);
        expect_int("its freeze is refused", answered, -1);
        expect_int("Thaw", send(bus, "Thaw", SESSION_A), VSS_S_OK);
        expect_trace(t, "and never happens", "ftb");
        expect_int("BackupShutdown", send(bus, "BackupShutdown", SESSION_A), VSS_S_OK);
        expect_trace(t, "the end", "z");
}

static void test_lease(sd_bus *bus, Trace *t) {
        uint64_t start_usec = now_usec(), took;

        expect_int("Freeze", send(bus, "Freeze", SESSION_A), VSS_S_OK);
        while (t->n < 2 && now_usec() < start_usec + 5 * USEC_PER_SEC)
                (void)usleep(1000);
        took = now_usec() - start_usec;
        expect_true("abort comes when the freeze time is over", took >= 690000 && took < 1500000);
        expect_trace(t, "by itself", "fa");
        expect_int("a late Thaw is told", send(bus, "Thaw", SESSION_A), VSS_E_WRITERERROR_TIMEOUT);
        expect_int("Abort", send(bus, "Abort", SESSION_A), VSS_S_OK);
        expect_trace(t, "abort again", "a");

        expect_int("Freeze", send(bus, "Freeze", SESSION_A), VSS_S_OK);
        start_usec = now_usec();
        (void)sd_bus_release_name(bus, BUS_NAME);
        while (t->n < 2 && now_usec() < start_usec + 5 * USEC_PER_SEC)
                (void)usleep(1000);
        expect_true("the service leaves: at once", now_usec() - start_usec < 400000);
        expect_trace(t, "abort", "fa");
        (void)sd_bus_request_name(bus, BUS_NAME, 0);
        expect_int("it serves the next one", send(bus, "PrepareForSnapshot", SESSION_B), VSS_S_OK);
        (void)sd_bus_release_name(bus, BUS_NAME);
        expect_trace(t, "a session under way is aborted too", "pb");
        (void)sd_bus_request_name(bus, BUS_NAME, 0);
}

static void test_strangers(Trace *t) {
        sd_bus *stranger = test_bus_connect();

        expect_int("a stranger may not freeze", send(stranger, "Freeze", SESSION_A), VSS_E_ACCESSDENIED);
        expect_int("root may ask who it is", send(stranger, "Identify", ""),
                   geteuid() == 0 ? VSS_S_OK : VSS_E_ACCESSDENIED);
        /* A signal that pretends the service left. */
        (void)sd_bus_call_method(stranger, "org.freedesktop.DBus", "/", "x.y", "Z", NULL, NULL, "");
        {
                _cleanup_message_ sd_bus_message *m = NULL;

                if (sd_bus_message_new_signal(stranger, &m, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                              "NameOwnerChanged") >= 0 &&
                    sd_bus_message_append(m, "sss", BUS_NAME, ":1.1", "") >= 0)
                        (void)sd_bus_send_to(stranger, m, NAME, NULL);
        }
        (void)sd_bus_flush(stranger);
        expect_trace(t, "only that", geteuid() == 0 ? "i" : "");
        (void)sd_bus_flush_close_unref(stranger);
}

static void test_ends(sd_bus *bus, pid_t pid, Trace *t) {
        expect_int("a second one", test_wait_exit(start(NULL, &writer, t)), EXIT_FAILURE);
        expect_int("Freeze", send(bus, "Freeze", SESSION_A), VSS_S_OK);
        (void)kill(pid, SIGTERM);
        expect_int("SIGTERM", test_wait_exit(pid), EXIT_SUCCESS);
        expect_trace(t, "abort first", "fa");
}

static void test_descriptors(Trace *t) {
        struct vss_writer w = writer;

        w.abi = 2;
        expect_int("another ABI", test_wait_exit(start(NULL, &w, t)), 2);
        w = writer;
        w.thaw = NULL;
        expect_int("no thaw", test_wait_exit(start(NULL, &w, t)), 2);
        w = writer;
        w.size = 16;
        expect_int("too small", test_wait_exit(start(NULL, &w, t)), 2);
        w = writer;
        w.name = "a.b";
        expect_int("a bad name", test_wait_exit(start(NULL, &w, t)), 2);
        w = writer;
        w.instance_name = "1";
        expect_int("a bad instance", test_wait_exit(start(NULL, &w, t)), 2);
        w = writer;
        w.backup_schema = 0x800;
        expect_int("a bad schema", test_wait_exit(start(NULL, &w, t)), 2);
        expect_int("none", test_wait_exit(start(NULL, NULL, t)), 2);
}

/* A descriptor of an older header: what is beyond its size does not exist. */
static void test_short_descriptor(sd_bus *bus, Trace *t) {
        struct vss_writer w = writer;
        pid_t pid;

        w.size = offsetof(struct vss_writer, prepare_backup);
        pid = start(bus, &w, t);
        expect_int("a call beyond its size", send(bus, "PrepareForSnapshot", SESSION_A), VSS_S_OK);
        expect_int("PreRestore without a handler", send(bus, "PreRestore", SESSION_C), VSS_S_OK);
        expect_int("PostRestore without a handler", send(bus, "PostRestore", SESSION_C), VSS_S_OK);
        expect_int("contract 9.3.12: BackupComplete without a handler",
                   send(bus, "BackupComplete", SESSION_B), VSS_S_OK);
        expect_trace(t, "is not made", "");
        (void)kill(pid, SIGTERM);
        expect_int("ends", test_wait_exit(pid), EXIT_SUCCESS);
        expect_trace(t, "its session is aborted", "a");
}

int main(int argc, char **argv) {
        TestBus test_bus = { 0 };
        Trace *t = trace_new();
        int fd = mkostemp(temporary_file, O_CLOEXEC); /* before the writer is forked, which knows its name */
        sd_bus *bus;
        pid_t pid;

        if (fd < 0)
                return 1;
        (void)close(fd);
        if (!test_bus_start(&test_bus))
                return 0;
        bus = test_bus_connect();
        (void)sd_bus_request_name(bus, BUS_NAME, 0);

        pid = start(bus, &writer, t);
        if (argc > 1)
                expect_introspection(bus, NAME, BUS_WRITER_PATH, BUS_WRITER, argv[1]);
        test_events(bus, t);
        test_mounts(bus, t);
        test_backup_complete(bus, t);
        test_failures(bus, t);
        test_restore(bus, t);
        test_sessions(bus, t);
        test_instances(bus, t);
        test_others_wait(bus, t);
        test_others_give_up(bus, t);
        test_lease(bus, t);
        test_strangers(t);
        test_ends(bus, pid, t);
        test_descriptors(t);
        test_short_descriptor(bus, t);

        pid = start(bus, &writer, t);
        expect_int("Freeze", send(bus, "Freeze", SESSION_A), VSS_S_OK);
        (void)sd_bus_flush_close_unref(bus);
        test_bus_stop(&test_bus);
        expect_int("the bus dies", test_wait_exit(pid), EXIT_FAILURE);
        expect_trace(t, "abort first", "fa");
        return test_end();
}
