/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protection of the hold processes: memory, priority, OOM killer, control group
 *
 * Whatever the machine refuses is one bit of the answer and never fatal: an unprotected hold is better than
 * none.
 */

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "hold/mountinfo.h"
#include "hold/protect.h"
#include "hold/protocol.h"
#include "util/macro.h"

#define STACK_PREFAULT (64u * 1024)
#define CGROUP_NAME "linuxvss-hold"
#define CGROUP_DEPTH_MAX 256u

static int cgroup_root = -1; /* of the whole cgroup2 hierarchy we see */
static int cgroup_origin = -1;

static int text_write(int dir, const char *path, const char *text) {
        _cleanup_(closep) int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

uint32_t protect_before_fork(void) {
        struct sched_param parameter = { .sched_priority = 1 };
        uint32_t refused = 0;

        if (sched_setscheduler(0, SCHED_FIFO, &parameter) < 0)
                refused |= HOLD_UNPROTECTED_PRIORITY;
        if (text_write(AT_FDCWD, "/proc/self/oom_score_adj", "-1000") < 0)
                refused |= HOLD_UNPROTECTED_OOM;
        /* The kernel finds memory for us without writing anything out, which may go where we stopped it. */
        if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
                refused |= HOLD_UNPROTECTED_FLUSHER;
        return refused;
}

static __attribute__((__noinline__)) void stack_prefault(void) {
        volatile char pages[STACK_PREFAULT];

        for (size_t i = 0; i < sizeof(pages); i += 1024)
                pages[i] = 1;
}

uint32_t protect_memory(void) {
        stack_prefault();
        return mlockall(MCL_CURRENT | MCL_FUTURE) < 0 ? HOLD_UNPROTECTED_MEMORY : 0;
}

static int each_cgroup2(const MountInfo *mount, void *data) {
        int *ret_fd = data;

        if (strcmp(mount->type, "cgroup2") != 0)
                return 0;
        *ret_fd = open(mount->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret_fd < 0 ? 0 : 1;
}

static int cgroup_root_open(void) {
        int fd = -1, r = mountinfo_each(each_cgroup2, &fd);

        return r > 0 ? fd : r < 0 ? r : -ENOENT;
}

/* The control group in the one hierarchy, as /proc/PID/cgroup tells it. */
static int cgroup_path_of(pid_t pid, char *path, size_t size) {
        char name[32];
        _cleanup_(fclosep) FILE *file = NULL;

        (void)snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
        file = fopen(name, "re");
        if (!file)
                return -errno;
        while (fgets(path, (int)size, file))
                if (strncmp(path, "0::/", 4) == 0) {
                        path[strcspn(path, "\n")] = '\0';
                        memmove(path, path + 4, strlen(path + 4) + 1);
                        return 0;
                }
        return -ENOENT;
}

static int cgroup_open_of(int root, pid_t pid) {
        char path[4096];
        int fd, r = cgroup_path_of(pid, path, sizeof(path));

        if (r < 0)
                return r;
        fd = openat(root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int cgroup_enter(int root) {
        int r = -ENOENT;

        /* A hold that has just ended may remove it between our two steps: once more. */
        for (unsigned i = 0; i < 2 && (r == -ENOENT || r == -ENODEV); i++) {
                if (mkdirat(root, CGROUP_NAME, 0755) < 0 && errno != EEXIST)
                        return -errno;
                r = text_write(root, CGROUP_NAME "/cgroup.procs", "0");
        }
        return r;
}

uint32_t protect_cgroup_enter(void) {
        _cleanup_(closep) int root = cgroup_root_open();
        char ours[4096], starters[4096];

        /* With systemd the service asks for a scope, and only whether it stands is looked at. */
        if (access("/run/systemd/system", F_OK) >= 0) {
                if (cgroup_path_of(getpid(), ours, sizeof(ours)) < 0 ||
                    cgroup_path_of(getppid(), starters, sizeof(starters)) < 0)
                        return HOLD_UNPROTECTED_CGROUP;
                return strcmp(ours, starters) == 0 ? HOLD_UNPROTECTED_CGROUP : 0;
        }
        if (root < 0)
                return HOLD_UNPROTECTED_CGROUP;
        cgroup_origin = cgroup_open_of(root, getpid());
        if (cgroup_origin < 0 || cgroup_enter(root) < 0)
                return HOLD_UNPROTECTED_CGROUP;
        cgroup_root = TAKE_FD(root);
        return 0;
}

void protect_cgroup_leave(void) {
        if (cgroup_root < 0)
                return;
        /* Busy: the other process ends a moment later, or a new hold has moved in. */
        if (text_write(cgroup_origin, "cgroup.procs", "0") >= 0)
                (void)unlinkat(cgroup_root, CGROUP_NAME, AT_REMOVEDIR);
}

void protect_cgroup_clean(void) {
        _cleanup_(closep) int root = cgroup_root_open();

        if (root >= 0)
                (void)unlinkat(root, CGROUP_NAME, AT_REMOVEDIR);
}

static int same_file(int a, int b) {
        struct stat one, two;

        if (fstat(a, &one) < 0 || fstat(b, &two) < 0)
                return -errno;
        return one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* Walks up from the control group of @pid. */
static int cgroup_carries(int dir, int root, pid_t pid) {
        _cleanup_(closep) int at = cgroup_open_of(root, pid);

        if (at < 0)
                return at;
        for (unsigned i = 0; i < CGROUP_DEPTH_MAX; i++) {
                int up, r = same_file(at, dir);

                if (r != 0)
                        return r;
                r = same_file(at, root);
                if (r != 0)
                        return r < 0 ? r : 0;
                up = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (up < 0)
                        return -errno;
                (void)close(at);
                at = up;
        }
        return -ELOOP;
}

int protect_cgroup_carries_us(int dir) {
        _cleanup_(closep) int root = cgroup_root_open();
        int r;

        if (root < 0)
                return root;
        r = cgroup_carries(dir, root, getpid());
        return r != 0 ? r : cgroup_carries(dir, root, getppid());
}
