/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold cuts volumes by device-mapper: copies of one instant, and every device runs again
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
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
#define HOG_STEP ((size_t)256 << 10)
/* Until memory is scarce, on a machine that is busy otherwise. */
#define PRESS_USEC (120 * USEC_PER_SEC)

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
        }
        return true;
}

static void copies_drop(Copy *copies, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                copy_drop(copies + i);
}

/* Compaction of memory moves locked pages too, and who touches one meanwhile waits for that in a minor
 * fault, without I/O (Documentation/admin-guide/sysctl/vm.rst, compact_unevictable_allowed). Where the
 * kernel is made to do so, and only there, minor faults are the kernel's own. */
static bool pages_move;

static bool faults_fine(const HoldReply *reply) {
        if (reply->minor_faults > 0 || reply->major_faults > 0)
                printf("# page faults: %" PRIu64 " minor, %" PRIu64 " major\n", reply->minor_faults,
                       reply->major_faults);
        return reply->major_faults == 0 && (reply->minor_faults == 0 || pages_move);
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
        if (ret_window)
                *ret_window = last - first;
        return faults_fine(reply) && fine;
}

static bool cut_all(Copy *copies, unsigned n, uint64_t *ret_window) {
        Session session;
        bool ok;

        session_start(&session, NULL, -1);
        for (unsigned i = 0; i < n; i++)
                session_add_copy(&session, copies + i, i, 0);
        ok = cut_send(&session, 5 * USEC_PER_SEC, true) && session_wait(&session, HOLD_RELEASED, 6000) &&
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
                ok = cut_send(&session, 5 * USEC_PER_SEC, true) &&
                     session_wait(&session, HOLD_RELEASED, 6000);
                session_close(&session);
                if (!ok || !holds_end(2000))
                        return false;
        }
        return true;
}

static void test_cuts(unsigned n, unsigned cuts) {
        Copy copies[MANY];
        char label[64];
        pid_t counter = counter_start(n);

        for (unsigned round = 0; round < cuts; round++) {
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

/* ---- the programs' own file system ---- */

/* Copies the files a program needs below @root, by what the dynamic linker says. */
static bool program_copy(const char *program, const char *root) {
        char command[3 * PATH_MAX];

        (void)snprintf(command, sizeof(command),
                       "set -e; mkdir -p '%s/proc' '%s/dev' '%s/run' '%s/sys'; "
                       "for f in '%s' $(ldd '%s' | grep -o '/[^ )]*'); do "
                       "mkdir -p \"%s$(dirname \"$f\")\"; cp -L \"$f\" \"%s$f\"; done; sync",
                       root, root, root, root, program, program, root, root);
        return system(command) == 0;
}

static bool mounts_make(const char *root, bool make) {
        static const char *const names[] = { "proc", "dev", "run", "sys" };
        bool ok = true;

        FOREACH_ELEMENT (name, names) {
                char point[PATH_MAX + 8];

                (void)snprintf(point, sizeof(point), "%s/%s", root, *name);
                if (make)
                        ok = mount(point + strlen(root), point, NULL, MS_BIND | MS_REC, NULL) >= 0 && ok;
                else
                        ok = umount2(point, MNT_DETACH) >= 0 && ok;
        }
        return ok;
}

/* Asks the kernel for something again and again. */
static pid_t asker_start(const char *path, const char *what, unsigned pause_usec) {
        pid_t pid = fork();
        int fd;

        if (pid != 0)
                return pid;
        fd = open(path, O_WRONLY | O_CLOEXEC);
        for (;;) {
                if (fd < 0 || write(fd, what, 1) < 0)
                        _exit(1);
                (void)usleep(pause_usec);
        }
}

/* Drops what is cached, all the time. */
static pid_t dropper_start(void) {
        return asker_start("/proc/sys/vm/drop_caches", "3", 2000);
}

static pid_t compactor_start(void) {
        return asker_start("/proc/sys/vm/compact_memory", "1", 0);
}

/* Of the lines of @path that begin with @prefix: the sum. */
static uint64_t proc_sum(const char *path, const char *prefix) {
        _cleanup_(fclosep) FILE *file = fopen(path, "re");
        uint64_t sum = 0, number;
        char line[256], name[128];

        while (file && fgets(line, sizeof(line), file))
                if (strncmp(line, prefix, strlen(prefix)) == 0 &&
                    sscanf(line, "%127s %" SCNu64, name, &number) == 2)
                        sum += number;
        return sum;
}

/* Locked pages stay where they are until what is returned is closed, by whatever end of this program;
 * -1: the kernel has no such switch. */
static int pages_stay(void) {
        char was = '1';
        int pipes[2], fd = open("/proc/sys/vm/compact_unevictable_allowed", O_RDWR | O_CLOEXEC);
        pid_t keeper;

        if (fd < 0)
                return -1;
        if (pipe2(pipes, O_CLOEXEC) < 0 || pread(fd, &was, 1, 0) != 1 || (keeper = fork()) < 0)
                abort();
        if (keeper == 0) {
                (void)setsid();
                (void)close(pipes[1]);
                (void)!read(pipes[0], pipes, 1);
                _exit(pwrite(fd, &was, 1, 0) != 1);
        }
        if (pwrite(fd, "0", 1, 0) != 1)
                abort();
        (void)close(pipes[0]);
        (void)close(fd);
        return pipes[1];
}

static bool memory_is_low(void) {
        return proc_sum("/proc/meminfo", "MemAvailable:") < proc_sum("/proc/meminfo", "MemTotal:") / 20;
}

/* Takes memory until the machine has to look for some, more when it has found enough, and keeps using it. */
static pid_t hog_start(void) {
        size_t size = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE), used = 0;
        int fd;
        pid_t pid = fork();
        volatile char *memory;
        uint64_t scanned;

        if (pid != 0)
                return pid;
        fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "1000", 4) < 0)
                _exit(1);
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                      0);
        if (memory == MAP_FAILED)
                _exit(1);
        scanned = proc_sum("/proc/vmstat", "pgscan_");
        for (;;) {
                bool low;

                while (used < size &&
                       (!(low = memory_is_low()) || proc_sum("/proc/vmstat", "pgscan_") == scanned)) {
                        size_t step = MIN(low ? HOG_STEP : 32 * HOG_STEP, size - used);

                        /* Page by page takes a while in a guest. */
                        (void)madvise((char *)memory + used, step, MADV_POPULATE_WRITE);
                        used += step;
                }
                for (size_t i = 0; i < used; i += 4096)
                        memory[i]++;
        }
}

