/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cut that goes wrong: every device runs again, whatever ends, stops, fails or is late
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "hold/mapper.h"
#include "hold/test-device-rig.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"

#define VOLUME_SIZE (48 << 20)
#define UPPER_SIZE (16 << 20)
/* Each write takes so long, and a flush several of them. */
#define SLOW_MSEC 300

static Volume *one, *two, *upper, *const plain = volumes + VOLUME_EXT4;

/* Two devices and, if wanted, a file system that is frozen; tables wait on the devices. */
static bool cut_begin(Session *session, const char *stop_at, uint64_t limit, bool frozen) {
        if (device_load_same(one) != 0 || device_load_same(two) != 0)
                return false;
        session_start(session, stop_at, -1);
        session_add_device(session, one, 1);
        session_add_device(session, two, 1);
        if (frozen)
                session_add_volume(session, plain, 0);
        return cut_send(session, limit, false);
}

static bool devices_run(void) {
        return !device_suspended(one) && !device_suspended(two) && everything_runs();
}

static void tables_clear(void) {
        (void)dm_clear(one->mapper);
        (void)dm_clear(two->mapper);
}

/* Stops or kills one of the processes, or both, at a point each. */
static void test_stop_at(const char *stop_at) {
        Session session;
        uint64_t began;

        if (!cut_begin(&session, stop_at, 8 * USEC_PER_SEC, true))
                return expect_true(stop_at, false);
        began = now_usec();
        expect_true(stop_at, session_wait(&session, HOLD_RELEASED, 2000));
        expect_true("told within a second", now_usec() - began < USEC_PER_SEC);
        expect_int("cause", session.reply.cause, HOLD_CAUSE_DIED);
        session_close(&session);
        expect_true("everything runs", devices_run());
        tables_clear();
}

static const char *const hows[] = { "", ":kill" };

static void test_stops(void) {
        static const char *const behind[] = { "releasing", "released" };
        static const char *const actor[] = { "suspending", "suspended", "cutting",
                                             "cut",        "resuming",  "resumed" };
        char stop_at[64];

        FOREACH_ELEMENT (how, hows) {
                FOREACH_ELEMENT (point, actor) {
                        (void)snprintf(stop_at, sizeof(stop_at), "%s%s", *point, *how);
                        test_stop_at(stop_at);
                }
                FOREACH_ELEMENT (point, behind) {
                        (void)snprintf(stop_at, sizeof(stop_at), "%s%s", *point, *how);
                        test_stop_at(stop_at);
                }
        }
}

/* The watcher may be seen to be gone before, during or after the cut; it is never in the way of the devices.
 */
static void test_watcher(void) {
        FOREACH_ELEMENT (how, hows) {
                char stop_at[64];
                Session session;

                (void)snprintf(stop_at, sizeof(stop_at), "watcher-cutting%s", *how);
                expect_true(stop_at, cut_begin(&session, stop_at, 8 * USEC_PER_SEC, true) &&
                                             session_wait(&session, HOLD_RELEASED, 2000));
                session_close(&session);
                expect_true("everything runs", devices_run());
                tables_clear();
        }
}

/* Both, so that only --release can help. */
static void test_both(void) {
        static const char *const stops[] = {
                "suspended,watcher-cutting",
                "cutting,watcher-cutting",
                "resuming,watcher-cutting",
                "cutting:kill,watcher-cutting:kill",
        };

        FOREACH_ELEMENT (stop_at, stops) {
                Session session;
                bool stood;

                expect_true(*stop_at, cut_begin(&session, *stop_at, 8 * USEC_PER_SEC, true));
                (void)usleep(600000);
                /* If the watcher was the first to stop, the acting process has seen it: nothing is left to
                 * do. */
                stood = device_suspended(one) || device_suspended(two);
                printf("# %s\n", stood ? "they stand" : "released before");
                expect_int("--release", release_run(), 0);
                session_close(&session);
                expect_true("everything runs", devices_run());
                tables_clear();
        }
}

