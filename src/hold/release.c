/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vss-hold --release: releases what a hold left behind
 *
 * Looking up a mount point may itself hang below a volume that stands, and a thaw may wait for another one:
 * so each target gets a process of its own, and all of them one deadline.
 */

#include <dirent.h>
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
#include "hold/state.h"
#include "util/clock.h"
#include "util/macro.h"

#define FILES_MAX 4096u
#define RELEASE_USEC (8 * USEC_PER_SEC)
#define RETRY_USEC (5 * USEC_PER_MSEC)

DEFINE_CLEANUP(DIR *, closedir)

/* How a worker ends. */
enum { RELEASED = 0, STOOD_NOT = 1, FAILED = 2, NOT_FOUND = 3 };

/* Pidfds, the command's last; -1: gone */
static int processes[RECORD_PROCESSES + 1];

static int process_kill(pid_t pid, uint64_t start) {
        _cleanup_(closep) int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
        uint64_t is;

        /* Compared behind the open: the descriptor is of exactly this process. */
        if (fd < 0 || process_start(pid, &is) < 0 || is != start)
                return -1;
        if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
                fprintf(stderr, "vss-hold: cannot end process %d, which holds volumes: %m\n", pid);
        else
                printf("ended hold process %d\n", pid);
        return TAKE_FD(fd);
}

/* The watcher first: else it would begin to release what we release. */
static void processes_kill(const Record *record) {
        for (unsigned i = RECORD_PROCESSES; i-- > 0;)
                processes[i] = process_kill(record->pids[i], record->starts[i]);
        processes[RECORD_PROCESSES] = process_kill(record->command, record->command_start);
}

/* Is there a process of it that runs? One that was stopped will never release anything. */
static bool record_works(const Record *record) {
        for (unsigned i = 0; i < RECORD_PROCESSES; i++) {
                char path[32];
                uint64_t start;
                _cleanup_(closep) int stat = -1;

                if (process_start(record->pids[i], &start) < 0 || start != record->starts[i])
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/%d/stat", record->pids[i]);
                stat = open(path, O_RDONLY | O_CLOEXEC);
                if (stat >= 0 && !process_stands(stat))
                        return true;
        }
        return false;
}

static bool processes_gone(void) {
        for (unsigned i = 0; i < ELEMENTS(processes); i++) {
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

static int file_release(int dir, const char *name) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));
        int r;

        if (!record)
                return -ENOMEM;
        r = record_read(dir, name, record);
        if (r == -EPERM || r == -EBADMSG) {
                fprintf(stderr,
                        "vss-hold: %s/%s is no hold file of ours: removed; see whether a volume stands "
                        "(fsfreeze -u, dmsetup resume)\n",
                        LINUXVSS_RUNDIR, name);
                (void)record_remove(dir, name);
                return r;
        }
        if (r < 0)
                return r;
        if (record_is_guard(name) && record_works(record))
                return 0;
        if (record->n_bad > 0)
                fprintf(stderr, "vss-hold: %u lines of %s/%s make no sense and are left out\n",
                        record->n_bad, LINUXVSS_RUNDIR, name);
        processes_kill(record);
        r = targets_release(record);
        return r < 0 ? r : record_remove(dir, name);
}

static int run_dir_open(void) {
        int dir = record_dir_open(0);

        if (dir < 0 && dir != -ENOENT)
                fprintf(stderr, "vss-hold: %s is not root's own directory: not looked at\n",
                        LINUXVSS_RUNDIR);
        return dir;
}

int release_guards(void) {
        _cleanup_(closedirp) DIR *files = NULL;
        struct dirent *entry;
        int dir = run_dir_open(), result = 0;

        if (dir < 0)
                return dir == -ENOENT ? 0 : dir;
        files = fdopendir(dir);
        if (!files) {
                int r = -errno;

                (void)close(dir);
                return r;
        }
        for (unsigned i = 0; i < FILES_MAX && (entry = readdir(files)); i++) {
                int r = record_is_guard(entry->d_name) ? file_release(dirfd(files), entry->d_name) : 0;

                if (r < 0 && r != -ENOENT)
                        result = r;
        }
        return result;
}

int release_recorded(bool guards) {
        _cleanup_(closep) int dir = run_dir_open();
        int r, q = 0;

        if (dir < 0)
                return dir == -ENOENT ? 0 : dir;
        r = file_release(dir, RECORD_NAME);
        if (r == 0 || r == -ENOENT) {
                protect_cgroup_clean();
                r = 0;
        }
        if (guards)
                q = release_guards();
        return r < 0 ? r : q;
}
