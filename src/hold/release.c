/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold --release: releases what a hold left behind
 *
 * Looking up a mount point may itself hang below a volume that stands, and a thaw may wait for another one:
 * so each target gets a process of its own, and all of them one deadline.
 */

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "config.h"
#include "hold/mapper.h"
#include "hold/mountinfo.h"
#include "hold/protect.h"
#include "hold/record.h"
#include "hold/release.h"
#include "util/clock.h"
#include "util/macro.h"

#define RELEASE_USEC (8 * USEC_PER_SEC)
#define RETRY_USEC (5 * USEC_PER_MSEC)

/* How a worker ends. */
enum { RELEASED = 0, STOOD_NOT = 1, FAILED = 2, NOT_FOUND = 3 };

static int processes[RECORD_PROCESSES]; /* pidfds; -1: gone */

/* The watcher first: else it would begin to release what we release. */
static void processes_kill(const Record *record) {
        for (unsigned i = RECORD_PROCESSES; i-- > 0;) {
                uint64_t start;

                processes[i] = (int)syscall(SYS_pidfd_open, record->pids[i], 0);
                if (processes[i] < 0)
                        continue;
                /* Compared behind the open: the descriptor is of exactly this process. */
                if (process_start(record->pids[i], &start) < 0 || start != record->starts[i]) {
                        (void)close(TAKE_FD(processes[i]));
                        continue;
                }
                if (syscall(SYS_pidfd_send_signal, processes[i], SIGKILL, NULL, 0) < 0)
                        fprintf(stderr, "vss-hold: cannot end process %d, which holds volumes: %m\n",
                                record->pids[i]);
                else
                        printf("ended hold process %d\n", record->pids[i]);
        }
}

static bool processes_gone(void) {
        for (unsigned i = 0; i < RECORD_PROCESSES; i++) {
                struct pollfd fd = { .fd = processes[i], .events = POLLIN };

                if (fd.fd >= 0 && poll(&fd, 1, 0) == 0)
                        return false;
        }
        return true;
}

typedef struct Search {
        dev_t device;
        int fd;
} Search;

static int each_mount(const MountInfo *mount, void *data) {
        Search *search = data;
        _cleanup_(closep) int fd = -1;
        uint64_t id;

        if (mount->device != search->device)
                return 0;
        fd = open(mount->point, O_RDONLY | O_DIRECTORY | O_NOATIME | O_NONBLOCK | O_CLOEXEC);
        /* Another mount may lie over it. */
        if (fd < 0 || mountinfo_id_of(fd, &id) < 0 || id != mount->id)
                return 0;
        search->fd = TAKE_FD(fd);
        return 1;
}

static int filesystem_release(const RecordTarget *target) {
        Search search = { .device = target->device, .fd = -1 };

        if (mountinfo_each(each_mount, &search) <= 0)
                return NOT_FOUND;
        for (;;) {
                bool gone = processes_gone();

                if (ioctl(search.fd, FITHAW, 0) >= 0)
                        return RELEASED;
                /* A freeze may still be under way as long as a hold process is. */
                if (errno == EINVAL && gone)
                        return STOOD_NOT;
                if (errno != EINVAL && errno != EINTR && gone)
                        return FAILED;
                (void)usleep(RETRY_USEC);
        }
}

