/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold --guard and --swap: what a command suspends runs again, whatever ends or stops whom
 */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "hold/record.h"
#include "hold/test-device-rig.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"

#define VOLUME_SIZE (48 << 20)
/* For what is to be late, and for what is not, however busy the machine is. */
#define LATE_MSEC 300u
#define ENOUGH_MSEC 8000u

static Volume *device;
static const char *program;

typedef struct Guard {
        pid_t pid;
        int report;
        char said[512]; /* all of the report */
        int status;     /* exit status */
} Guard;

/* @command: for a shell; starting with a blank if it is to be late. With DEVICE for the device's name; NULL:
 * a swap. */
static void guard_begin(Guard *guard, const Volume *volume, const char *command, const char *stop_at) {
        char limit[16], report[16], number[32];
        int pipes[2];

        bool late = command && command[0] == ' ';

        *guard = (Guard){ .pid = -1, .report = -1, .status = -1 };
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return;
        (void)snprintf(limit, sizeof(limit), "%u", late ? LATE_MSEC : ENOUGH_MSEC);
        (void)snprintf(report, sizeof(report), "%d", pipes[1]);
        (void)snprintf(number, sizeof(number), "%u:%u", major(volume->device), minor(volume->device));
        (void)fflush(stdout);
        guard->pid = fork();
        if (guard->pid == 0) {
                (void)fcntl(pipes[1], F_SETFD, 0);
                (void)setenv("DEVICE", volume->mapper, 1);
                if (stop_at)
                        (void)setenv("VSS_HOLD_STOP_AT", stop_at, 1);
                (void)execl(program, program, command ? "--guard" : "--swap", "--limit", limit, "--report",
                            report, number, command ? "--" : (char *)NULL, "sh", "-c", command,
                            (char *)NULL);
                _exit(127);
        }
        (void)close(pipes[1]);
        guard->report = pipes[0];
}

/* Waits for the end of all its processes. */
static bool guard_end(Guard *guard, uint64_t timeout_msec) {
        uint64_t end = now_usec() + timeout_msec * USEC_PER_MSEC;
        size_t length = 0;
        int status;

        while (length < sizeof(guard->said) - 1) {
                struct pollfd fd = { .fd = guard->report, .events = POLLIN };
                uint64_t now = now_usec();
                ssize_t n;

                if (now >= end || poll(&fd, 1, (int)((end - now) / USEC_PER_MSEC) + 1) <= 0) {
                        printf("# no end in %u ms\n", (unsigned)timeout_msec);
                        return false;
                }
                n = read(guard->report, guard->said + length, sizeof(guard->said) - 1 - length);
                if (n <= 0)
                        break;
                length += (size_t)n;
        }
        guard->said[length] = '\0';
        (void)close(TAKE_FD(guard->report));
        if (waitpid(guard->pid, &status, 0) == guard->pid)
                guard->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        return true;
}

static bool no_records(void) {
        DIR *files = opendir("/run/linuxvss");
        struct dirent *entry;
        unsigned n = 0;

        while (files && (entry = readdir(files)))
                if (record_is_guard(entry->d_name)) {
                        printf("# %s is left\n", entry->d_name);
                        n++;
                }
        if (files)
                (void)closedir(files);
        return n == 0;
}

static void ends_with(const char *label, Guard *guard, int status, const char *said) {
        expect_true(label, guard_end(guard, 5000));
        expect_int("its exit status", guard->status, status);
        expect_true("what it says", strstr(guard->said, said) != NULL);
        if (!strstr(guard->said, said))
                printf("# it says: %s\n", guard->said);
        expect_true("the device runs", !device_suspended(device) && everything_runs());
        expect_true("no file is left", no_records());
}

static bool wait_suspended(const Volume *volume) {
        for (unsigned i = 0; i < 500; i++) {
                if (device_suspended(volume))
                        return true;
                (void)usleep(5000);
        }
        return false;
}

static void test_checker(void) {
        expect_int("checker: somebody suspends", dm_suspend(device->mapper, true), 0);
        expect_true("checker: finds it", device_suspended(device) && !everything_runs());
        (void)dm_resume(device->mapper);
        expect_true("checker: and that it runs", !device_suspended(device) && everything_runs());
}

