/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold cuts volumes by device-mapper: copies of one instant, and every device runs again
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "hold/test-device-rig.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"

#define VOLUME_SIZE (48 << 20)
#define XFS_SIZE (320 << 20)
#define CUTS 6u
#define MANY 16u

static Volume *device[MANY];

/* Counts up on all volumes, one behind the other, flushed each time. */
static pid_t counter_start(unsigned n) {
        pid_t pid = fork();
        int fds[MANY];

        if (pid != 0)
                return pid;
        for (unsigned i = 0; i < n; i++) {
                char path[PATH_MAX + 16];

                (void)snprintf(path, sizeof(path), "%s/counter", device[i]->point);
                fds[i] = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        }
        for (uint64_t count = 1;; count++)
                for (unsigned i = 0; i < n; i++)
                        if (pwrite(fds[i], &count, sizeof(count), 0) != (ssize_t)sizeof(count) ||
                            fdatasync(fds[i]) < 0)
                                _exit(1);
}

static void counter_end(pid_t pid) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
}

static uint64_t counter_read(const char *point) {
        char path[PATH_MAX + 16];
        uint64_t count = 0;
        _cleanup_(closep) int fd = -1;

        (void)snprintf(path, sizeof(path), "%s/counter", point);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd >= 0 && read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}

/* Are they copies of one instant? The first volume may be one round ahead, from some volume on. */
static bool one_instant(Copy *copies, unsigned n) {
        uint64_t counts[MANY];

        for (unsigned i = 0; i < n; i++) {
                int r = copy_open(copies + i);

                if (r < 0) {
                        printf("# copy %u: %s\n", i, strerror(-r));
                        return false;
                }
                counts[i] = counter_read(copies[i].point);
        }
        for (unsigned i = 0; i < n; i++)
                if (counts[i] == 0 || counts[i] > counts[0] || counts[i] + 1 < counts[0] ||
                    (i > 0 && counts[i] > counts[i - 1])) {
                        printf("# torn: %" PRIu64 " and, on volume %u, %" PRIu64 "\n", counts[0], i,
                               counts[i]);
                        return false;
                }
        return true;
}

static bool copies_prepare(Copy *copies, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                int r = copy_prepare(copies + i, device[i], i);

                if (r < 0) {
                        printf("# copy %u cannot be prepared: %d\n", i, r);
                        return false;
                }
                (void)syncfs(device[i]->dir);
        }
        return true;
}

static void copies_drop(Copy *copies, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                copy_drop(copies + i);
}

/* Through HELD to CUT. */
static bool cut_send(Session *session, uint64_t limit) {
        session_send(session, HOLD_ARM, limit);
        if (!session_wait(session, HOLD_READY, 3000))
                return false;
        session_send(session, HOLD_FREEZE, 0);
        if (!session_wait(session, HOLD_HELD, 3000))
                return false;
        session_send(session, HOLD_CUT, 0);
        return true;
}

/* Behind RELEASED: was it a cut of @n devices, without a page fault? @ret_window (may be NULL): all of it.
 */
static bool cut_fine(const Session *session, unsigned n, uint64_t *ret_window) {
        const HoldReply *reply = &session->reply;
        uint64_t first = UINT64_MAX, last = 0;
        bool fine = reply->cause == HOLD_CAUSE_ASKED && reply->n_targets >= n;

        for (unsigned i = 0; i < n; i++) {
                const HoldTargetReply *t = reply->targets + i;

                if (t->freeze_error != 0 || t->release_error != 0 || t->cut_error != 0 ||
                    t->began_usec == 0 || t->frozen_usec < t->began_usec ||
                    t->released_usec < t->frozen_usec) {
                        printf("# device %u: errors %d %d %d, %u operations, times %" PRIu64 " %" PRIu64
                               " %" PRIu64 "\n",
                               i, t->freeze_error, t->release_error, t->cut_error, t->n_done, t->began_usec,
                               t->frozen_usec, t->released_usec);
                        fine = false;
                }
                first = MIN(first, t->began_usec);
                last = MAX(last, t->released_usec);
        }
        for (unsigned i = 0; fine && i < n; i++)
                for (unsigned j = 0; j < n; j++)
                        if (reply->targets[i].frozen_usec > reply->targets[j].released_usec) {
                                printf("# device %u stood when %u ran again\n", i, j);
                                fine = false;
                        }
        if (reply->minor_faults > 0 || reply->major_faults > 0) {
                printf("# page faults: %" PRIu64 " minor, %" PRIu64 " major\n", reply->minor_faults,
                       reply->major_faults);
                fine = false;
        }
        if (ret_window)
                *ret_window = last - first;
        return fine;
}

