/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold lets go when it, its watcher, both, or the service is stopped or killed, and --release when
 * nobody can
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "hold/test-hold-rig.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"

static Volume *const ext4 = volumes + VOLUME_EXT4, *const xfs = volumes + VOLUME_XFS;

/* Stops or kills one of the processes at one point. */
static void test_stop_at(const char *point, const char *how, HoldCause cause) {
        bool late = strstr(point, "releas") != NULL, armed = strstr(point, "armed") != NULL;
        char stop_at[64];
        Session session;
        uint64_t began;

        (void)snprintf(stop_at, sizeof(stop_at), "%s%s", point, how);
        if (!arm_both(&session, stop_at, 8 * USEC_PER_SEC))
                return expect_true(stop_at, false);
        began = now_usec();
        if (!armed)
                session_send(&session, HOLD_FREEZE, 0);
        if (late || strstr(point, "held")) {
                expect_true(stop_at, session_wait(&session, HOLD_HELD, 2000));
                began = now_usec();
        }
        if (late)
                session_send(&session, HOLD_RELEASE, 0);
        /* A watcher that fails while a freeze is under way may let it come to stand first. */
        if (!session_wait(&session, HOLD_RELEASED, 2000) &&
            (session.reply.answer != HOLD_HELD || !session_wait(&session, HOLD_RELEASED, 2000)))
                expect_true(stop_at, false);
        expect_true("told within a second", now_usec() - began < USEC_PER_SEC);
        expect_int(stop_at, session.reply.cause, cause);
        session_close(&session);
        expect_true("everything runs", everything_runs());
}

static void test_stops(void) {
        static const char *const hows[] = { "", ":kill" };
        static const char *const actor[] = {
                "armed", "freezing", "frozen", "held", "releasing", "released"
        };
        static const char *const watcher[] = { "watcher-armed", "watcher-freezing", "watcher-held" };

        FOREACH_ELEMENT (how, hows) {
                FOREACH_ELEMENT (point, actor)
                        test_stop_at(*point, *how, HOLD_CAUSE_DIED);
                FOREACH_ELEMENT (point, watcher)
                        test_stop_at(*point, *how, HOLD_CAUSE_WATCHER);
                test_stop_at("watcher-releasing", *how, HOLD_CAUSE_ASKED);
        }
}

static void test_both(int how) {
        Session session;
        Writer writer;
        pid_t actor = -1, watcher = -1;

        expect_true("both: held", hold_both(&session, 300 * USEC_PER_SEC));
        expect_int("both: the file names them", hold_processes(&actor, &watcher), 0);
        if (actor < 2 || watcher < 2)
                return;
        /* Stopped first, so that neither sees the other die. */
        (void)kill(watcher, SIGSTOP);
        (void)kill(actor, SIGSTOP);
        if (how == SIGKILL) {
                (void)kill(watcher, SIGKILL);
                (void)kill(actor, SIGKILL);
                expect_true("both killed: the service hears it", session_ended(&session, 1000));
        }
        expect_true("both: it stands", writes_block(ext4, &writer));
        expect_int("both: --release", release_run(), 0);
        expect_true("both: the writer goes on", writer_done(&writer, 1000, NULL));
        session_close(&session);
        expect_true("both: everything runs", everything_runs());
}

/* How far the service has come when it dies or stops. */
typedef enum Stage { STAGE_ARMED, STAGE_FREEZING, STAGE_HELD, STAGE_RELEASING, N_STAGES } Stage;

/* Plays the service up to @stage, tells so, and waits for its end. */
_Noreturn static void service_main(Stage stage, uint64_t limit, int pipe) {
        Session session;
        bool ok = stage >= STAGE_HELD ? hold_both(&session, limit) : arm_both(&session, NULL, limit);

        if (stage == STAGE_FREEZING)
                session_send(&session, HOLD_FREEZE, 0);
        if (stage == STAGE_RELEASING)
                session_send(&session, HOLD_RELEASE, 0);
        (void)!write(pipe, ok ? "y" : "n", 1);
        for (;;)
                (void)pause();
}

static void test_service(Stage stage, int how) {
        static const char *const stages[N_STAGES] = { "armed", "freezing", "held", "releasing" };
        uint64_t limit = 500 * USEC_PER_MSEC;
        char label[64], byte = 'n';
        Writer writer;
        int pipes[2];
        pid_t pid;

        (void)snprintf(label, sizeof(label), "service %s: %s", how == SIGKILL ? "killed" : "stopped",
                       stages[stage]);
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return expect_true(label, false);
        (void)fflush(stdout);
        pid = fork();
        if (pid == 0)
                service_main(stage, limit, pipes[1]);
        expect_true(label, read(pipes[0], &byte, 1) == 1 && byte == 'y');
        writer = writer_start(ext4);
        if (stage == STAGE_HELD)
                expect_true("writes block", !writer_done(&writer, 100, NULL));
        (void)kill(pid, how);
        if (writer.pipe >= 0)
                expect_true(how == SIGKILL ? "released at once" : "released by the limit at the latest",
                            writer_done(&writer, how == SIGKILL ? 300 : 900, NULL));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)close(pipes[0]);
        (void)close(pipes[1]);
        expect_true("everything runs", everything_runs());
}

