/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making mounts read-only that were handed out for writing
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "vssd/log.h"
#include "vssd/seal.h"

#define FORCE_USEC (3 * USEC_PER_SEC)
/* A file that happens to be open just now. */
#define GRACE_USEC (200 * USEC_PER_MSEC)
#define PAUSE_USEC (5 * USEC_PER_MSEC)

enum { PROCESSES_MAX = 1000000, FILES_MAX = 65536 };

DEFINE_CLEANUP(DIR *, closedir)

static int seal(int fd) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

        return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* Is the open file that /proc tells of in the mount, and open for writing? */
static bool writes_to(int directory, const char *name, uint64_t mount) {
        _cleanup_(fclosep) FILE *file = NULL;
        int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        unsigned long long id = 0;
        unsigned flags = 0;
        char line[256];

        file = fd < 0 ? NULL : fdopen(fd, "r");
        if (!file && fd >= 0)
                close(fd);
        /* The lines wanted are among the first; locks and the like may follow without end. */
        for (int i = 0; file && i < 8 && fgets(line, sizeof(line), file); i++) {
                (void)sscanf(line, "flags: %o", &flags);
                (void)sscanf(line, "mnt_id: %llu", &id);
        }
        return id == mount && (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
}

static bool process_writes_to(const char *pid, uint64_t mount) {
        _cleanup_(closedirp) DIR *dir = NULL;
        char path[NAME_MAX + 32];
        struct dirent *entry;
        int n = 0;

        (void)snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
        dir = opendir(path);
        while (dir && n++ < FILES_MAX && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && writes_to(dirfd(dir), entry->d_name, mount))
                        return true;
        return false;
}

/* By whom it was begun: what a writer calls with the rights of another is its own, too. */
static bool is_of_user(const char *pid, uid_t uid) {
        _cleanup_(fclosep) FILE *file = NULL;
        char path[NAME_MAX + 32], line[256];
        unsigned real = UINT_MAX;

        (void)snprintf(path, sizeof(path), "/proc/%s/status", pid);
        file = fopen(path, "re");
        while (file && real == UINT_MAX && fgets(line, sizeof(line), file))
                (void)sscanf(line, "Uid: %u", &real);
        return real != UINT_MAX && (uid == 0 || real == uid);
}

static void kill_who_writes(const Seal *one) {
        _cleanup_(closedirp) DIR *dir = opendir("/proc");
        struct dirent *entry;
        struct statx st;
        int n = 0;

        if (!dir || statx(one->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
                return;
        while (n++ < PROCESSES_MAX && (entry = readdir(dir))) {
                char *end;
                pid_t pid = (pid_t)strtol(entry->d_name, &end, 10);
                _cleanup_(closep) int pidfd = -1;

                if (*end || pid <= 1 || pid == getpid() || pid == getppid())
                        continue;
                /* Held before it is looked at, so that it is still the same when it is killed. */
                pidfd = pidfd_open(pid, 0);
                if (pidfd < 0 || !process_writes_to(entry->d_name, st.stx_mnt_id))
                        continue;
                if (!is_of_user(entry->d_name, one->uid)) {
                        log_warning(
                                "process %d has a file of a shadow copy open for writing that was opened "
                                "for %s, and is of another user: it is left alone",
                                (int)pid, one->who);
                        continue;
                }
                log_warning("process %d goes on writing to a shadow copy that was opened for %s: killed",
                            (int)pid, one->who);
                (void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        }
}

int seal_main(void *arg, WorkerAnswer *answer) {
        const SealArgs *args = arg;
        vss_value *busy = value_require(answer->value, "busy", VSS_KIND_LIST);
        uint64_t end = now_usec() + (args->forcibly ? FORCE_USEC : GRACE_USEC);

        if (!busy)
                return -ENOMEM;
        for (size_t i = 0; i < args->n; i++) {
                const Seal *one = &args->seals[i];
                int r = seal(one->fd);

                while (r == -EBUSY && now_usec() < end) {
                        if (args->forcibly)
                                kill_who_writes(one);
                        (void)usleep(PAUSE_USEC);
                        r = seal(one->fd);
                }
                if (r < 0 && r != -EBUSY)
                        return r;
                if (r < 0 && !value_contains(busy, one->who) && value_append_string(busy, one->who) < 0)
                        return -ENOMEM;
        }
        return 0;
}
