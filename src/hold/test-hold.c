/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold against real file systems: it holds, and it lets go whatever happens to it
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "hold/mapper.h"
#include "hold/mountinfo.h"
#include "hold/stack.h"
#include "hold/test-hold-rig.h"
#include "model/hold-order.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"

static Volume *const ext4 = volumes + VOLUME_EXT4, *const xfs = volumes + VOLUME_XFS,
                     *const upper = volumes + VOLUME_UPPER;

static void test_checker(void) {
        Session session;
        Writer writer;

        /* Armed only: a checker that took this for held would prove nothing. */
        expect_true("checker: armed", arm_both(&session, NULL, USEC_PER_SEC));
        expect_true("checker: finds that nothing is held", !writes_block(ext4, &writer));
        expect_int("checker: ext4 held by somebody", ioctl(ext4->dir, FIFREEZE, 0), 0);
        expect_true("checker: finds that it is", writes_block(ext4, &writer));
        (void)ioctl(ext4->dir, FITHAW, 0);
        expect_true("checker: and that it is no more", writer_done(&writer, 1000, NULL));
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("released before anything is held", released_with(&session, HOLD_CAUSE_ASKED));
}

/* The same for the one that every test ends with. */
static void test_end_checker(void) {
        Session session;

        (void)ioctl(xfs->dir, FIFREEZE, 0);
        expect_true("checker: finds a volume that stands", !everything_runs());
        expect_true("checker: which it has released", everything_runs());
        expect_true("checker: armed", arm_both(&session, NULL, USEC_PER_SEC));
        expect_true("checker: finds processes and a file", !everything_runs());
        session_close(&session);
        expect_true("checker: which are gone", everything_runs());
}

static void test_hold(void) {
        Session session;
        Writer one, two;
        const HoldTargetReply *t = session.reply.targets;
        uint64_t at = 0, asked;

        expect_true("hold: held", hold_both(&session, 5 * USEC_PER_SEC));
        printf("# unprotected: %#x\n", session.reply.unprotected);
        expect_true("hold: times of freezing", session.reply.began_usec > 0 && t[0].frozen_usec > 0 &&
                                                       t[1].frozen_usec > 0 && t[0].released_usec == 0);
        expect_true("hold: writes on ext4 block", writes_block(ext4, &one));
        expect_true("hold: writes on xfs block", writes_block(xfs, &two));
        asked = now_usec();
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("hold: ext4's writer goes on", writer_done(&one, 1000, &at) && at >= asked);
        expect_true("hold: xfs' writer goes on", writer_done(&two, 1000, &at) && at >= asked);
        expect_true("hold", released_with(&session, HOLD_CAUSE_ASKED));
        printf("# frozen in %.1f and %.1f ms, released %.1f ms after it was asked\n",
               (double)(t[0].frozen_usec - session.reply.began_usec) / 1e3,
               (double)(t[1].frozen_usec - session.reply.began_usec) / 1e3,
               (double)(session.reply.ended_usec - asked) / 1e3);
        expect_true("hold: no errors", t[0].freeze_error == 0 && t[0].release_error == 0 &&
                                               t[1].freeze_error == 0 && t[1].release_error == 0);
        expect_true("hold: times of release", t[0].released_usec >= asked && t[1].released_usec >= asked &&
                                                      session.reply.ended_usec >= t[0].released_usec);
}

static void test_limit(uint64_t limit) {
        Session session;
        Writer writer;
        uint64_t at = 0, late;
        char label[64];

        (void)snprintf(label, sizeof(label), "limit of %u ms", (unsigned)(limit / 1000));
        expect_true(label, hold_both(&session, limit));
        expect_true("limit: writes block", writes_block(ext4, &writer));
        expect_true("limit: the writer goes on", writer_done(&writer, 3000, &at));
        late = at - session.reply.began_usec - limit;
        expect_true("limit: not before it and at most 300 ms behind it",
                    (int64_t)late >= 0 && late < 300000);
        expect_true(label, released_with(&session, HOLD_CAUSE_LIMIT));
}