/* What makes memory scarce, and the counter of /proc/vmstat that shows it. */
typedef struct Pressure {
        pid_t (*start)(void);
        const char *counter;
        bool low; /* there has to be little left, too */
} Pressure;

static bool is_pressed(const Pressure *pressure, uint64_t before) {
        return proc_sum("/proc/vmstat", pressure->counter) > before && (!pressure->low || memory_is_low());
}

/* The kernel may have chosen the one that presses: then another one. */
static bool wait_pressed(const Pressure *pressure, uint64_t before, pid_t *presser) {
        uint64_t deadline = now_usec() + PRESS_USEC;

        while (!is_pressed(pressure, before)) {
                if (now_usec() > deadline)
                        return false;
                if (waitpid(*presser, NULL, WNOHANG) == *presser)
                        *presser = pressure->start();
                (void)usleep(10000);
        }
        return true;
}

static void pressed(const char *label, const Pressure *pressure, unsigned cuts) {
        uint64_t before = proc_sum("/proc/vmstat", pressure->counter);
        pid_t presser, counter = counter_start(3);

        expect_true("checker: where nobody presses, none is found", !is_pressed(pressure, before));
        presser = pressure->start();
        for (unsigned i = 0; i < cuts; i++) {
                Copy copies[MANY];
                uint64_t window = 0;

                expect_true("there is pressure", wait_pressed(pressure, before, &presser));
                expect_true(label, copies_prepare(copies, 3) && cut_all(copies, 3, &window) &&
                                           one_instant(copies, 3));
                printf("# stood for %.2f ms; %s %" PRIu64 " more\n", (double)window / 1e3, pressure->counter,
                       proc_sum("/proc/vmstat", pressure->counter) - before);
                copies_drop(copies, 3);
                if (waitpid(presser, NULL, WNOHANG) == presser)
                        presser = pressure->start();
        }
        counter_end(presser);
        counter_end(counter);
        expect_true("everything runs", everything_runs());
}

/* The checker of page faults, with a program that makes one: what the counter is read for must show. */
static void test_fault_checker(void) {
        Session session;

        expect_true("checker: load", device_load_same(device[0]) == 0);
        session_start(&session, "cutting:fault", -1);
        session_add_device(&session, device[0], 0);
        expect_true("checker: a page fault while it stands",
                    cut_send(&session, 5 * USEC_PER_SEC, true) &&
                            session_wait(&session, HOLD_RELEASED, 6000));
        expect_true("checker: is found", !cut_fine(&session, 1, NULL) && session.reply.minor_faults > 0);
        session_close(&session);
        expect_true("checker: everything runs", everything_runs());
}