static bool cut_all(Copy *copies, unsigned n, uint64_t *ret_window) {
        Session session;
        bool ok;

        session_start(&session, NULL, -1);
        for (unsigned i = 0; i < n; i++)
                session_add_copy(&session, copies + i, i, 0);
        ok = cut_send(&session, 5 * USEC_PER_SEC) && session_wait(&session, HOLD_RELEASED, 6000) &&
             cut_fine(&session, n, ret_window);
        session_close(&session);
        return ok && holds_end(2000);
}

/* What must be found out: each volume cut by a hold of its own. */
static bool cut_serially(Copy *copies, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                Session session;
                bool ok;

                session_start(&session, NULL, -1);
                session_add_copy(&session, copies + i, 0, 0);
                ok = cut_send(&session, 5 * USEC_PER_SEC) && session_wait(&session, HOLD_RELEASED, 6000);
                session_close(&session);
                if (!ok || !holds_end(2000))
                        return false;
        }
        return true;
}

static void test_cuts(unsigned n) {
        Copy copies[MANY];
        char label[64];
        pid_t counter = counter_start(n);

        for (unsigned round = 0; round < CUTS; round++) {
                uint64_t window = 0;

                (void)snprintf(label, sizeof(label), "cut %u of %u volumes", round, n);
                (void)usleep(30000);
                expect_true(label, copies_prepare(copies, n) && cut_all(copies, n, &window) &&
                                           one_instant(copies, n));
                printf("# stood for %.2f ms\n", (double)window / 1e3);
                copies_drop(copies, n);
        }
        counter_end(counter);
        expect_true("everything runs", everything_runs());
}

static void test_torn(void) {
        Copy copies[MANY];
        pid_t counter = counter_start(3);
        bool torn = false;

        for (unsigned round = 0; round < CUTS && !torn; round++) {
                (void)usleep(30000);
                expect_true("checker: one behind the other",
                            copies_prepare(copies, 3) && cut_serially(copies, 3));
                torn = !one_instant(copies, 3);
                copies_drop(copies, 3);
        }
        expect_true("checker: finds what is torn", torn);
        counter_end(counter);
}

int main(int argc, char **argv) {
        uint64_t began = now_usec();
        const char *reason;
        int r;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2)
                return 2;
        r = devices_begin(argv[1], &reason);
        for (unsigned i = 0; r >= 0 && i < 3; i++) {
                reason = "needs loop devices, mkfs.ext4 and mkfs.xfs";
                device[i] = device_make(i, rig_path("."), i == 1 ? XFS_SIZE : VOLUME_SIZE,
                                        i == 1 ? "xfs" : "ext4", "linear", 0);
                r = device[i] ? 0 : -EIO;
        }
        if (r >= 0)
                r = emergency_start();
        if (r < 0) {
                printf("1..0 # SKIP %s: %s\n", reason, strerror(-r));
                return 0;
        }
        test_cuts(1);
        test_cuts(3);
        test_torn();
        devices_end();
        printf("# %.1f s\n", (double)(now_usec() - began) / 1e6);
        return test_end();
}