static int cgroup_release(const RecordTarget *target) {
        _cleanup_(closep) int dir = -1, fd = -1;
        struct statfs fs;
        char digit = '0';

        dir = open(target->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT ? NOT_FOUND : FAILED;
        if (fstatfs(dir, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
                return FAILED;
        fd = openat(dir, "cgroup.freeze", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return FAILED;
        while (!processes_gone())
                (void)usleep(RETRY_USEC);
        if (pread(fd, &digit, 1, 0) < 0 || pwrite(fd, "0", 1, 0) < 0)
                return FAILED;
        return digit == '1' ? RELEASED : STOOD_NOT;
}

static int device_release(const RecordTarget *target) {
        _cleanup_(closep) int control = mapper_open();

        for (;;) {
                bool gone = processes_gone();
                int r = mapper_undo(control, target->device);

                if (r == 0)
                        return RELEASED;
                if (r == -ENXIO)
                        return NOT_FOUND;
                /* A suspend may still be under way as long as a hold process is. */
                if (gone)
                        return r == -EINVAL ? STOOD_NOT : FAILED;
                (void)usleep(RETRY_USEC);
        }
}

static int target_release(const RecordTarget *target) {
        switch (target->kind) {
        case VSS_HOLD_CGROUP:
                return cgroup_release(target);
        case VSS_HOLD_DEVICE:
                return device_release(target);
        default:
                return filesystem_release(target);
        }
}

/* What to try by hand. */
static const char *help(const RecordTarget *target) {
        return target->kind == VSS_HOLD_DEVICE ? "dmsetup resume" : "fsfreeze -u";
}

/* Says what became of a target. Return: 0, or -EBUSY if it may still stand. */
static int outcome_tell(const RecordTarget *target, bool ended, int status) {
        int outcome = ended && WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;

        if (!ended) {
                fprintf(stderr,
                        "vss-hold: releasing %s takes longer than %u s and goes on in the background; "
                        "see whether a volume below it stands (%s)\n",
                        target->path, (unsigned)(RELEASE_USEC / USEC_PER_SEC), help(target));
                return -EBUSY;
        }
        switch (outcome) {
        case RELEASED:
                printf("released %s\n", target->path);
                return 0;
        case STOOD_NOT:
                return 0;
        case NOT_FOUND:
                /* What is no more holds nobody. */
                if (target->kind != VSS_HOLD_FILESYSTEM)
                        return 0;
                fprintf(stderr,
                        "vss-hold: %s (device %u:%u) was held and is no longer mounted here: "
                        "it may still stand; if it does, mount it again and run fsfreeze -u\n",
                        target->path, major(target->device), minor(target->device));
                return 0;
        default:
                fprintf(stderr, "vss-hold: %s could not be released: run %s on it\n", target->path,
                        help(target));
                return -EBUSY;
        }
}

static int targets_release(const Record *record) {
        pid_t pids[HOLD_TARGETS_MAX];
        uint64_t end = now_usec() + RELEASE_USEC;
        int result = 0;

        (void)fflush(NULL);
        for (size_t i = 0; i < record->n_targets; i++) {
                pids[i] = fork();
                if (pids[i] == 0)
                        _exit(target_release(record->targets + i));
        }
        for (size_t i = 0; i < record->n_targets; i++) {
                int status = 0, r = -1;
                pid_t pid;

                do {
                        pid = pids[i] < 0 ? -1 : waitpid(pids[i], &status, WNOHANG);
                        if (pid != 0 && !(pid < 0 && errno == EINTR && pids[i] > 0))
                                break;
                        (void)usleep(RETRY_USEC);
                } while (now_usec() < end);
                /* Without a process of its own: here, and with the others' deadline at stake. */
                if (pids[i] < 0)
                        r = outcome_tell(record->targets + i, true,
                                         target_release(record->targets + i) << 8);
                else
                        r = outcome_tell(record->targets + i, pid == pids[i], status);
                if (r < 0)
                        result = r;
        }
        return result;
}

int release_recorded(void) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));
        _cleanup_(closep) int dir = -1;
        int r;

        if (!record)
                return -ENOMEM;
        dir = record_dir_open(0);
        if (dir < 0) {
                if (dir != -ENOENT)
                        fprintf(stderr, "vss-hold: %s is not root's own directory: not looked at\n",
                                LINUXVSS_RUNDIR);
                return dir == -ENOENT ? 0 : dir;
        }
        r = record_read(dir, record);
        if (r == -ENOENT) {
                protect_cgroup_clean();
                return 0;
        }
        if (r == -EPERM || r == -EBADMSG) {
                fprintf(stderr,
                        "vss-hold: %s/%s is no hold file of ours: removed; see whether a volume stands "
                        "(fsfreeze -u)\n",
                        LINUXVSS_RUNDIR, RECORD_NAME);
                (void)record_remove(dir);
                return r;
        }
        if (r < 0)
                return r;
        if (record->n_bad > 0)
                fprintf(stderr, "vss-hold: %u lines of %s/%s make no sense and are left out\n",
                        record->n_bad, LINUXVSS_RUNDIR, RECORD_NAME);
        processes_kill(record);
        r = targets_release(record);
        if (r < 0)
                return r;
        protect_cgroup_clean();
        return record_remove(dir);
}
