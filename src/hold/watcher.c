/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The watcher: releases when the acting process dies, stops or is late
 *
 * It first kills the acting process, so that no second freeze can follow a release. A thread of it that is
 * inside a freeze cannot be killed before the kernel has finished that; so the release is repeated until the
 * process is completely gone, and only then is "it does not stand" an answer.
 */

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "hold/hook.h"
#include "hold/protect.h"
#include "hold/record.h"
#include "hold/target.h"
#include "hold/watcher.h"

typedef struct Watcher {
        Hold *hold;
        HoldShared *shared;
        pid_t actor;
        int signals;
        int status; /* of the acting process */
        bool taken;
        bool stopped;
        uint64_t taken_usec;
        uint32_t phase; /* the last one seen */
        Pulse pulse;
} Watcher;

static void *worker_run(void *data) {
        Worker *worker = data;
        HoldShared *shared = worker->hold->shared;

        word_wait(&shared->takeover, 0, 0);
        while (!target_settle(worker->target,
                              atomic_load(&shared->actor_gone) && !command_runs(worker->hold)))
                (void)usleep(HOLD_RETRY_USEC);
        atomic_store(&worker->target->settled, 1);
        bell_ring(worker->hold->watcher_bell);
        return NULL;
}

static void take_over(Watcher *watcher) {
        HoldShared *shared = watcher->shared;

        if (watcher->taken)
                return;
        watcher->taken = true;
        watcher->taken_usec = now_usec();
        word_set(&shared->cut, CUT_VOID);
        if (!atomic_load(&shared->actor_gone))
                (void)kill(watcher->actor, SIGKILL);
        command_kill(watcher->hold);
        (void)hold_decide(shared, HOLD_CAUSE_DIED);
        word_set(&shared->takeover, 1);
}

/* Our child has changed: did it end, or was it stopped? */
static void actor_look(Watcher *watcher) {
        siginfo_t info = { .si_pid = 0 };

        if (atomic_load(&watcher->shared->actor_gone))
                return;
        if (waitid(P_PID, (id_t)watcher->actor, &info, WEXITED | WSTOPPED | WNOHANG) < 0 || info.si_pid == 0)
                return;
        if (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED) {
                watcher->stopped = true;
                return;
        }
        watcher->status = info.si_code == CLD_EXITED ? info.si_status : EXIT_FAILURE;
        atomic_store(&watcher->shared->actor_gone, 1);
}