static uint64_t reported_usec(const Guard *guard) {
        const char *blank = strchr(guard->said, ' ');

        return blank ? strtoull(blank, NULL, 10) : 0;
}

static void test_commands(void) {
        Guard guard;

        guard_begin(&guard, device, "exit 7", NULL);
        ends_with("a command that fails", &guard, 7, "");
        expect_int("nothing was suspended", (int64_t)reported_usec(&guard), 0);
        guard_begin(&guard, device, "dmsetup suspend $DEVICE && sleep 0.5 && dmsetup resume $DEVICE", NULL);
        ends_with("one that suspends and resumes", &guard, 0, ":");
        expect_true("for how long", reported_usec(&guard) >= 100000 && reported_usec(&guard) < 8000000);
        printf("# %s", guard.said);
        guard_begin(&guard, device, "dmsetup suspend $DEVICE", NULL);
        ends_with("one that leaves it suspended", &guard, 0, ":");
        guard_begin(&guard, device, "dmsetup suspend $DEVICE && kill -KILL $$", NULL);
        ends_with("one that is killed", &guard, 128 + SIGKILL, ":");
        guard_begin(&guard, device, " dmsetup suspend $DEVICE && sleep 60", NULL);
        ends_with("one that is late", &guard, 124, "late\n");
        guard_begin(&guard, device, " dmsetup suspend $DEVICE && kill -STOP $$", NULL);
        ends_with("one that was stopped", &guard, 124, "late\n");
        guard_begin(&guard, device, " sleep 0.4", NULL);
        ends_with("one that takes longer, and suspends nothing", &guard, 0, "");
        guard_begin(&guard, device, " while :; do dmsetup suspend $DEVICE; done", NULL);
        ends_with("one that does not give up", &guard, 124, "late\n");
}

static void test_refused(void) {
        Volume disk = { .name = "none", .device = makedev(1, 1) };
        Guard guard;
        char error[32];

        expect_int("busy: somebody suspends", dm_suspend(device->mapper, true), 0);
        guard_begin(&guard, device, "dmsetup resume $DEVICE", NULL);
        (void)snprintf(error, sizeof(error), "error %d\n", EBUSY);
        expect_true("busy: ends", guard_end(&guard, 3000));
        expect_int("busy: exit status", guard.status, 125);
        expect_str("busy: told", guard.said, error);
        expect_true("busy: it is theirs", device_suspended(device));
        (void)dm_resume(device->mapper);
        guard_begin(&guard, &disk, "true", NULL);
        (void)snprintf(error, sizeof(error), "error %d\n", ENXIO);
        ends_with("no device of device-mapper's", &guard, 125, error);
        guard_begin(&guard, device, NULL, NULL);
        (void)snprintf(error, sizeof(error), "error %d\n", ENODATA);
        ends_with("a swap without a table", &guard, 125, error);
}

/* Both processes, from the one file there is. */
static bool guard_processes(const Guard *guard, Record *record) {
        _cleanup_(closep) int dir = record_dir_open(0);
        char name[RECORD_NAME_SIZE];

        (void)snprintf(name, sizeof(name), RECORD_GUARD_PREFIX "%d", guard->pid);
        return dir >= 0 && record_read(dir, name, record) >= 0;
}

/* With the device suspended: the first process (watcher), the acting one, or both. */
static void test_ends(int how, bool actor, bool watcher) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));
        char label[64];
        Guard guard;

        (void)snprintf(label, sizeof(label), "guard %s: %s%s", how == SIGKILL ? "killed" : "stopped",
                       actor ? "acting process " : "", watcher ? "watcher" : "");
        guard_begin(&guard, device, "dmsetup suspend $DEVICE && sleep 60", NULL);
        expect_true(label, wait_suspended(device) && record && guard_processes(&guard, record));
        if (!record || record->n_targets == 0)
                return;
        /* Both before either sees it of the other. */
        (void)sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 2 });
        if (actor && watcher)
                (void)kill(record->pids[1], SIGSTOP);
        if (actor)
                (void)kill(record->pids[0], how);
        if (watcher)
                (void)kill(record->pids[1], how);
        (void)sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ .sched_priority = 0 });
        if (actor && watcher) {
                (void)usleep(600000);
                expect_true("nobody resumes it", device_suspended(device));
                expect_int("--release does", release_run(), 0);
        }
        expect_true("it ends", guard_end(&guard, 3000));
        expect_true("the device runs", !device_suspended(device) && everything_runs());
        expect_true("its command has ended", kill(record->command, 0) < 0 && errno == ESRCH);
        expect_true("no file is left", no_records());
}