static void test_two_mounts(void) {
        Session session;
        Writer writer;
        char point[PATH_MAX];
        int dir;

        (void)snprintf(point, sizeof(point), "%s", rig_path("second"));
        expect_int("two mounts: mount", mount(ext4->point, point, NULL, MS_BIND, NULL), 0);
        dir = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        session_start(&session, NULL, -1);
        session_add_volume(&session, ext4, 1);
        session_add(&session, VSS_HOLD_FILESYSTEM, dir, 1, point);
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("two mounts: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("two mounts: held", session_wait(&session, HOLD_HELD, 3000));
        expect_true("two mounts: frozen once",
                    session.reply.targets[0].frozen_usec > 0 &&
                            session.reply.targets[0].frozen_usec == session.reply.targets[1].frozen_usec);
        expect_true("two mounts: writes block", writes_block(ext4, &writer));
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("two mounts: the writer goes on", writer_done(&writer, 1000, NULL));
        (void)close(dir);
        expect_true("two mounts", released_with(&session, HOLD_CAUSE_ASKED));
        expect_int("two mounts: unmount", umount2(point, 0), 0);
}

static bool contains(const dev_t *devices, size_t n, dev_t device) {
        for (size_t i = 0; i < n; i++)
                if (devices[i] == device)
                        return true;
        return false;
}

/* An unflushed page on @volume, so that freezing it has something to write. */
static void make_dirty(const Volume *volume) {
        static char block[1 << 20];
        int fd = openat(volume->dir, "dirty", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        memset(block, (int)now_usec(), sizeof(block));
        if (fd < 0 || write(fd, block, sizeof(block)) < 0)
                printf("# cannot write: %m\n");
        if (fd >= 0)
                (void)close(fd);
}

static void test_stack(void) {
        dev_t lower[64];
        uint64_t below[64];
        size_t n = 0;
        HoldOrderTarget targets[2] = {
                { .kind = VSS_HOLD_FILESYSTEM, .device = ext4->device },
                { .kind = VSS_HOLD_FILESYSTEM, .device = upper->device, .lower = below }
        };
        HoldOrder order[2] = { { 0, 0 }, { 0, 0 } };
        Session session;

        expect_int("stack: below the upper volume",
                   stack_lower_devices(upper->device, lower, ELEMENTS(lower), &n), 0);
        expect_true("stack: is the lower one", contains(lower, n, ext4->device));
        expect_true("stack: not the other one", !contains(lower, n, xfs->device));
        expect_int("stack: room for none", stack_lower_devices(upper->device, lower, 0, &n), -E2BIG);
        for (size_t i = 0; i < n; i++)
                below[i] = lower[i];
        targets[1].n_lower = n;
        expect_int("stack: order", hold_order(targets, 2, order), 0);
        expect_true("stack: upper before lower", order[1].rank < order[0].rank);

        make_dirty(upper);
        session_start(&session, NULL, -1);
        session_add_volume(&session, ext4, order[0].rank);
        session_add_volume(&session, upper, order[1].rank);
        session_send(&session, HOLD_ARM, 2 * USEC_PER_SEC);
        expect_true("stack: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("stack: held", session_wait(&session, HOLD_HELD, 3000));
        expect_true("stack: in that order",
                    session.reply.targets[1].frozen_usec <= session.reply.targets[0].frozen_usec);
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("stack", released_with(&session, HOLD_CAUSE_ASKED));

        make_dirty(upper);
        session_start(&session, NULL, -1);
        session_add_volume(&session, ext4, 1);
        session_add_volume(&session, upper, 2);
        session_send(&session, HOLD_ARM, 200 * USEC_PER_MSEC);
        expect_true("stack, wrong order: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("stack, wrong order: cannot stand, and ends", released_with(&session, HOLD_CAUSE_LIMIT));
}

/* A loop device on a file in a subvolume: the subvolume's own number, and the device of the btrfs. */
static void test_btrfs(void) {
        Volume *btrfs = volumes + VOLUME_BTRFS, inner = { .name = "inner", .loop = -1, .dir = -1 };
        char subvolume[PATH_MAX + 8];
        struct stat file, disk, loop;
        dev_t lower[16];
        size_t n = 0;

        if (btrfs->dir < 0) {
                printf("ok %u # SKIP no btrfs can be made\n", ++test_n);
                return;
        }
        (void)snprintf(subvolume, sizeof(subvolume), "%s/sub", btrfs->point);
        expect_int("btrfs: subvolume", btrfs_subvolume_make(subvolume), 0);
        expect_int("btrfs: loop device in it", volume_attach(&inner, subvolume, 1 << 20), 0);
        expect_true("btrfs: numbers", stat(inner.image, &file) >= 0 && fstat(btrfs->loop, &disk) >= 0 &&
                                              fstat(inner.loop, &loop) >= 0 && file.st_dev != btrfs->device);
        expect_int("btrfs: below the loop device",
                   stack_lower_devices(loop.st_rdev, lower, ELEMENTS(lower), &n), 0);
        expect_true("btrfs: the subvolume", contains(lower, n, file.st_dev));
        expect_int("btrfs: below the volume", stack_lower_devices(btrfs->device, lower, ELEMENTS(lower), &n),
                   0);
        expect_true("btrfs: its device", contains(lower, n, disk.st_rdev));
        (void)close(inner.loop);
        (void)unlink(inner.image);
}

/* A freeze that cannot return, since somebody froze the volume below. */
static void test_late(bool kill_actor) {
        const char *label = kill_actor ? "late freeze, acting process killed" : "late freeze";
        uint64_t began;
        Session session;
        pid_t actor = -1, watcher = -1;

        make_dirty(upper);
        expect_int(label, ioctl(ext4->dir, FIFREEZE, 0), 0);
        session_start(&session, NULL, -1);
        session_add_volume(&session, upper, 1);
        session_add_volume(&session, xfs, 1);
        session_send(&session, HOLD_ARM, kill_actor ? 5 * USEC_PER_SEC : 200 * USEC_PER_MSEC);
        expect_true("late: ready", session_wait(&session, HOLD_READY, 3000));
        (void)hold_processes(&actor, &watcher);
        session_send(&session, HOLD_FREEZE, 0);
        (void)usleep(100000);
        began = now_usec();
        if (kill_actor && actor > 0)
                (void)kill(actor, SIGKILL);
        expect_true("late: released", session_wait(&session, HOLD_RELEASED, 2000));
        expect_true("late: told in time", now_usec() - began < USEC_PER_SEC);
        expect_int("late: cause", session.reply.cause, kill_actor ? HOLD_CAUSE_DIED : HOLD_CAUSE_LIMIT);
        expect_int("late: the late one", session.reply.targets[0].freeze_error, ETIMEDOUT);
        expect_true("late: the other one waited for nobody",
                    session.reply.targets[1].released_usec > 0 &&
                            session.reply.targets[1].released_usec < began + 400000);
        expect_true("late: the file stands", access("/run/linuxvss/hold", F_OK) >= 0);
        expect_true("late: so do the processes", holds_running() > 0);
        session_close(&session);
        (void)usleep(100000);
        (void)ioctl(ext4->dir, FITHAW, 0);
        expect_true("late: undone once it returns", everything_runs());
}

static void test_busy(void) {
        Session session;
        Writer writer;

        expect_int("busy: somebody freezes", ioctl(ext4->dir, FIFREEZE, 0), 0);
        expect_true("busy: ready", arm_both(&session, NULL, USEC_PER_SEC));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("busy: refused", session_wait(&session, HOLD_RELEASED, 2000));
        expect_int("busy: cause", session.reply.cause, HOLD_CAUSE_FAILED);
        expect_int("busy: error", session.reply.targets[0].freeze_error, EBUSY);
        expect_int("busy: not the other's", session.reply.targets[1].freeze_error, 0);
        session_close(&session);
        expect_true("busy: somebody's freeze stands", writes_block(ext4, &writer));
        expect_int("busy: and is theirs to end", ioctl(ext4->dir, FITHAW, 0), 0);
        expect_true("busy: which they do", writer_done(&writer, 1000, NULL));
        expect_true("busy: everything runs", everything_runs());
}

static void test_undone(void) {
        Session session;

        expect_true("undone: held", hold_both(&session, 2 * USEC_PER_SEC));
        expect_int("undone: somebody thaws", ioctl(xfs->dir, FITHAW, 0), 0);
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("undone", released_with(&session, HOLD_CAUSE_ASKED));
        expect_int("undone: told", session.reply.targets[1].release_error, EINVAL);
        expect_int("undone: not the other's", session.reply.targets[0].release_error, 0);
}

static void test_one_at_a_time(void) {
        Session session, second;
        Writer writer;

        expect_true("one at a time: held", hold_both(&session, 2 * USEC_PER_SEC));
        session_start(&second, NULL, -1);
        session_add_volume(&second, upper, 1);
        session_send(&second, HOLD_ARM, USEC_PER_SEC);
        expect_true("one at a time: the second is refused", session_wait(&second, HOLD_RELEASED, 2000));
        expect_int("one at a time: cause", second.reply.cause, HOLD_CAUSE_FAILED);
        expect_int("one at a time: error", second.reply.targets[0].freeze_error, EALREADY);
        session_close(&second);
        expect_true("one at a time: the first still holds", writes_block(xfs, &writer));
        session_send(&session, HOLD_RELEASE, 0);
        expect_true("one at a time: until released", writer_done(&writer, 1000, NULL));
        expect_true("one at a time", released_with(&session, HOLD_CAUSE_ASKED));
}

static void test_refused(void) {
        _cleanup_(closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closep) int control = mapper_open();
        Session session;

        session_start(&session, NULL, -1);
        session_add_volume(&session, ext4, 1);
        session_add(&session, VSS_HOLD_DEVICE, ext4->dir, 1, "device");
        session_add(&session, VSS_HOLD_FILESYSTEM, -1, 1, "no descriptor");
        session_add(&session, VSS_HOLD_FILESYSTEM, proc, 1, "/proc");
        session_add(&session, VSS_HOLD_CGROUP, ext4->dir, 0, "no control group");
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("refused: ready", session_wait(&session, HOLD_READY, 3000));
        expect_int("refused: seen while arming", session.reply.targets[2].freeze_error, EBADF);
        expect_int("refused: a directory is no control group", session.reply.targets[4].freeze_error,
                   ENOENT);
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("refused", released_with(&session, HOLD_CAUSE_FAILED));
        expect_true("refused: nothing was touched", session.reply.targets[0].frozen_usec == 0);
        session_start(&session, NULL, -1);
        session_add_volume(&session, ext4, 1);
        session_add(&session, VSS_HOLD_FILESYSTEM, proc, 1, "/proc");
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("cannot be frozen: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("cannot be frozen", released_with(&session, HOLD_CAUSE_FAILED));
        expect_int("cannot be frozen: error", session.reply.targets[1].freeze_error, EOPNOTSUPP);
        session_start(&session, NULL, -1);
        session_add(&session, VSS_HOLD_DEVICE, ext4->dir, 1, "device");
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("device: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("device", released_with(&session, HOLD_CAUSE_FAILED));
        expect_int("device: error", session.reply.targets[0].freeze_error, control < 0 ? EOPNOTSUPP : ENXIO);

        expect_true("no limit: refused", !arm_both(&session, NULL, 0));
        expect_int("no limit: error", session.reply.targets[1].freeze_error, EINVAL);
        session_close(&session);
        expect_true("no limit: everything runs", everything_runs());
}

static int each_cgroup2(const MountInfo *mount, void *data) {
        if (strcmp(mount->type, "cgroup2") != 0)
                return 0;
        (void)snprintf(data, PATH_MAX, "%s/test-hold-%d", mount->point, getpid());
        return 1;
}

/* Return: a descriptor of a new control group, and of its cgroup.procs */
static int cgroup_make(char *path, int *ret_procs) {
        int dir;

        if (mountinfo_each(each_cgroup2, path) <= 0 || mkdir(path, 0755) < 0)
                return -1;
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *ret_procs = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return dir;
}

static void cgroup_hold(int dir, int procs, const char *stop_at, HoldCause cause) {
        _Atomic uint64_t *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                                       0);
        uint64_t before;
        Session session;
        pid_t pid = fork();

        if (pid == 0) {
                if (write(procs, "0", 1) < 0)
                        _exit(1);
                for (;; (void)usleep(1000))
                        (*count)++;
        }
        while (*count == 0)
                (void)usleep(1000);
        session_start(&session, stop_at, -1);
        session_add(&session, VSS_HOLD_CGROUP, dir, 0, "control group");
        session_add_volume(&session, ext4, 1);
        session_send(&session, HOLD_ARM, 5 * USEC_PER_SEC);
        expect_true("control group: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        if (!stop_at) {
                expect_true("control group: held", session_wait(&session, HOLD_HELD, 3000));
                expect_true("control group: before the volume",
                            session.reply.targets[0].frozen_usec <= session.reply.targets[1].frozen_usec);
                before = *count;
                (void)usleep(50000);
                expect_true("control group: its process stands", *count == before);
                session_send(&session, HOLD_RELEASE, 0);
        }
        expect_true(stop_at ? stop_at : "control group", released_with(&session, cause));
        before = *count;
        (void)usleep(50000);
        expect_true("control group: its process runs", *count > before);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)munmap((void *)count, 4096);
}

static void test_cgroup(void) {
        char path[PATH_MAX] = "";
        int procs = -1, dir = cgroup_make(path, &procs);
        Session session;

        if (dir < 0 || procs < 0) {
                printf("ok %u # SKIP no control group can be made\n", ++test_n);
                return;
        }
        (void)fflush(stdout);
        cgroup_hold(dir, procs, NULL, HOLD_CAUSE_ASKED);
        cgroup_hold(dir, procs, "freezing:kill", HOLD_CAUSE_DIED);
        cgroup_hold(dir, procs, "frozen", HOLD_CAUSE_DIED);

        session_start(&session, NULL, procs);
        session_add(&session, VSS_HOLD_CGROUP, dir, 0, "its own");
        session_send(&session, HOLD_ARM, USEC_PER_SEC);
        expect_true("own control group: ready", session_wait(&session, HOLD_READY, 3000));
        session_send(&session, HOLD_FREEZE, 0);
        expect_true("own control group: refused", session_wait(&session, HOLD_RELEASED, 2000));
        expect_int("own control group: error", session.reply.targets[0].freeze_error, EDEADLK);
        session_close(&session);
        expect_true("own control group: everything runs", everything_runs());
        (void)close(procs);
        (void)close(dir);
        expect_int("control group: removed", rmdir(path), 0);
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
        test_checker();
        test_end_checker();
        test_hold();
        test_limit(300 * USEC_PER_MSEC);
        test_limit(USEC_PER_SEC);
        test_two_mounts();
        test_stack();
        test_btrfs();
        test_late(false);
        test_late(true);
        test_busy();
        test_undone();
        test_one_at_a_time();
        test_refused();
        test_cgroup();
        rig_close();
        printf("# %.1f s\n", (double)(now_usec() - began) / 1e6);
        return test_end();
}
