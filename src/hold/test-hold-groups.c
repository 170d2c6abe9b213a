/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold --groups: control groups held for a writer run again, whatever ends or stops whom
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "hold/mountinfo.h"
#include "hold/record.h"
#include "hold/test-hold-rig.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"

/* A control group with one process that counts. */
typedef struct Group {
        char path[PATH_MAX];
        int dir, procs;
        pid_t pid;
        _Atomic uint64_t *count;
} Group;

static Group one = { .dir = -1, .procs = -1 }, two = { .dir = -1, .procs = -1 };
static char *program;

static int each_cgroup2(const MountInfo *mount, void *data) {
        if (strcmp(mount->type, "cgroup2") != 0)
                return 0;
        (void)snprintf(data, PATH_MAX, "%s", mount->point);
        return 1;
}

static bool group_make(Group *group, const char *name) {
        char point[PATH_MAX - 64];

        if (mountinfo_each(each_cgroup2, point) <= 0)
                return false;
        (void)snprintf(group->path, sizeof(group->path), "%s/test-%s-%d", point, name, getpid());
        if (mkdir(group->path, 0755) < 0)
                return false;
        group->dir = open(group->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        group->procs = openat(group->dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        group->count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        group->pid = fork();
        if (group->pid == 0) {
                if (write(group->procs, "0", 1) < 0)
                        _exit(1);
                for (;; (void)usleep(1000))
                        (*group->count)++;
        }
        return group->procs >= 0;
}

static void group_end(Group *group) {
        (void)kill(group->pid, SIGKILL);
        (void)waitpid(group->pid, NULL, 0);
        (void)close(group->procs);
        (void)close(group->dir);
        expect_int("the control group goes", rmdir(group->path), 0);
}

static bool group_runs(const Group *group) {
        uint64_t before = *group->count;

        for (unsigned i = 0; i < 60 && *group->count == before; i++)
                (void)usleep(1000);
        return *group->count != before;
}

/* It stops, within two seconds. */
static bool group_stands(const Group *group) {
        for (unsigned i = 0; i < 30; i++)
                if (!group_runs(group))
                        return true;
        return false;
}

static unsigned records(void) {
        DIR *files = opendir("/run/linuxvss");
        struct dirent *entry;
        unsigned n = 0;

        while (files && (entry = readdir(files)))
                n += record_is_guard(entry->d_name);
        if (files)
                (void)closedir(files);
        return n;
}

/* Nothing stands and nothing is left, after a moment at most. */
static bool at_rest(void) {
        bool ends = holds_end(3000), runs = group_runs(&one) && group_runs(&two);

        if (!ends || !runs || records() > 0)
                printf("# processes %s, groups %s, %u records\n", ends ? "ended" : "left",
                       runs ? "run" : "stand", records());
        return ends && runs && records() == 0;
}

static bool arm(Session *session, const Group *group, const char *stop_at, uint64_t limit_usec) {
        session_option = "--groups";
        session_start(session, stop_at, -1);
        session_option = NULL;
        session_add(session, VSS_HOLD_CGROUP, group->dir, 0, "a control group");
        session_send(session, HOLD_ARM, limit_usec);
        return session_wait(session, HOLD_READY, 3000);
}

static bool hold(Session *session, const Group *group, uint64_t limit_usec) {
        if (!arm(session, group, NULL, limit_usec))
                return false;
        session_send(session, HOLD_FREEZE, 0);
        return session_wait(session, HOLD_HELD, 3000);
}

static bool end_with(Session *session, HoldCause cause) {
        bool released = session_wait(session, HOLD_RELEASED, 3000);

        session_close(session);
        return at_rest() && released && session->reply.cause == cause;
}

static void test_checker(void) {
        int freeze = openat(one.dir, "cgroup.freeze", O_WRONLY | O_CLOEXEC);

        expect_true("checker: both run", at_rest());
        expect_int("checker: somebody stops one", write(freeze, "1", 1), 1);
        expect_true("checker: finds it", group_stands(&one) && !at_rest());
        expect_int("checker: and lets it go", write(freeze, "0", 1), 1);
        expect_true("checker: finds that, too", at_rest());
        (void)close(freeze);
}

static void test_hold(void) {
        Session session, other;

        expect_true("held", hold(&session, &one, 5 * USEC_PER_SEC));
        expect_int("with a file of its own", records(), 1);
        expect_true("it stands, the other runs", group_stands(&one) && group_runs(&two));
        expect_true("another beside it", hold(&other, &two, 5 * USEC_PER_SEC));
        expect_true("both stand", group_stands(&one) && group_stands(&two));
        session_send(&other, HOLD_RELEASE, 0);
        expect_true("released alone",
                    session_wait(&other, HOLD_RELEASED, 2000) && group_runs(&two) && group_stands(&one));
        session_close(&other);
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("released", end_with(&session, HOLD_CAUSE_ASKED));
        expect_true("its times",
                    session.reply.targets[0].frozen_usec > 0 &&
                            session.reply.targets[0].released_usec >= session.reply.targets[0].frozen_usec);
        expect_int("no error", session.reply.targets[0].release_error, 0);
}

/* The service's own hold knows nothing of it. */
static void test_beside(void) {
        Session session, service;

        expect_true("beside the service's: held", hold(&session, &one, 5 * USEC_PER_SEC));
        expect_true("beside the service's: that holds as well", hold_both(&service, 5 * USEC_PER_SEC));
        session_send(&service, HOLD_RELEASE, 0);
        expect_true("beside the service's: it ends alone", session_wait(&service, HOLD_RELEASED, 2000));
        session_close(&service);
        expect_true("beside the service's: the group stands on", group_stands(&one));
        expect_int("--release leaves it alone", release_run(), 0);
        expect_true("it stands", group_stands(&one));
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("beside the service's", end_with(&session, HOLD_CAUSE_ASKED));
}

static void test_limit(void) {
        Session session;

        expect_true("a limit", hold(&session, &one, 400 * USEC_PER_MSEC));
        expect_true("is kept", end_with(&session, HOLD_CAUSE_LIMIT));
}

static void test_undone(void) {
        int freeze = openat(one.dir, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
        Session session;

        expect_true("undone: held", hold(&session, &one, 5 * USEC_PER_SEC));
        (void)!write(freeze, "0", 1);
        expect_true("undone: runs", group_runs(&one));
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("undone", end_with(&session, HOLD_CAUSE_ASKED));
        expect_int("undone: told", session.reply.targets[0].release_error, EINVAL);

        (void)!write(freeze, "1", 1);
        expect_true("somebody's own: ready", arm(&session, &one, NULL, 5 * USEC_PER_SEC));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("somebody's own: refused", session_wait(&session, HOLD_RELEASED, 2000));
        expect_int("somebody's own: error", session.reply.targets[0].freeze_error, EBUSY);
        session_close(&session);
        expect_true("somebody's own: stays", group_stands(&one));
        (void)!write(freeze, "0", 1);
        (void)close(freeze);
        expect_true("somebody's own", at_rest());
}

static void test_refused(void) {
        Session session;

        session_option = "--groups";
        session_start(&session, NULL, -1);
        session_option = NULL;
        session_add_volume(&session, volumes + VOLUME_EXT4, 0);
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("a volume: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("a volume: refused", end_with(&session, HOLD_CAUSE_FAILED));
        expect_int("a volume: error", session.reply.targets[0].freeze_error, EINVAL);
}

/* At each point: stopped, or killed. */
static void test_stops(void) {
        static const char *const points[] = {
                "armed",    "freezing",      "frozen",           "held",         "releasing",
                "released", "watcher-armed", "watcher-freezing", "watcher-held", "watcher-releasing"
        };

        FOREACH_ELEMENT (point, points)
                for (unsigned killed = 0; killed < 2; killed++) {
                        char stop_at[64];
                        Session session;

                        (void)snprintf(stop_at, sizeof(stop_at), "%s%s", *point, killed ? ":kill" : "");
                        (void)arm(&session, &one, stop_at, 10 * USEC_PER_SEC);
                        session_send(&session, HOLD_FREEZE, 0);
                        (void)session_wait(&session, HOLD_HELD, 1000);
                        session_send(&session, HOLD_RELEASE, 0);
                        (void)session_wait(&session, HOLD_RELEASED, 1500);
                        session_close(&session);
                        expect_true(stop_at, at_rest());
                }
}

static int release_guards(void) {
        char *argv[] = { program, (char *)"--release-guards", NULL };

        (void)fflush(stdout);
        return program_run(argv, true);
}

static void test_both(int how) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));
        _cleanup_(closep) int dir = record_dir_open(0);
        char name[RECORD_NAME_SIZE];
        Session session;

        expect_true("both: held", hold(&session, &one, 300 * USEC_PER_SEC));
        (void)snprintf(name, sizeof(name), RECORD_GUARD_PREFIX "%d", session.pid);
        expect_int("both: the file", record && dir >= 0 ? record_read(dir, name, record) : -1, 0);
        if (!record || record->n_targets != 1)
                return;
        expect_str("both: names the group", record->targets[0].path, one.path);
        (void)kill(record->pids[1], SIGSTOP);
        (void)kill(record->pids[0], SIGSTOP);
        if (how == SIGKILL) {
                (void)kill(record->pids[1], SIGKILL);
                (void)kill(record->pids[0], SIGKILL);
                expect_true("both killed: the writer hears it", session_ended(&session, 1000));
        }
        expect_true("both: it stands", group_stands(&one));
        expect_int("both: --release-guards", release_guards(), 0);
        session_close(&session);
        expect_true("both: everything runs", at_rest());
}

/* Who asked for it is killed while it is held. */
static void test_writer(void) {
        int pipes[2];
        char byte = '\0';
        pid_t pid;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return;
        (void)fflush(stdout);
        pid = fork();
        if (pid == 0) {
                Session session;

                (void)!write(pipes[1], hold(&session, &one, 300 * USEC_PER_SEC) ? "y" : "n", 1);
                for (;;)
                        (void)pause();
        }
        (void)close(pipes[1]);
        expect_true("the writer holds", read(pipes[0], &byte, 1) == 1 && byte == 'y');
        (void)close(pipes[0]);
        expect_true("it stands", group_stands(&one));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        expect_true("the writer is killed", at_rest());
}

int main(int argc, char **argv) {
        uint64_t began = now_usec();
        const char *reason;
        int r;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2)
                return 2;
        program = argv[1];
        r = rig_open(argv[1], &reason);
        if (r >= 0 && (!group_make(&one, "one") || !group_make(&two, "two"))) {
                reason = "no control group can be made";
                r = -EOPNOTSUPP;
        }
        if (r < 0) {
                printf("1..0 # SKIP %s: %s\n", reason, strerror(-r));
                return 0;
        }
        test_checker();
        test_hold();
        test_beside();
        test_limit();
        test_undone();
        test_refused();
        test_stops();
        test_both(SIGKILL);
        test_both(SIGSTOP);
        test_writer();
        group_end(&one);
        group_end(&two);
        rig_close();
        printf("# %.1f s\n", (double)(now_usec() - began) / 1e6);
        return test_end();
}
