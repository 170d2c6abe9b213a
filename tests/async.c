/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Waiting, cancelling and dying, by the library and the real service: run by test-async with a volume
 *
 * The fault writer hangs or is slow in Freeze as its file says, so an operation lasts as long as is wanted.
 */

#include <linuxvss/requester.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"
#include "util/value.h"

#define FAULT_CONF "/etc/linuxvss/fault-writer.conf"

static const char *volume;

static void set_freeze(const char *action) {
        FILE *f = fopen(FAULT_CONF, "we");

        if (!f)
                return;
        fprintf(f, "[Writer]\nPath=%s\n", volume);
        if (action)
                fprintf(f, "[Events]\nFreeze=%s\n", action);
        (void)fclose(f);
}

/* Up to where the set can be made. */
static vss_session *prepare_session(vss_service *service, const char *label) {
        char set[VSS_ID_SIZE];
        vss_session *session = NULL;
        vss_result r = vss_session_create(service, NULL, &session);

        if (r >= 0)
                r = vss_session_initialize_for_backup(session);
        if (r >= 0)
                r = vss_session_set_backup_state(session, false, false, VSS_BT_COPY, false);
        if (r >= 0)
                r = vss_session_gather_writer_metadata(session, NULL);
        if (r >= 0)
                r = vss_session_start_snapshot_set(session, set);
        if (r >= 0)
                r = vss_session_add_to_snapshot_set(session, volume, "null", NULL);
        if (r >= 0)
                r = vss_session_prepare_for_backup(session, NULL);
        expect_str(label, vss_result_name(r), "S_OK");
        if (r < 0)
                printf("# %s\n", vss_service_error_message(service));
        return session;
}

static int64_t count_snapshots(vss_service *service) {
        vss_async *async = NULL;
        int64_t n = -1;

        if (vss_service_query(service, NULL, &async) >= 0 && vss_async_wait(async, 10000) >= 0)
                n = (int64_t)vss_value_count(vss_value_get(vss_async_result(async), "snapshots"));
        vss_async_free(async);
        return n;
}

static void test_side_by_side(vss_service *service) {
        vss_async *writers = NULL, *providers = NULL;

        expect_int("two operations at once: one", vss_service_list_writers(service, &writers), VSS_S_OK);
        expect_int("and the other", vss_service_list_providers(service, &providers), VSS_S_OK);
        expect_int("the second is waited for first", vss_async_wait(providers, 20000), VSS_S_ASYNC_FINISHED);
        expect_int("then the first", vss_async_wait(writers, 20000), VSS_S_ASYNC_FINISHED);
        expect_true("each has its own answer",
                    vss_value_get(vss_async_result(writers), "writers") &&
                            vss_value_get(vss_async_result(providers), "providers") &&
                            !vss_value_get(vss_async_result(writers), "providers"));
        expect_int("a time limit below none", vss_async_wait(writers, -2), VSS_E_INVALIDARG);
        writers = vss_async_free(writers);
        providers = vss_async_free(providers);
}

static void test_pending(vss_async *async) {
        uint64_t began = now_usec(), took;

        expect_int("no time to wait", vss_async_wait(async, 0), VSS_S_ASYNC_PENDING);
        expect_int("the status is asked for", vss_async_query_status(async), VSS_S_ASYNC_PENDING);
        expect_true("at once", now_usec() - began < 200 * USEC_PER_MSEC);
        began = now_usec();
        expect_int("a time limit", vss_async_wait(async, 400), VSS_S_ASYNC_PENDING);
        took = now_usec() - began;
        expect_true("is kept", took >= 399 * USEC_PER_MSEC && took < 900 * USEC_PER_MSEC);
        expect_true("pending is neither success nor the end",
                    VSS_S_ASYNC_PENDING != VSS_S_OK && VSS_S_ASYNC_PENDING != VSS_S_ASYNC_FINISHED);
        expect_true("there is progress", vss_async_progress(async) != NULL);
        expect_true("and no result", vss_async_result(async) == NULL);
}

