/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Verify, which runs in a process of its own, and units, for which a writer asks the service; on a bus of
 * its own, with this program in the service's place
 */

#include <linuxvss/writer.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "lib/test-bus.h"

#define NAME "org.linuxvss.Writer.Test"
#define SESSION_A "aaaaaaaa-0000-4000-8000-000000000000"
#define SESSION_B "bbbbbbbb-0000-4000-8000-000000000000"
#define ANSWER_USEC (5 * USEC_PER_SEC)

static const char *mode_of(const vss_writer_call *call) {
        return vss_value_get_string(vss_writer_call_component(call, 0), "name", "");
}

/* An application of its own, which would stay if nobody ended it; it left its parent as daemons do. */
static void start_daemon(const char *scratch) {
        char path[256], unfinished[256];
        pid_t pid = fork();
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/daemon", scratch);
        (void)snprintf(unfinished, sizeof(unfinished), "%s/unfinished", scratch);
        if (pid != 0) {
                (void)waitpid(pid, NULL, 0);
                while (access(path, F_OK) < 0)
                        (void)usleep(1000);
                return;
        }
        (void)setsid();
        if (fork() != 0)
                _exit(0);
        f = fopen(unfinished, "we");
        if (f) {
                fprintf(f, "%d\n", (int)getpid());
                (void)fclose(f);
                (void)rename(unfinished, path);
        }
        for (;;)
                (void)pause();
}

static vss_result on_verify(vss_writer_call *call) {
        const char *mode = mode_of(call), *scratch = vss_writer_call_scratch(call);
        bool active;

        trace(vss_writer_call_userdata(call), 'v');
        if (!scratch || strcmp(vss_writer_call_snapshot_device(call, "/srv/x") ?: "", "/run/clone") != 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE, "no clone");
        start_daemon(scratch);
        if (strcmp(mode, "bad") == 0) {
                (void)vss_writer_call_fail_component(call, "", "bad", VSS_E_WRITERERROR_NONRETRYABLE,
                                                     "page 7 is torn");
                return VSS_E_WRITERERROR_PARTIAL_FAILURE;
        }
        if (strcmp(mode, "fail") == 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE, "it does not start");
        if (strcmp(mode, "hang") == 0)
                for (;;)
                        (void)pause();
        if (strcmp(mode, "die") == 0)
                (void)raise(SIGKILL);
        if (vss_writer_call_is_unit_active(call, "a.service", &active) != VSS_E_BAD_STATE)
                trace(vss_writer_call_userdata(call), '!');
        return vss_writer_call_add_note(call, NULL, NULL, "%d pages", 12);
}

static vss_result on_identify(vss_writer_call *call, vss_metadata *metadata) {
        bool active = false;
        vss_result result = vss_writer_call_is_unit_active(call, "a@1.service", &active);

        trace(vss_writer_call_userdata(call), result == VSS_E_BAD_STATE ? 'b'
                                              : result < 0              ? '!'
                                              : active                  ? 'A'
                                                                        : 'I');
        if (vss_writer_call_stop_unit(call, "a@1.service") != VSS_E_BAD_STATE)
                trace(vss_writer_call_userdata(call), '!');
        return VSS_S_OK;
}

static vss_result on_restore(vss_writer_call *call) {
        const char *unit = mode_of(call);
        vss_result result;

        if (vss_writer_call_is_dry_run(call)) {
                if (vss_writer_call_stop_unit(call, unit) != VSS_E_BAD_STATE)
                        trace(vss_writer_call_userdata(call), '!');
                return vss_writer_call_add_note(call, "", unit, "%s would be stopped", unit);
        }
        result = vss_writer_call_stop_unit(call, unit);
        if (result >= 0)
                result = vss_writer_call_start_unit(call, unit);
        if (result < 0)
                (void)vss_writer_call_fail_component(call, "", unit, result, "%s",
                                                     vss_writer_call_failure_text(call));
        return VSS_S_OK;
}

static vss_result on_trace(vss_writer_call *call, char what) {
        trace(vss_writer_call_userdata(call), what);
        return VSS_S_OK;
}

static vss_result on_freeze(vss_writer_call *call) {
        return on_trace(call, 'f');
}

static vss_result on_thaw(vss_writer_call *call) {
        return on_trace(call, 't');
}

static vss_result on_abort(vss_writer_call *call) {
        return on_trace(call, 'a');
}

