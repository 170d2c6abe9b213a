/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arming: this process becomes the watcher, its child the acting process
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "hold/protect.h"
#include "hold/record.h"
#include "hold/release.h"
#include "hold/start.h"
#include "hold/watcher.h"

/* The file of a hold that died without being released is worked off first; a living one is in our way. */
static int record_make_room(int dir) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));
        int r;

        if (!record)
                return -ENOMEM;
        r = record_read(dir, RECORD_NAME, record);
        if (r == -ENOENT)
                return 0;
        if (r >= 0 && record_is_live(record)) {
                fprintf(stderr,
                        "vss-hold: process %d holds volumes already: wait until it has released them\n",
                        record->pids[0]);
                return -EALREADY;
        }
        r = release_recorded(false);
        /* A file that was none of ours is out of the way now. */
        return r == -EPERM || r == -EBADMSG ? 0 : r;
}

static int prepare(Hold *hold, uint64_t limit_usec) {
        HoldShared *shared = hold->shared;
        int r = -atomic_load(&shared->arm_error);

        if (r < 0)
                return r;
        if (limit_usec == 0 || limit_usec > HOLD_LIMIT_MAX_USEC)
                return -EINVAL;
        shared->limit_usec = limit_usec;
        hold->run_dir = record_dir_open(1);
        if (hold->run_dir < 0)
                return hold->run_dir;
        /* A guard has a file of its own, and does not stay. */
        r = record_is_guard(hold->record_name) ? 0 : record_make_room(hold->run_dir);
        if (r < 0)
                return r;
        hold->actor_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        hold->watcher_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (hold->actor_bell < 0 || hold->watcher_bell < 0)
                return -errno;
        if (!record_is_guard(hold->record_name))
                atomic_fetch_or(&shared->unprotected, protect_cgroup_enter());
        atomic_fetch_or(&shared->unprotected, protect_before_fork());
        return 0;
}

/* Both processes hear of signals only where they look. */
static void signals_block(void) {
        sigset_t signals;

        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        /* Ignored ones, as a starter may leave them, could not be waited for. */
        (void)signal(SIGCHLD, SIG_DFL);
        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGCHLD);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int stat_open(pid_t pid) {
        char path[32];

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        return open(path, O_RDONLY | O_CLOEXEC);
}

int hold_start(Hold *hold, uint64_t limit_usec, int (*actor)(Hold *hold, int watcher)) {
        int r = prepare(hold, limit_usec), watcher;
        pid_t self = getpid(), child;

        if (r < 0)
                goto fail;
        watcher = (int)syscall(SYS_pidfd_open, self, 0);
        if (watcher < 0) {
                r = -errno;
                goto fail;
        }
        hold->first = self;
        hold->watcher_stat = stat_open(self);
        signals_block();
        child = fork();
        if (child < 0) {
                r = -errno;
                goto fail;
        }
        if (child == 0)
                _exit(actor(hold, watcher));
        (void)close(watcher);
        hold->actor_stat = stat_open(child);
        return watcher_run(hold, child);
fail:
        fprintf(stderr, "vss-hold: cannot arm: %s\n", strerror(-r));
        atomic_store(&hold->shared->arm_error, -r);
        hold_answer(hold, HOLD_RELEASED, HOLD_CAUSE_FAILED);
        protect_cgroup_leave();
        return EXIT_FAILURE;
}