static void test_two_sessions(vss_service *service) {
        vss_session *first, *second = NULL;
        vss_async *async = NULL;
        char set[VSS_ID_SIZE];
        uint64_t began;

        set_freeze("hang");
        first = prepare_session(service, "a session");
        expect_int("whose writer hangs in Freeze", vss_session_do_snapshot_set(first, &async), VSS_S_OK);
        test_pending(async);

        expect_int("a second session on this connection", vss_session_create(service, NULL, &second),
                   VSS_S_OK);
        expect_true("is another one", strcmp(vss_session_id(first), vss_session_id(second)) != 0);
        expect_int("it goes its own way", vss_session_initialize_for_backup(second), VSS_S_OK);
        expect_int("a call out of order", vss_session_do_snapshot_set(second, NULL), VSS_E_BAD_STATE);
        expect_true("names what is missing", strlen(vss_service_error_message(service)) > 10);
        expect_int("while the first is as it was", vss_async_query_status(async), VSS_S_ASYNC_PENDING);
        expect_int("one job at a time in a session", vss_session_do_snapshot_set(first, NULL),
                   VSS_E_BAD_STATE);

        began = now_usec();
        expect_int("cancel", vss_async_cancel(async), VSS_S_OK);
        expect_int("is cancelled", vss_async_wait(async, 15000), VSS_S_ASYNC_CANCELLED);
        expect_true("soon", now_usec() - began < 10 * USEC_PER_SEC);
        expect_int("and stays so", vss_async_query_status(async), VSS_S_ASYNC_CANCELLED);
        expect_int("cancelled once", vss_async_cancel(async), VSS_S_ASYNC_CANCELLED);
        async = vss_async_free(async);
        expect_int("no shadow copy was made", count_snapshots(service), 0);

        set_freeze(NULL);
        expect_int("the second gathers", vss_session_gather_writer_metadata(second, NULL), VSS_S_OK);
        expect_int("the turn is free", vss_session_start_snapshot_set(second, set), VSS_S_OK);
        expect_int("it adds", vss_session_add_to_snapshot_set(second, volume, "null", NULL), VSS_S_OK);
        expect_int("it prepares", vss_session_prepare_for_backup(second, NULL), VSS_S_OK);
        expect_int("it makes its set", vss_session_do_snapshot_set(second, &async), VSS_S_OK);
        expect_int("to the end", vss_async_wait(async, 20000), VSS_S_ASYNC_FINISHED);
        expect_str("which is its own", vss_value_get_string(vss_async_result(async), "set", ""), set);
        expect_int("too late to cancel", vss_async_cancel(async), VSS_S_ASYNC_FINISHED);
        async = vss_async_free(async);
        first = vss_session_release(first);
        expect_int("the end of one leaves the other", count_snapshots(service), 1);
        second = vss_session_release(second);
        expect_int("each ends with its own", count_snapshots(service), 0);
}

/* A freed handle leaves its operation alone. */
static void test_freed(vss_service *service) {
        vss_session *session;
        vss_async *async = NULL;
        int64_t n = 0;

        set_freeze("slow 500");
        session = prepare_session(service, "another session");
        expect_int("a set whose handle is freed", vss_session_do_snapshot_set(session, &async), VSS_S_OK);
        async = vss_async_free(async);
        for (int i = 0; i < 50 && n == 0; i++) {
                (void)usleep(100000);
                n = count_snapshots(service);
        }
        expect_int("is made all the same", n, 1);
        session = vss_session_release(session);
}

static pid_t find_service(void) {
        sd_bus *bus = NULL;
        sd_bus_creds *creds = NULL;
        pid_t pid = 0;

        if (sd_bus_open_system(&bus) >= 0 &&
            sd_bus_get_name_creds(bus, "org.linuxvss", SD_BUS_CREDS_PID, &creds) >= 0)
                (void)sd_bus_creds_get_pid(creds, &pid);
        sd_bus_creds_unref(creds);
        sd_bus_flush_close_unref(bus);
        return pid;
}

static void test_death(vss_service *service) {
        pid_t pid = find_service(), killer;
        vss_value *sessions = NULL;
        vss_session *session;
        vss_async *async = NULL;
        uint64_t began;

        set_freeze("hang");
        session = prepare_session(service, "the last session");
        expect_true("the service is a process", pid > 1);
        expect_int("hangs in Freeze", vss_session_do_snapshot_set(session, &async), VSS_S_OK);
        expect_int("is pending", vss_async_wait(async, 500), VSS_S_ASYNC_PENDING);
        killer = fork();
        if (killer == 0) {
                (void)usleep(400000);
                _exit(kill(pid, SIGKILL) < 0);
        }
        began = now_usec();
        expect_int("the service dies during a wait", vss_async_wait(async, -1), VSS_E_SERVICE_UNAVAILABLE);
        expect_true("which ends with it",
                    now_usec() - began >= 300 * USEC_PER_MSEC && now_usec() - began < 3 * USEC_PER_SEC);
        expect_true("and says so", strlen(vss_service_error_message(service)) > 10);
        expect_int("the operation is over", vss_async_query_status(async), VSS_E_SERVICE_UNAVAILABLE);
        expect_int("nothing is left to cancel", vss_async_cancel(async), VSS_S_ASYNC_FINISHED);
        (void)waitpid(killer, NULL, 0);
        async = vss_async_free(async);

        expect_int("the next call meets a new service", vss_service_list_sessions(service, &sessions),
                   VSS_S_OK);
        expect_int("without sessions", (int64_t)vss_value_count(sessions), 0);
        expect_true("the session is over", vss_session_backup_complete(session, NULL) < 0);
        expect_true("and released all the same", vss_session_release(session) == NULL);
        sessions = vss_value_free(sessions);
}

int main(int argc, char **argv) {
        vss_service *service = NULL;

        if (argc != 2) {
                (void)fputs("usage: async VOLUME (see test-async)\n", stderr);
                return 2;
        }
        volume = argv[1];
        set_freeze(NULL);
        expect_int("connect", vss_service_connect(&service), VSS_S_OK);
        test_side_by_side(service);
        test_two_sessions(service);
        test_freed(service);
        test_death(service);
        service = vss_service_free(service);
        return test_end();
}
