/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the fault provider: that each fault is one
 */

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "providers/common/fake-call.h"
#include "providers/fault/faults.h"
#include "providers/fault/provider.h"
#include "util/clock.h"
#include "util/test.h"
#include "util/value.h"

#define SET "5e700000-0000-4000-8000-000000000001"

static char directory[] = "/tmp/test-fault-XXXXXX";
static char config[64], memory[64], null_config[64];
static FaultProvider provider = {
        .null = { .config_path = null_config, .directory = memory },
        .config_path = config,
};
static vss_provider_call call = { .userdata = &provider };
static const struct vss_provider *const p = &fault_provider;

static void test_parse(void) {
        static const struct {
                const char *value;
                int want;
                FaultKind kind;
        } cases[] = {
                { "fail E_VOLUME_IN_USE", 0, FAULT_FAIL },
                { "fail VSS_E_PROVIDER_VETO no way", 0, FAULT_FAIL },
                { "fail", -EBADMSG, FAULT_NONE },
                { "fail S_OK", -EBADMSG, FAULT_NONE },
                { "fail E_NO_SUCH", -EBADMSG, FAULT_NONE },
                { "hang", 0, FAULT_HANG },
                { "hang 5", -EBADMSG, FAULT_NONE },
                { "slow 20", 0, FAULT_SLOW },
                { "slow", -EBADMSG, FAULT_NONE },
                { "slow 1s", -EBADMSG, FAULT_NONE },
                { "slow 1 2", -EBADMSG, FAULT_NONE },
                { "crash", 0, FAULT_CRASH },
                { "stop", 0, FAULT_STOP },
                { "lie", 0, FAULT_LIE },
                { "bad-code", 0, FAULT_BAD_CODE },
                { "", -EBADMSG, FAULT_NONE },
                { "explode", -EBADMSG, FAULT_NONE },
                { "fail 'E_X", -EBADMSG, FAULT_NONE },
        };

        FOREACH_ELEMENT (c, cases) {
                ConfError error = { 0 };
                Fault fault = { 0 };

                expect_int(c->value, fault_parse(c->value, &error, &fault), c->want);
                expect_int("  kind", fault.kind, c->kind);
                expect_int("  says why", *error.message != 0, c->want < 0);
        }
}

static void configure(const char *text) {
        _cleanup_(closep) int fd = open(config, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
                expect_true("configure", false);
}

static vss_result query(size_t *ret_n) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        vss_result r;

        r = p->query(&call, list);
        *ret_n = vss_value_count(list);
        return r;
}

static void test_answers(void) {
        int fd = -1;
        uint64_t began;
        size_t n;

        (void)unlink(config);
        expect_int("no file, no fault", query(&n), VSS_S_OK);
        configure("# as usual\nCommitSnapshots=fail E_INSUFFICIENT_STORAGE on \"fire  now\"\n");
        expect_int("another call", query(&n), VSS_S_OK);
        expect_int("fail", p->commit_snapshots(&call, SET), VSS_E_INSUFFICIENT_STORAGE);
        expect_str("and why", call.message, "CommitSnapshots: on fire  now");
        configure("CommitSnapshots=lie\nOpenSnapshot=lie\n");
        expect_int("lie", p->commit_snapshots(&call, SET), VSS_S_OK);
        expect_int("lie with a descriptor", p->open_snapshot(&call, SET, false, &fd), VSS_S_OK);
        expect_true("that is one", fd >= 0 && close(fd) == 0);
        configure("");
        expect_int("which it does not without", p->commit_snapshots(&call, SET), VSS_E_PROVIDER_VETO);
        configure("Query=bad-code\n");
        expect_str("a bad code", vss_result_name(query(&n)), "E_UNEXPECTED");
        configure("Query=slow 30\n");
        began = now_usec();
        expect_int("slow", query(&n), VSS_S_OK);
        expect_true("as long as asked", now_usec() - began >= 30 * USEC_PER_MSEC);
        configure("Query=slow 1\nComitSnapshots=crash\n");
        expect_int("a call that is misspelt", query(&n), VSS_E_PROVIDER_VETO);
        expect_true("is named with its line",
                    strstr(call.message, ":2: ") && strstr(call.message, "ComitSnapshots"));
}