static const struct vss_writer writer = {
        VSS_WRITER_INIT,
        .name = "Test",
        .id = "6b1c6a36-0000-4000-8000-000000000002",
        .identify = on_identify,
        .freeze = on_freeze,
        .thaw = on_thaw,
        .abort = on_abort,
        .pre_restore = on_restore,
        .verify = on_verify,
        .knows_dry_run = true,
};

/* The service's side of units */

static char asked[256]; /* "-UNIT +UNIT ?UNIT " */

static int on_unit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(m), *unit;
        int r = sd_bus_message_read(m, "s", &unit);
        size_t n = strlen(asked);

        if (r < 0)
                return r;
        (void)snprintf(asked + n, sizeof(asked) - n, "%s%s ",
                       *member == 'G'           ? "?"
                       : strstr(member, "Stop") ? "-"
                                                : "+",
                       unit);
        if (strcmp(unit, "foreign.service") == 0)
                return bus_error_setf(error, VSS_E_ACCESSDENIED, "foreign.service is not the writer's");
        if (strcmp(unit, "broken.service") == 0)
                return bus_error_setf(error, VSS_E_PROVIDER_VETO, "broken.service failed");
        return *member == 'G' ? sd_bus_reply_method_return(m, "s", "active")
                              : sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable units[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("StopUnit", "s", "", on_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartUnit", "s", "", on_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetUnitState", "s", "s", on_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* Calls */

typedef struct Sent {
        sd_bus *bus;
        int lifeline;
        char scratch[64];
        vss_value *result; /* NULL: no answer yet */
        vss_result code;
        char message[256];
} Sent;

static void sent_done(Sent *sent) {
        closep(&sent->lifeline);
        vss_value_free(sent->result);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        Sent *sent = userdata;

        if (error) {
                sent->code = bus_error_result(error);
                (void)snprintf(sent->message, sizeof(sent->message), "%s", error->message ?: "");
                sent->result = vss_value_new_dict();
        } else if (marshal_read_dict(m, &sent->result) < 0)
                sent->result = vss_value_new_dict();
        return 0;
}

static bool wait_answer(Sent *sent, uint64_t limit_usec) {
        for (uint64_t end = now_usec() + limit_usec; !sent->result && now_usec() < end;)
                if (sd_bus_process(sent->bus, NULL) == 0)
                        (void)sd_bus_wait(sent->bus, 20000);
        return sent->result != NULL;
}

static void begin(Sent *sent, sd_bus *bus, const char *event, const char *session, const char *name,
                  int limit_ms, bool dry) {
        _cleanup_value_ vss_value *values = vss_value_new_dict();
        _cleanup_message_ sd_bus_message *m = NULL;
        vss_value *component = vss_value_new_dict();
        int pair[2];

        *sent = (Sent){ .bus = bus, .lifeline = -1, .scratch = "/tmp/test-vss-verify-XXXXXX" };
        if (!mkdtemp(sent->scratch))
                exit(1);
        (void)vss_value_set_string(values, "session", session);
        (void)vss_value_set_string(values, "scratch", sent->scratch);
        (void)vss_value_set_boolean(values, "dry-run", dry);
        (void)vss_value_set_integer(values, "time-limit-ms", limit_ms);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_append(value_require(values, "components", VSS_KIND_LIST), component);
        (void)value_append_string(value_require(values, "volumes", VSS_KIND_LIST), "/srv");
        (void)vss_value_set_string(value_require(values, "devices", VSS_KIND_DICT), "/srv", "/run/clone");
        if (sd_bus_message_new_method_call(bus, &m, NAME, BUS_WRITER_PATH, BUS_WRITER, event) < 0 ||
            marshal_append_dict(m, values) < 0)
                exit(1);
        if (strcmp(event, "Verify") == 0) {
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
                    sd_bus_message_append(m, "h", pair[1]) < 0)
                        exit(1);
                (void)close(pair[1]);
                sent->lifeline = pair[0];
        }
        if (sd_bus_call_async(bus, NULL, m, on_answer, sent, 60 * USEC_PER_SEC) < 0)
                exit(1);
}

static vss_result call(sd_bus *bus, const char *event, const char *session) {
        Sent sent;
        vss_result result;

        begin(&sent, bus, event, session, "x", 0, false);
        expect_true(event, wait_answer(&sent, ANSWER_USEC));
        (void)rmdir(sent.scratch);
        result = sent.code;
        sent_done(&sent);
        return result;
}

/* The daemon that the handler started; 0 without one. */
static pid_t daemon_of(const Sent *sent) {
        char path[128];
        int pid = 0;
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/daemon", sent->scratch);
        for (int i = 0; i < 500 && pid == 0; i++, (void)usleep(10000)) {
                f = fopen(path, "re");
                if (f && fscanf(f, "%d", &pid) != 1)
                        pid = 0;
                if (f)
                        (void)fclose(f);
        }
        return (pid_t)pid;
}

static void clean(Sent *sent) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/daemon", sent->scratch);
        (void)unlink(path);
        (void)rmdir(sent->scratch);
        sent_done(sent);
}