/* A request to end comes to both, or to us alone: the acting process knows what to do. */
static void signals_read(Watcher *watcher) {
        struct signalfd_siginfo info;

        while (read(watcher->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                if (info.ssi_signo != SIGCHLD && !atomic_load(&watcher->shared->actor_gone))
                        (void)kill(watcher->actor, SIGTERM);
}

static void phase_look(Watcher *watcher) {
        static const char *const points[PHASE_MAX] = {
                [PHASE_ARMED] = "watcher-armed",         [PHASE_FREEZING] = "watcher-freezing",
                [PHASE_HELD] = "watcher-held",           [PHASE_CUTTING] = "watcher-cutting",
                [PHASE_RELEASING] = "watcher-releasing",
        };
        uint32_t phase = atomic_load(&watcher->shared->phase);

        while (watcher->phase < phase && watcher->phase + 1 < PHASE_MAX) {
                watcher->phase++;
                hook_stop_at(points[watcher->phase]);
        }
}

/* Is the acting process stuck in what it does while a device is suspended? */
static bool device_stands(const HoldShared *shared) {
        for (uint32_t i = 0; i < shared->n_targets; i++) {
                uint32_t state = atomic_load(&shared->targets[i].state);

                if (shared->targets[i].kind == VSS_HOLD_DEVICE &&
                    (state == TARGET_FROZEN || state == TARGET_RELEASING))
                        return true;
        }
        return false;
}

static bool actor_failed(Watcher *watcher) {
        HoldShared *shared = watcher->shared;
        uint64_t now = now_usec(), deadline = atomic_load(&shared->deadline_usec);

        if (atomic_load(&shared->actor_gone))
                return !atomic_load(&shared->done);
        /* A process whose thread is inside a freeze ends only when that returns; its main thread shows it at
         * once. */
        if (watcher->stopped || process_stands(watcher->hold->actor_stat) ||
            pulse_late(&watcher->pulse, atomic_load(&shared->actor_beat), now))
                return true;
        return deadline > 0 && now > deadline + HOLD_LATE_USEC &&
               (atomic_load(&shared->cause) == HOLD_UNDECIDED || device_stands(shared));
}

static void wait_once(Watcher *watcher) {
        struct pollfd fds[] = {
                { .fd = watcher->hold->watcher_bell, .events = POLLIN },
                { .fd = watcher->signals, .events = POLLIN },
        };

        (void)poll(fds, ELEMENTS(fds), (int)(HOLD_TICK_USEC / USEC_PER_MSEC));
        if (fds[0].revents)
                bell_quiet(watcher->hold->watcher_bell);
        if (fds[1].revents)
                signals_read(watcher);
}

/* After a take-over: told once everything is released, or most of it. Return: is nothing left to do? */
static bool finish(Watcher *watcher) {
        HoldShared *shared = watcher->shared;
        bool settled = hold_settled(shared) && atomic_load(&shared->actor_gone);
        uint32_t cause = atomic_load(&shared->cause);

        if (settled && watcher->hold->recorded && hold_released(shared))
                (void)record_remove(watcher->hold->run_dir, watcher->hold->record_name);
        if (!atomic_load(&shared->reported) &&
            (settled || now_usec() >= watcher->taken_usec + HOLD_REPORT_USEC))
                hold_answer(watcher->hold, HOLD_RELEASED,
                            cause == HOLD_CAUSE_ASKED ? HOLD_CAUSE_DIED : cause);
        return settled;
}

static void watcher_loop(Watcher *watcher) {
        HoldShared *shared = watcher->shared;

        for (;;) {
                atomic_fetch_add(&shared->watcher_beat, 1);
                phase_look(watcher);
                actor_look(watcher);
                if (atomic_load(&shared->done)) {
                        word_set(&shared->watcher_bye, 1);
                        if (atomic_load(&shared->actor_gone))
                                return;
                        /* Stopped on its last step: nothing is lost with it. */
                        if (watcher->stopped)
                                (void)kill(watcher->actor, SIGKILL);
                } else if (actor_failed(watcher))
                        take_over(watcher);
                if (watcher->taken && finish(watcher))
                        return;
                wait_once(watcher);
        }
}

static int record_targets(const Hold *hold, pid_t actor) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));
        HoldShared *shared = hold->shared;
        int r;

        if (!record)
                return -ENOMEM;
        record->pids[0] = actor;
        record->pids[1] = getpid();
        for (unsigned i = 0; i < RECORD_PROCESSES; i++) {
                r = process_start(record->pids[i], &record->starts[i]);
                if (r < 0)
                        return r;
        }
        if (hold->command > 0) {
                record->command = hold->command;
                r = process_start(hold->command, &record->command_start);
                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < shared->n_targets; i++) {
                const HoldTarget *target = shared->targets + i;
                RecordTarget *line = record->targets + record->n_targets;

                if (target->same_as != i || target->preset_error != 0)
                        continue;
                line->kind = target->kind;
                line->device = (dev_t)target->device;
                r = target_path(target, line->path, sizeof(line->path));
                if (r < 0)
                        return r;
                record->n_targets++;
        }
        return record_write(hold->run_dir, hold->record_name, record);
}

int watcher_run(Hold *hold, pid_t actor) {
        HoldShared *shared = hold->shared;
        Watcher watcher = { .hold = hold, .shared = shared, .actor = actor };
        sigset_t signals;
        int r;

        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGCHLD);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        watcher.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        r = watcher.signals < 0 ? -errno : 0;
        if (r >= 0)
                r = record_targets(hold, actor);
        if (r >= 0) {
                hold->recorded = true;
                atomic_fetch_or(&shared->unprotected, protect_memory());
                shared_touch(shared);
                r = hold_threads(shared, worker_run, hold);
        }
        if (r < 0) {
                if (hold->recorded)
                        (void)record_remove(hold->run_dir, hold->record_name);
                hold->recorded = false;
                atomic_store(&shared->arm_error, -r);
        }
        word_set(&shared->watcher_ready, 1);
        watcher_loop(&watcher);
        protect_cgroup_leave();
        return watcher.status;
}