static void test_service(void) {
        Session session;

        expect_true("service gone: cut sent", cut_begin(&session, NULL, 8 * USEC_PER_SEC, true));
        session_close(&session);
        expect_true("service gone: everything runs", devices_run());
        tables_clear();
        expect_true("service gone before: load", device_load_same(one) == 0);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("service gone before: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("devices alone: held at once", session_wait(&session, HOLD_HELD, 1000));
        expect_true("devices alone: they run", !device_suspended(one));
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("released without a cut", session_wait(&session, HOLD_RELEASED, 1000));
        expect_true("released without a cut: nothing was suspended",
                    session.reply.targets[0].began_usec == 0 && session.reply.targets[0].frozen_usec == 0);
        expect_int("released without a cut: told", session.reply.targets[0].cut_error, ECANCELED);
        expect_true("released without a cut: its table still waits", device_has_inactive(one));
        session_close(&session);
        expect_true("released without a cut: everything runs", devices_run());
        tables_clear();
}

/* An operation that fails makes the cut void for all. */
static void test_operation(void) {
        Session session;
        const HoldTargetReply *t = session.reply.targets;

        expect_true("operation: load", device_load_same(one) == 0 && device_load_same(two) == 0);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        session_operation(&session, 0, HOLD_OP_MESSAGE, two->device, "nonsense");
        session_add_device(&session, two, 1);
        expect_true("operation: cut", cut_send(&session, 2 * USEC_PER_SEC, false) &&
                                              session_wait(&session, HOLD_RELEASED, 3000));
        expect_int("operation: cause", session.reply.cause, HOLD_CAUSE_FAILED);
        expect_int("operation: its error", t[0].cut_error, EINVAL);
        expect_int("operation: none was done", t[0].n_done, 0);
        expect_true("operation: both stood", t[0].frozen_usec > 0 && t[1].frozen_usec > 0);
        expect_int("operation: no other error", t[1].freeze_error, 0);
        session_close(&session);
        expect_true("operation: everything runs", devices_run());
        expect_true("operation: its table is forgotten", !device_has_inactive(one));
        tables_clear();
}

static void test_requests(void) {
        Session session;
        Volume none = { .device = 0x101 };

        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        session_operation(&session, 1, HOLD_OP_RESUME, two->device, "");
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("an operation of nobody", session_wait(&session, HOLD_RELEASED, 2000));
        expect_int("an operation of nobody: error", session.reply.targets[0].freeze_error, EINVAL);
        session_close(&session);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        for (unsigned i = 0; i <= HOLD_OPERATIONS_MAX; i++)
                session_operation(&session, 0, HOLD_OP_RESUME, two->device, "");
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("too many operations", session_wait(&session, HOLD_RELEASED, 2000));
        expect_int("too many operations: error", session.reply.targets[0].freeze_error, E2BIG);
        session_close(&session);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        session_operation(&session, 0, HOLD_OP_RESUME, none.device, "");
        session_add_device(&session, &none, 1);
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("no such device", session_wait(&session, HOLD_READY, 2000));
        expect_int("no such device: of the operation", session.reply.targets[0].freeze_error, ENXIO);
        expect_int("no such device: to suspend", session.reply.targets[1].freeze_error, ENXIO);
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("no such device: refused", session_wait(&session, HOLD_RELEASED, 2000));
        session_close(&session);
        expect_true("requests: everything runs", devices_run());
}

/* What somebody else stopped stays theirs. */
static void test_busy(void) {
        Session session;

        expect_int("busy: somebody freezes", ioctl(one->dir, FIFREEZE, 0), 0);
        expect_true("busy: cut", cut_begin(&session, NULL, 2 * USEC_PER_SEC, false) &&
                                         session_wait(&session, HOLD_RELEASED, 3000));
        expect_int("busy: cause", session.reply.cause, HOLD_CAUSE_FAILED);
        expect_int("busy: error", session.reply.targets[0].freeze_error, EBUSY);
        session_close(&session);
        expect_int("busy: it is theirs to end", ioctl(one->dir, FITHAW, 0), 0);
        expect_true("busy: everything runs", devices_run());

        expect_int("suspended: by somebody", dm_suspend(one->mapper, true), 0);
        expect_true("suspended: cut", cut_begin(&session, NULL, 2 * USEC_PER_SEC, false) &&
                                              session_wait(&session, HOLD_RELEASED, 3000));
        expect_int("suspended: error", session.reply.targets[0].freeze_error, EBUSY);
        session_close(&session);
        expect_true("suspended: it stays theirs", device_suspended(one) && !device_suspended(two));
        expect_int("suspended: theirs to end", dm_resume(one->mapper), 0);
        expect_true("suspended: everything runs", devices_run());
        tables_clear();
}

static void dirty(const Volume *volume) {
        static char block[1 << 18];
        int fd = openat(volume->dir, "dirty", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        memset(block, (int)now_usec(), sizeof(block));
        if (fd < 0 || write(fd, block, sizeof(block)) < 0)
                printf("# cannot write: %m\n");
        if (fd >= 0)
                (void)close(fd);
}

static bool written_soon(const Volume *volume, uint64_t msec) {
        Writer writer = writer_start(volume);

        return writer_done(&writer, msec, NULL);
}

/* Long enough for this process to see it stand, also on a machine that is busy otherwise. */
#define STAND_MSEC 1000u

static bool stands_soon(const Volume *volume) {
        uint64_t deadline = now_usec() + STAND_MSEC * USEC_PER_MSEC;

        while (!device_suspended(volume) && now_usec() < deadline)
                (void)usleep(5000);
        return device_suspended(volume);
}

/* A suspend that waits for a slow disk: the other device does not. */
static void test_slow(bool kill_actor) {
        const char *label = kill_actor ? "slow suspend, acting process killed" : "slow suspend";
        pid_t actor = -1, watcher = -1;
        uint64_t began;
        Session session;

        expect_int(label, device_slow(two, SLOW_MSEC), 0);
        dirty(two);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        session_add_device(&session, two, 1);
        began = now_usec();
        expect_true("slow: cut",
                    cut_send(&session, kill_actor ? 5 * USEC_PER_SEC : STAND_MSEC * USEC_PER_MSEC, false));
        (void)hold_processes(&actor, &watcher);
        expect_true("slow: one stands, two is being suspended", stands_soon(one));
        if (kill_actor && actor > 0)
                (void)kill(actor, SIGKILL);
        expect_true("slow: the other runs at once, or by the limit",
                    written_soon(one, kill_actor ? 400 : STAND_MSEC + 400));
        expect_true("slow: told", session_wait(&session, HOLD_RELEASED, 1000));
        expect_int("slow: cause", session.reply.cause, kill_actor ? HOLD_CAUSE_DIED : HOLD_CAUSE_LIMIT);
        expect_int("slow: it had not come to stand", session.reply.targets[1].freeze_error, ETIMEDOUT);
        expect_true("slow: the file stands", access("/run/linuxvss/hold", F_OK) >= 0);
        session_close(&session);
        expect_true("slow: undone once it returns", holds_end(20000));
        printf("# after %.1f s\n", (double)(now_usec() - began) / 1e6);
        expect_true("slow: it runs", !device_suspended(two));
        expect_int("slow: fast again", device_fast(two), 0);
        expect_true("slow: everything runs", devices_run());
}

/* An operation that does not come to its end while a device stands: the watcher resumes that. */
static void test_stuck(void) {
        Session session;

        expect_int("stuck: a slow device", device_slow(two, SLOW_MSEC), 0);
        dirty(two);
        /* Resumed while it runs, it is suspended first, which waits for its disk. */
        expect_int("stuck: load", device_load_same(two), 0);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        session_operation(&session, 0, HOLD_OP_RESUME, two->device, "");
        expect_true("stuck: cut", cut_send(&session, STAND_MSEC * USEC_PER_MSEC, false));
        expect_true("stuck: it stands", stands_soon(one));
        expect_true("stuck: it runs behind the limit", written_soon(one, STAND_MSEC + 600));
        expect_true("stuck: told", session_wait(&session, HOLD_RELEASED, 1500));
        expect_int("stuck: cause", session.reply.cause, HOLD_CAUSE_LIMIT);
        session_close(&session);
        expect_true("stuck: all of it ends", holds_end(20000));
        expect_int("stuck: fast again", device_fast(two), 0);
        expect_true("stuck: everything runs", devices_run());
}

/* Somebody resumes the device behind our back: that was no cut. */
static void test_undone(void) {
        Session session;

        expect_int("undone: a slow device", device_slow(two, SLOW_MSEC / 4), 0);
        dirty(two);
        expect_int("undone: load", device_load_same(two), 0);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        session_operation(&session, 0, HOLD_OP_RESUME, two->device, "");
        expect_true("undone: cut", cut_send(&session, 8 * USEC_PER_SEC, false));
        (void)usleep(50000);
        expect_true("undone: it stands", device_suspended(one));
        expect_int("undone: somebody resumes it", dm_resume(one->mapper), 0);
        expect_true("undone: told", session_wait(&session, HOLD_RELEASED, 9000));
        expect_int("undone: cause", session.reply.cause, HOLD_CAUSE_FAILED);
        expect_int("undone: error", session.reply.targets[0].release_error, EINVAL);
        expect_int("undone: no cut", session.reply.targets[0].cut_error, EINVAL);
        session_close(&session);
        expect_int("undone: fast again", device_fast(two), 0);
        expect_true("undone: everything runs", devices_run());
}

/* A device on a loop device in a file of another one's volume. */
static void test_stacked(void) {
        Session session;

        dirty(upper);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 2);
        session_add_device(&session, upper, 1);
        expect_true("stacked: cut", cut_send(&session, 4 * USEC_PER_SEC, false) &&
                                            session_wait(&session, HOLD_RELEASED, 5000));
        expect_int("stacked: cause", session.reply.cause, HOLD_CAUSE_ASKED);
        expect_true("stacked: in that order",
                    session.reply.targets[1].frozen_usec > 0 &&
                            session.reply.targets[1].frozen_usec <= session.reply.targets[0].began_usec);
        expect_true("stacked: cut",
                    session.reply.targets[0].cut_error == 0 && session.reply.targets[1].cut_error == 0);
        session_close(&session);
        expect_true("stacked: everything runs", devices_run());

        dirty(upper);
        session_start(&session, NULL, -1);
        session_add_device(&session, one, 1);
        session_add_device(&session, upper, 2);
        expect_true("stacked, wrong order: cut", cut_send(&session, 300 * USEC_PER_MSEC, false) &&
                                                         session_wait(&session, HOLD_RELEASED, 2000));
        expect_int("stacked, wrong order: cannot stand, and ends", session.reply.cause, HOLD_CAUSE_LIMIT);
        session_close(&session);
        expect_true("stacked, wrong order: everything runs", devices_run());
}

static int set_up(const char *program, const char **ret_reason) {
        int r = devices_begin(program, ret_reason);

        if (r < 0)
                return r;
        *ret_reason = "needs loop devices and mkfs.ext4";
        r = volume_format(plain, rig_path("."), VOLUME_SIZE, "ext4");
        if (r >= 0)
                r = volume_mount(plain, plain->disk, "ext4");
        if (r < 0)
                return r;
        one = device_make(0, rig_path("."), VOLUME_SIZE, "ext4");
        two = one ? device_make(1, rig_path("."), VOLUME_SIZE, "ext4") : NULL;
        upper = two ? device_make(2, one->point, UPPER_SIZE, "ext4") : NULL;
        return upper ? emergency_start(600) : -EIO;
}

int main(int argc, char **argv) {
        uint64_t began = now_usec();
        const char *reason;
        int r;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2)
                return 2;
        r = set_up(argv[1], &reason);
        if (r < 0) {
                printf("1..0 # SKIP %s: %s\n", reason, strerror(-r));
                return 0;
        }
        test_stops();
        test_watcher();
        test_both();
        test_service();
        test_operation();
        test_requests();
        test_busy();
        test_stacked();
        test_slow(false);
        test_slow(true);
        test_stuck();
        test_undone();
        devices_end();
        printf("# %.1f s\n", (double)(now_usec() - began) / 1e6);
        return test_end();
}