/* Zombies of others are no processes any more. */
static bool is_gone(pid_t pid) {
        char path[64], state = 'Z';
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        for (int i = 0; i < 300; i++, (void)usleep(10000)) {
                f = fopen(path, "re");
                if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
                        state = 'Z';
                if (f)
                        (void)fclose(f);
                if (state == 'Z')
                        return true;
        }
        return false;
}

static void test_outcomes(sd_bus *bus, Trace *t) {
        static const struct {
                const char *mode;
                int limit_ms;
                vss_result code;
                const char *message;
        } cases[] = {
                { "good", 60000, VSS_S_OK, "" },
                { "bad", 60000, VSS_S_OK, "" },
                { "fail", 60000, VSS_E_WRITERERROR_NONRETRYABLE, "it does not start" },
                { "die", 60000, VSS_E_WRITERERROR_NONRETRYABLE, "died" },
                { "hang", 300, VSS_E_WRITERERROR_TIMEOUT, "in its time" },
        };

        FOREACH_ELEMENT (c, cases) {
                Sent sent;
                pid_t daemon;

                begin(&sent, bus, "Verify", SESSION_A, c->mode, c->limit_ms, false);
                daemon = daemon_of(&sent);
                expect_true(c->mode, wait_answer(&sent, ANSWER_USEC));
                expect_int("  its code", sent.code, c->code);
                expect_true("  and why", strstr(sent.message, c->message) != NULL);
                expect_true("  what it started is gone", daemon > 0 && is_gone(daemon));
                if (strcmp(c->mode, "good") == 0)
                        expect_str("  its note",
                                   vss_value_get_string(vss_value_at(vss_value_get(sent.result, "notes"), 0),
                                                        "text", ""),
                                   "12 pages");
                if (strcmp(c->mode, "bad") == 0)
                        expect_str("  its component",
                                   vss_value_get_string(
                                           vss_value_at(vss_value_get(sent.result, "failed-components"), 0),
                                           "message", ""),
                                   "page 7 is torn");
                clean(&sent);
        }
        expect_trace(t, "the handler ran each time", "vvvvv");
}

static void test_others_go_on(sd_bus *bus, Trace *t) {
        Sent sent, second;
        pid_t daemon;

        begin(&sent, bus, "Verify", SESSION_A, "hang", 60000, false);
        daemon = daemon_of(&sent);
        expect_int("meanwhile another session prepares", call(bus, "PrepareForSnapshot", SESSION_B),
                   VSS_S_OK);
        expect_int("freezes", call(bus, "Freeze", SESSION_B), VSS_S_OK);
        expect_int("and thaws", call(bus, "Thaw", SESSION_B), VSS_S_OK);
        begin(&second, bus, "Verify", SESSION_A, "good", 60000, false);
        expect_true("a second one of the same session", wait_answer(&second, ANSWER_USEC));
        expect_int("is refused", second.code, VSS_E_WRITERERROR_RETRYABLE);
        clean(&second);
        expect_true("it is under way still", !sent.result);
        closep(&sent.lifeline);
        sent.lifeline = -1;
        expect_true("the requester gives up", wait_answer(&sent, ANSWER_USEC));
        expect_int("  which is told", sent.code, VSS_E_WRITERERROR_RETRYABLE);
        expect_true("  and nothing stays", is_gone(daemon));
        clean(&sent);
        expect_trace(t, "in this order", "vft");

        begin(&sent, bus, "Verify", SESSION_B, "hang", 60000, false);
        daemon = daemon_of(&sent);
        expect_int("its session ends", call(bus, "Abort", SESSION_B), VSS_S_OK);
        expect_true("  so does it", wait_answer(&sent, ANSWER_USEC) && is_gone(daemon));
        clean(&sent);
        expect_trace(t, "with one abort", "va");
}

static pid_t start(sd_bus *bus, Trace *t) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(vss_writer_main(&writer, t));
        }
        expect_true("the writer is on the bus", test_bus_wait_name(bus, NAME, true));
        return pid;
}