/* Puts @text there as the hold file. */
static void file_put(const char *text, mode_t mode, uid_t uid) {
        int fd;

        (void)mkdir("/run/linuxvss", 0755);
        fd = open("/run/linuxvss/hold", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0 || fchown(fd, uid, uid) < 0)
                printf("# hold file: %m\n");
        if (fd >= 0)
                (void)close(fd);
}

static void test_release_files(void) {
        char text[PATH_MAX * 2];
        Writer writer;
        pid_t other;

        expect_int("--release: nothing to do", release_run(), 0);
        file_put("\x01\x02 garbage\n\n%s%n\n", 0600, 0);
        expect_int("--release: garbage is told", release_run(), 1);
        expect_true("--release: garbage goes", everything_runs());
        file_put("linuxvss-hold 1 99990 1 99991 1\n", 0600, 1000);
        expect_int("--release: not root's", release_run(), 1);
        file_put("linuxvss-hold 1 99990 1 99991 1\n", 0666, 0);
        expect_int("--release: anybody's", release_run(), 1);
        (void)symlink("/etc/passwd", "/run/linuxvss/hold");
        expect_int("--release: a symbolic link", release_run(), 1);
        expect_true("--release: its aim stays", access("/etc/passwd", F_OK) >= 0);
        (void)mkfifo("/run/linuxvss/hold", 0600);
        expect_int("--release: a pipe", release_run(), 1);
        expect_true("--release: they all go", everything_runs());

        /* The right process number of the wrong process, a cut line, and what really stands. */
        other = fork();
        if (other == 0) {
                (void)pause();
                _exit(0);
        }
        expect_int("--release: ext4 stands", ioctl(ext4->dir, FIFREEZE, 0), 0);
        expect_true("--release: it does", writes_block(ext4, &writer));
        (void)snprintf(text, sizeof(text),
                       "linuxvss-hold 1 %d 1 %d 2\nfilesystem 7\nfilesystem %u:%u /not/where/it/is\n"
                       "cgroup - /etc\nfilesystem 4095:1 /gone\n",
                       other, other, (unsigned)(ext4->device >> 8) & 0xfff, (unsigned)(ext4->device & 0xff));
        file_put(text, 0600, 0);
        expect_int("--release: what is no control group is told", release_run(), 1);
        expect_true("--release: ext4 runs", writer_done(&writer, 1000, NULL));
        expect_true("--release: the file stays for a second look", access("/run/linuxvss/hold", F_OK) >= 0);
        expect_int("--release: a stranger lives", waitpid(other, NULL, WNOHANG), 0);
        (void)kill(other, SIGKILL);
        (void)waitpid(other, NULL, 0);
        (void)unlink("/run/linuxvss/hold");
        expect_true("--release: everything runs", everything_runs());
}

/* A hold whose file was left by a dead one works it off first. */
static void test_stale(void) {
        Session session;
        Writer writer;
        char text[128];

        expect_int("stale file: xfs stands", ioctl(xfs->dir, FIFREEZE, 0), 0);
        expect_true("stale file: it does", writes_block(xfs, &writer));
        (void)snprintf(text, sizeof(text), "linuxvss-hold 1 99990 1 99991 1\nfilesystem 7:%u /\n",
                       (unsigned)(xfs->device & 0xff));
        file_put(text, 0600, 0);
        expect_true("stale file: the next hold stands", hold_both(&session, USEC_PER_SEC));
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("stale file: the writer goes on", writer_done(&writer, 1000, NULL));
        expect_true("stale file", released_with(&session, HOLD_CAUSE_ASKED));
}

int main(int argc, char **argv) {
        uint64_t began = now_usec();
        const char *reason;
        int r;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2)
                return 2;
        r = rig_open(argv[1], &reason);
        if (r < 0) {
                printf("1..0 # SKIP %s: %s\n", reason, strerror(-r));
                return 0;
        }
        test_stops();
        test_both(SIGKILL);
        test_both(SIGSTOP);
        for (Stage stage = 0; stage < N_STAGES; stage++) {
                test_service(stage, SIGKILL);
                test_service(stage, SIGSTOP);
        }
        test_release_files();
        test_stale();
        rig_close();
        printf("# %.1f s\n", (double)(now_usec() - began) / 1e6);
        return test_end();
}