/* vss-hold, its libraries and its root are on a volume that is cut. */
static void test_own(const char *program, unsigned cuts) {
        static const Pressure dropped = { dropper_start, "drop_pagecache ", false },
                              compacted = { compactor_start, "pgmigrate_success ", false };
        const char *root = device[0]->point;

        expect_true("own file system: the program is there", program_copy(program, root));
        expect_true("own file system: mounts", mounts_make(root, true));
        session_root = root;
        session_program = program;
        pressed("own file system, and nothing cached", &dropped, cuts);
        pages_move = access("/proc/sys/vm/compact_memory", W_OK) == 0;
        if (pages_move)
                pressed("own file system, while memory is compacted", &compacted, cuts);
        else
                printf("# memory is not compacted: this kernel cannot\n");
        pages_move = false;
        session_root = NULL;
        expect_true("own file system: unmounted", mounts_make(root, false));
}

static void test_pressure(unsigned cuts) {
        static const Pressure scarce = { hog_start, "pgscan_", true };
        int stay = pages_stay();

        if (stay < 0)
                printf("# locked pages cannot be told to stay where they are\n");
        pressed("under memory pressure", &scarce, cuts);
        if (stay >= 0)
                (void)close(stay);
}

/* ---- how long ---- */

static int compare(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

/* Overwrites 4k blocks of one file at random, without being throttled by anything. */
static pid_t overwriter_start(const Volume *volume, unsigned seed) {
        char path[PATH_MAX + 16], block[4096] = "block";
        pid_t pid = fork();
        int fd;

        if (pid != 0)
                return pid;
        (void)snprintf(path, sizeof(path), "%s/overwritten", volume->point);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, 8 << 20) < 0)
                _exit(1);
        for (;;)
                if (pwrite(fd, block, sizeof(block), rand_r(&seed) % 2048 * 4096) < 0)
                        _exit(1);
}

static void measure(unsigned n, unsigned rounds) {
        pid_t writers[MANY];
        uint64_t windows[64];
        unsigned done = 0;

        for (unsigned i = 0; i < n; i++)
                writers[i] = overwriter_start(device[i], i);
        for (unsigned i = 0; i < MIN(rounds, (unsigned)ELEMENTS(windows)); i++) {
                Copy copies[MANY];

                if (copies_prepare(copies, n) && cut_all(copies, n, windows + done))
                        done++;
                copies_drop(copies, n);
        }
        for (unsigned i = 0; i < n; i++)
                counter_end(writers[i]);
        qsort(windows, done, sizeof(*windows), compare);
        if (expect_true_at(__FILE__, __LINE__, "measured", done > 0))
                printf("# %u volumes: %.2f / %.2f / %.2f ms (min, median, max of %u)\n", n,
                       (double)windows[0] / 1e3, (double)windows[done / 2] / 1e3,
                       (double)windows[done - 1] / 1e3, done);
}

static int set_up(const char *program, unsigned n, const char **ret_reason) {
        int r = devices_begin(program, ret_reason);

        if (r < 0)
                return r;
        *ret_reason = "needs loop devices, mkfs.ext4 and mkfs.xfs";
        for (unsigned i = 0; i < n; i++) {
                device[i] = i == 1 ? device_make(i, rig_path("."), XFS_SIZE, "xfs")
                                   : device_make(i, rig_path("."), VOLUME_SIZE, "ext4");
                if (!device[i])
                        return -EIO;
        }
        return emergency_start(600);
}

/* With "measure": only how long 1, 4 and 16 volumes stand, each with a writer of its own. */
int main(int argc, char **argv) {
        static const unsigned counts[] = { 1, 4, MANY };
        bool measuring = argc == 3 && strcmp(argv[2], "measure") == 0,
             full = getenv("FULL") && *getenv("FULL") == '1';
        uint64_t began = now_usec();
        const char *reason;
        int r;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2 && !measuring)
                return 2;
        r = set_up(argv[1], measuring ? MANY : 3, &reason);
        if (r < 0) {
                printf("1..0 # SKIP %s: %s\n", reason, strerror(-r));
                return 0;
        }
        if (measuring)
                FOREACH_ELEMENT (n, counts)
                        measure(*n, 21);
        else {
                test_torn();
                test_fault_checker();
                test_cuts(1, full ? 24 : 2);
                test_cuts(3, full ? 24 : 4);
                test_own(argv[1], full ? 20 : 3);
                test_pressure(full ? 20 : 3);
        }
        devices_end();
        printf("# %.1f s\n", (double)(now_usec() - began) / 1e6);
        return test_end();
}