static vss_result call_optional(size_t which) {
        _cleanup_value_ vss_value *dict = vss_value_new_dict(), *list = vss_value_new_list();
        struct vss_volume volume = { .size = sizeof(volume), .fd = -1, .path = "/" };

        switch (which) {
        case 0:
                return p->set_snapshot_property(&call, SET, dict);
        case 1:
                return p->get_target_luns(&call, SET, dict);
        case 2:
                return p->import_snapshots(&call, dict, dict);
        case 3:
                return p->break_snapshot_set(&call, SET, 0);
        case 4:
                return p->revert_to_snapshot(&call, SET, false);
        case 5:
                return p->query_revert_status(&call, &volume, dict);
        case 6:
                return p->resync_snapshots(&call, dict);
        case 7:
                return p->query_diff_areas(&call, list);
        case 8:
                return p->add_diff_area(&call, &volume, &volume, 1);
        case 9:
                return p->change_diff_area_maximum_size(&call, &volume, &volume, 0);
        case 10:
                return p->check_storage(&call, dict);
        case 11:
                return p->attach_device(&call, "", dict, dict);
        case 12:
                return p->detach_device(&call, "/dev/none", dict, dict);
        default:
                return p->query_attached(&call, list);
        }
}

static void test_optional(void) {
        static const char *const names[] = { "SetSnapshotProperty", "GetTargetLuns",
                                             "ImportSnapshots",     "BreakSnapshotSet",
                                             "RevertToSnapshot",    "QueryRevertStatus",
                                             "ResyncSnapshots",     "QueryDiffAreas",
                                             "AddDiffArea",         "ChangeDiffAreaMaximumSize",
                                             "CheckStorage",        "AttachDevice",
                                             "DetachDevice",        "QueryAttached" };

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                char text[100];

                (void)snprintf(text, sizeof(text), "%s=fail E_INSUFFICIENT_STORAGE\n", names[i]);
                configure(text);
                for (size_t k = 0; k < ELEMENTS(names); k++)
                        expect_int(names[k], call_optional(k) == VSS_E_INSUFFICIENT_STORAGE, i == k);
        }
}

/* What becomes of a child that makes the call: a wait status; it is killed after half a second. */
static int status_of(const char *fault, bool *ret_stopped) {
        int status = 0;
        pid_t pid;
        size_t n;

        configure(fault);
        *ret_stopped = false;
        pid = fork();
        if (pid == 0)
                _exit(query(&n) == VSS_S_OK ? 0 : 1);
        for (uint64_t until = now_usec() + USEC_PER_SEC / 2;;) {
                pid_t got = waitpid(pid, &status, WNOHANG | WUNTRACED);

                if (got == pid && WIFSTOPPED(status)) {
                        *ret_stopped = true;
                        (void)kill(pid, SIGCONT);
                } else if (got == pid)
                        return status;
                if (now_usec() > until)
                        break;
                (void)usleep(1000);
        }
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        return status;
}

static void test_deaths(void) {
        bool stopped;
        int status;

        expect_int("the checker knows a good end", status_of("", &stopped), 0);
        status = status_of("Query=crash\n", &stopped);
        expect_int("crash", WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGABRT);
        status = status_of("Query=hang\n", &stopped);
        expect_int("hang, until killed", WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGKILL);
        status = status_of("Query=stop\n", &stopped);
        expect_true("stop", stopped);
        expect_int("and go on", status, 0);
}

int main(void) {
        char record[PATH_MAX];

        test_parse();
        if (!mkdtemp(directory)) {
                expect_true("a directory to work in", false);
                return test_end();
        }
        (void)snprintf(config, sizeof(config), "%s/fault.conf", directory);
        (void)snprintf(null_config, sizeof(null_config), "%s/null.conf", directory);
        (void)snprintf(memory, sizeof(memory), "%s/memory", directory);
        test_answers();
        test_optional();
        test_deaths();
        null_provider_done(&provider.null);
        (void)snprintf(record, sizeof(record), "%s/storage/info.json", memory);
        expect_int("what was recorded", unlink(record), 0);
        *strrchr(record, '/') = '\0';
        expect_int("clean up", rmdir(record) | unlink(config) | rmdir(memory) | rmdir(directory), 0);
        return test_end();
}