/* A guard that works is not ended by a look at what is left. */
static void test_release(void) {
        Guard guard;

        guard_begin(&guard, device,
                    "dmsetup suspend $DEVICE && sleep 0.5 && dmsetup resume $DEVICE && exit 3", NULL);
        expect_true("a guard works", wait_suspended(device));
        expect_int("--release", release_run(), 0);
        expect_true("lets it", device_suspended(device));
        ends_with("and it ends well", &guard, 3, ":");
}

static void test_swap(void) {
        uint64_t began;
        Guard guard;

        expect_int("swap: load", device_load_same(device), 0);
        began = now_usec();
        guard_begin(&guard, device, NULL, NULL);
        ends_with("swap", &guard, 0, ":");
        printf("# swap: stood for %u us, in %u us\n", (unsigned)reported_usec(&guard),
               (unsigned)(now_usec() - began));
        expect_true("swap: the table is in use", !device_has_inactive(device));
}

static void test_swap_stops(void) {
        static const char *const points[] = { "armed",        "suspending", "suspended",
                                              "cutting",      "cut",        "resuming",
                                              "resumed",      "released",   "watcher-cutting",
                                              "watcher-armed" };

        FOREACH_ELEMENT (point, points)
                for (unsigned killed = 0; killed < 2; killed++) {
                        char stop_at[64];
                        Guard guard;

                        (void)snprintf(stop_at, sizeof(stop_at), "%s%s", *point, killed ? ":kill" : "");
                        expect_int("swap: load", device_load_same(device), 0);
                        guard_begin(&guard, device, NULL, stop_at);
                        expect_true(stop_at, guard_end(&guard, 3000));
                        expect_true("the device runs", !device_suspended(device) && everything_runs());
                        expect_true("no file is left", no_records());
                        (void)dm_clear(device->mapper);
                }
}

static void test_guard_stops(void) {
        static const char *const points[] = { "guarding", "watcher-armed" };

        FOREACH_ELEMENT (point, points)
                for (unsigned killed = 0; killed < 2; killed++) {
                        char stop_at[64];
                        Guard guard;

                        (void)snprintf(stop_at, sizeof(stop_at), "%s%s", *point, killed ? ":kill" : "");
                        guard_begin(&guard, device, "dmsetup suspend $DEVICE && sleep 60", stop_at);
                        expect_true(stop_at, guard_end(&guard, 3000));
                        expect_true("the device runs", !device_suspended(device) && everything_runs());
                        expect_true("no file is left", no_records());
                }
}

int main(int argc, char **argv) {
        uint64_t began = now_usec();
        const char *reason;
        int r;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2)
                return 2;
        program = argv[1];
        r = devices_begin(program, &reason);
        if (r >= 0) {
                reason = "needs loop devices and mkfs.ext4";
                device = device_make(0, rig_path("."), VOLUME_SIZE, "ext4");
                r = device ? emergency_start(600) : -EIO;
        }
        if (r < 0) {
                printf("1..0 # SKIP %s: %s\n", reason, strerror(-r));
                return 0;
        }
        test_checker();
        test_commands();
        test_refused();
        test_ends(SIGKILL, true, false);
        test_ends(SIGSTOP, true, false);
        test_ends(SIGKILL, false, true);
        test_ends(SIGSTOP, false, true);
        test_ends(SIGKILL, true, true);
        test_ends(SIGSTOP, true, true);
        test_release();
        test_swap();
        test_swap_stops();
        test_guard_stops();
        devices_end();
        printf("# %.1f s\n", (double)(now_usec() - began) / 1e6);
        return test_end();
}