static void test_deaths(sd_bus *bus, pid_t pid, Trace *t) {
        Sent sent;
        pid_t daemon;

        begin(&sent, bus, "Verify", SESSION_A, "hang", 60000, false);
        daemon = daemon_of(&sent);
        (void)kill(pid, SIGKILL);
        (void)test_wait_exit(pid);
        expect_true("the writer is killed: nothing stays", is_gone(daemon));
        expect_true("and the bus says so", wait_answer(&sent, ANSWER_USEC) && sent.code < 0);
        clean(&sent);

        (void)test_bus_wait_name(bus, NAME, false);
        pid = start(bus, t);
        begin(&sent, bus, "Verify", SESSION_A, "hang", 60000, false);
        daemon = daemon_of(&sent);
        (void)sd_bus_release_name(bus, BUS_NAME);
        expect_true("the service leaves: nothing stays", is_gone(daemon));
        (void)sd_bus_request_name(bus, BUS_NAME, 0);
        clean(&sent);

        begin(&sent, bus, "Verify", SESSION_A, "hang", 60000, false);
        daemon = daemon_of(&sent);
        (void)kill(pid, SIGTERM);
        expect_int("the writer is told to end", test_wait_exit(pid), EXIT_SUCCESS);
        expect_true("  nothing stays", is_gone(daemon));
        clean(&sent);
        expect_trace(t, "each had begun", "vvv");
}

static const char *failure_of(const Sent *sent) {
        return vss_value_get_string(vss_value_at(vss_value_get(sent->result, "failed-components"), 0),
                                    "message", "");
}

static void test_units(sd_bus *bus, Trace *t) {
        static const struct {
                const char *unit;
                vss_result code;
                const char *message;
        } cases[] = {
                { "a.service", VSS_S_OK, "" },
                { "foreign.service", VSS_E_ACCESSDENIED, "foreign.service is not the writer's" },
                { "broken.service", VSS_E_UNEXPECTED, "broken.service failed" },
        };
        char before[sizeof(asked)];
        Sent sent;

        expect_int("Identify", call(bus, "Identify", ""), VSS_S_OK);
        expect_trace(t, "which asks for a unit", "A");
        FOREACH_ELEMENT (c, cases) {
                begin(&sent, bus, "PreRestore", SESSION_A, c->unit, 60000, false);
                expect_true(c->unit, wait_answer(&sent, ANSWER_USEC));
                expect_int("  its code",
                           vss_value_get_integer(
                                   vss_value_at(vss_value_get(sent.result, "failed-components"), 0), "code",
                                   VSS_S_OK),
                           c->code);
                expect_str("  and why", failure_of(&sent), c->message);
                clean(&sent);
        }
        expect_str("the service was asked", asked,
                   "?a@1.service -a.service +a.service -foreign.service -broken.service ");
        memcpy(before, asked, sizeof(before));
        begin(&sent, bus, "PreRestore", SESSION_A, "a.service", 60000, true);
        expect_true("a dry run", wait_answer(&sent, ANSWER_USEC));
        expect_str("  says what it would do",
                   vss_value_get_string(vss_value_at(vss_value_get(sent.result, "notes"), 0), "text", ""),
                   "a.service would be stopped");
        clean(&sent);
        expect_true("  and asks for nothing", strcmp(asked, before) == 0);
        expect_int("while frozen", call(bus, "Freeze", SESSION_B), VSS_S_OK);
        asked[0] = '\0';
        expect_int("Identify", call(bus, "Identify", ""), VSS_S_OK);
        expect_str("asks nobody", asked, "");
        expect_int("Thaw", call(bus, "Thaw", SESSION_B), VSS_S_OK);
        expect_int("Abort", call(bus, "Abort", SESSION_B), VSS_S_OK);
        expect_int("BackupShutdown", call(bus, "BackupShutdown", SESSION_A), VSS_S_OK);
        expect_trace(t, "in this order", "fbta");
}

int main(void) {
        TestBus test_bus = { 0 };
        Trace *t = trace_new();
        sd_bus *bus;
        pid_t pid;

        if (!test_bus_start(&test_bus))
                return 0;
        bus = test_bus_connect();
        (void)sd_bus_request_name(bus, BUS_NAME, 0);
        (void)sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_MANAGER, units, NULL);
        pid = start(bus, t);
        test_units(bus, t);
        test_outcomes(bus, t);
        test_others_go_on(bus, t);
        test_deaths(bus, pid, t);
        (void)sd_bus_flush_close_unref(bus);
        test_bus_stop(&test_bus);
        return test_end();
}
