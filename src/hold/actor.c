/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The acting process: freezes rank by rank, holds, and releases everything at once
 *
 * Its main thread never makes a call that waits: it reads the service's requests, keeps the limit and
 * watches the watcher. Each target has a thread of its own, which freezes it when told to, and releases it
 * when told to, also if the freeze returns only then.
 */

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "hold/actor.h"
#include "hold/cut.h"
#include "hold/hook.h"
#include "hold/protect.h"
#include "hold/record.h"
#include "hold/target.h"

typedef struct Actor {
        Hold *hold;
        HoldShared *shared;
        int watcher; /* pidfd; -1 once it is dead */
        int signals;
        uint32_t rank;      /* the one being stopped */
        bool ordered;       /* every target was told to release */
        bool cut;           /* a cut has begun */
        uint64_t faults[2]; /* minor and major, before it */
        uint64_t ordered_usec;
        Pulse pulse;
} Actor;

static void worker_freeze(HoldTarget *target) {
        bool device = target->kind == VSS_HOLD_DEVICE;
        int r = target_check(target);

        if (r == 0) {
                atomic_store(&target->began_usec, now_usec());
                atomic_store(&target->state, TARGET_FREEZING);
                hook_stop_at(device ? "suspending" : "freezing");
                r = target_freeze(target);
                hook_stop_at(device ? "suspended" : "frozen");
        }
        if (r < 0) {
                atomic_store(&target->freeze_error, -r);
                atomic_store(&target->state, r == -EBUSY ? TARGET_NOT_OURS : TARGET_ERROR);
                return;
        }
        atomic_store(&target->frozen_usec, now_usec());
        atomic_store(&target->state, TARGET_FROZEN);
}

static void worker_release(HoldTarget *target) {
        int r;

        if (atomic_load(&target->state) != TARGET_FROZEN)
                return;
        atomic_store(&target->state, TARGET_RELEASING);
        hook_stop_at("releasing");
        r = target_thaw(target);
        hook_stop_at("released");
        atomic_store(&target->released_usec, now_usec());
        atomic_store(&target->release_error, -r);
        atomic_store(&target->state, r == 0 || r == -EINVAL ? TARGET_THAWED : TARGET_ERROR);
}

static void *worker_run(void *data) {
        Worker *worker = data;
        HoldTarget *target = worker->target;

        word_wait(&target->order, ORDER_NONE, 0);
        if (atomic_load(&target->order) == ORDER_FREEZE) {
                worker_freeze(target);
                if (target->kind == VSS_HOLD_DEVICE)
                        cut_pass(worker->hold->shared, target);
                else {
                        bell_ring(worker->hold->actor_bell);
                        word_wait(&target->order, ORDER_FREEZE, 0);
                }
        }
        worker_release(target);
        atomic_store(&target->settled, 1);
        /* Of devices that went through the cut the last one tells: there is nothing to do before. */
        if (!atomic_load(&target->cut) || hold_devices_settled(worker->hold->shared))
                bell_ring(worker->hold->actor_bell);
        return NULL;
}

static void phase_set(Actor *actor, HoldPhase phase) {
        atomic_store(&actor->shared->phase, phase);
        bell_ring(actor->hold->watcher_bell);
}

/* Has the rank come to stand, or failed? Then the next one, or the answer. */
static void freeze_advance(Actor *actor) {
        HoldShared *shared = actor->shared;

        for (uint32_t i = 0; i < shared->n_targets; i++) {
                HoldTarget *target = shared->targets + i;
                uint32_t state = atomic_load(&target->state);

                if (state == TARGET_ERROR || state == TARGET_NOT_OURS) {
                        (void)hold_decide(shared, HOLD_CAUSE_FAILED);
                        return;
                }
        }
        if (!hold_rank_stands(shared, false, actor->rank))
                return;
        if (actor->rank < UINT32_MAX && hold_rank_start(shared, false, actor->rank + 1, &actor->rank))
                return;
        phase_set(actor, PHASE_HELD);
        hold_answer(actor->hold, HOLD_HELD, 0);
        hook_stop_at("held");
}

/* The devices, while everything else stands. They go on by themselves from here. */
static void cut_begin(Actor *actor) {
        HoldShared *shared = actor->shared;
        uint32_t rank;

        if (atomic_load(&shared->phase) != PHASE_HELD)
                return;
        atomic_store(&shared->phase, PHASE_CUTTING);
        actor->cut = true;
        faults_count(actor->faults);
        if (!hold_rank_start(shared, true, 0, &rank))
                (void)hold_decide(shared, HOLD_CAUSE_ASKED);
        /* Behind them: on one processor it goes first who was woken first. */
        bell_ring(actor->hold->watcher_bell);
}

/* Are the devices all running again? */
static void cut_look(Actor *actor) {
        if (hold_devices_settled(actor->shared))
                (void)hold_decide(actor->shared, HOLD_CAUSE_ASKED);
}

static void freeze_begin(Actor *actor) {
        HoldShared *shared = actor->shared;
        uint64_t now = now_usec();

        if (atomic_load(&shared->phase) != PHASE_ARMED)
                return;
        atomic_store(&shared->began_usec, now);
        atomic_store(&shared->deadline_usec, now + shared->limit_usec);
        phase_set(actor, PHASE_FREEZING);
        /* What cannot stand anyway need not disturb the others. */
        for (uint32_t i = 0; i < shared->n_targets; i++)
                if (shared->targets[i].preset_error != 0) {
                        (void)hold_decide(shared, HOLD_CAUSE_FAILED);
                        return;
                }
        (void)hold_rank_start(shared, false, 0, &actor->rank);
}

/* A longer lease, while everything stands and within what anybody may hold. */
static void renew(Actor *actor, uint64_t limit_usec) {
        HoldShared *shared = actor->shared;
        uint64_t latest = atomic_load(&shared->began_usec) + HOLD_LIMIT_MAX_USEC;

        if (atomic_load(&shared->phase) == PHASE_HELD && limit_usec <= HOLD_LIMIT_MAX_USEC)
                atomic_store(&shared->deadline_usec, MIN(now_usec() + limit_usec, latest));
}

static void socket_read(Actor *actor) {
        HoldRequest request;
        ssize_t n = recv(actor->hold->socket, &request, sizeof(request), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n == (ssize_t)sizeof(request) && request.command == HOLD_FREEZE)
                freeze_begin(actor);
        else if (n == (ssize_t)sizeof(request) && request.command == HOLD_RENEW)
                renew(actor, request.limit_usec);
        else if (n == (ssize_t)sizeof(request) && request.command == HOLD_CUT &&
                 atomic_load(&actor->shared->phase) == PHASE_HELD)
                cut_begin(actor);
        else
                /* RELEASE, a service that is gone, or one we don't understand. */
                (void)hold_decide(actor->shared, HOLD_CAUSE_ASKED);
}

/* The watcher holds nothing: a stopped one is ended, so that it does not stay behind. */
static void watcher_lost(Actor *actor) {
        (void)hold_decide(actor->shared, HOLD_CAUSE_WATCHER);
        (void)syscall(SYS_pidfd_send_signal, actor->watcher, SIGKILL, NULL, 0);
        (void)close(TAKE_FD(actor->watcher));
}

static void wait_once(Actor *actor) {
        uint64_t now = now_usec(), deadline = atomic_load(&actor->shared->deadline_usec),
                 wait = HOLD_TICK_USEC;
        struct pollfd fds[] = {
                { .fd = actor->hold->actor_bell, .events = POLLIN },
                { .fd = actor->signals, .events = POLLIN },
                { .fd = actor->watcher, .events = POLLIN },
                /* Once it is decided, nothing the service says matters; a closed end would only wake us. */
                { .fd = actor->ordered ? -1 : actor->hold->socket, .events = POLLIN },
        };
        struct timespec timeout;

        if (!actor->ordered && deadline > 0)
                wait = deadline > now ? MIN(wait, deadline - now) : 0;
        timeout = (struct timespec){ .tv_nsec = (long)wait * 1000 };
        if (ppoll(fds, ELEMENTS(fds), &timeout, NULL) <= 0)
                return;
        if (fds[0].revents)
                bell_quiet(actor->hold->actor_bell);
        if (fds[1].revents) {
                struct signalfd_siginfo info;

                if (read(actor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                        (void)hold_decide(actor->shared, HOLD_CAUSE_ASKED);
        }
        if (fds[2].revents)
                watcher_lost(actor);
        if (fds[3].revents)
                socket_read(actor);
}

static void decide(Actor *actor) {
        HoldShared *shared = actor->shared;
        uint64_t now = now_usec(), deadline = atomic_load(&shared->deadline_usec);

        atomic_fetch_add(&shared->actor_beat, 1);
        if (actor->watcher >= 0 && (process_stands(actor->hold->watcher_stat) ||
                                    pulse_late(&actor->pulse, atomic_load(&shared->watcher_beat), now)))
                watcher_lost(actor);
        if (atomic_load(&shared->phase) == PHASE_CUTTING)
                cut_look(actor);
        if (deadline > 0 && now >= deadline)
                (void)hold_decide(shared, HOLD_CAUSE_LIMIT);
        if (atomic_load(&shared->phase) == PHASE_FREEZING && atomic_load(&shared->cause) == HOLD_UNDECIDED)
                freeze_advance(actor);
}

static void release_all(Actor *actor) {
        HoldShared *shared = actor->shared;

        actor->ordered = true;
        actor->ordered_usec = now_usec();
        phase_set(actor, PHASE_RELEASING);
        for (uint32_t i = 0; i < shared->n_targets; i++)
                if (!atomic_load(&shared->targets[i].settled))
                        word_set(&shared->targets[i].order, ORDER_RELEASE);
        /* A device that is not through the cut does not go on with it. */
        word_set(&shared->cut, CUT_VOID);
}

static void answer_released(Actor *actor) {
        HoldShared *shared = actor->shared;
        uint64_t faults[2];

        if (actor->cut) {
                faults_count(faults);
                atomic_store(&shared->minor_faults, faults[0] - actor->faults[0]);
                atomic_store(&shared->major_faults, faults[1] - actor->faults[1]);
        }
        hold_answer(actor->hold, HOLD_RELEASED, atomic_load(&shared->cause));
}

static void actor_loop(Actor *actor) {
        HoldShared *shared = actor->shared;

        for (;;) {
                bool settled;

                decide(actor);
                if (!actor->ordered && atomic_load(&shared->cause) != HOLD_UNDECIDED)
                        release_all(actor);
                settled = actor->ordered && hold_settled(shared);
                if (settled && actor->hold->recorded && hold_released(shared))
                        (void)record_remove(actor->hold->run_dir, actor->hold->record_name);
                if (actor->ordered && !atomic_load(&shared->reported) &&
                    (settled || now_usec() >= actor->ordered_usec + HOLD_REPORT_USEC))
                        answer_released(actor);
                if (settled)
                        return;
                wait_once(actor);
        }
}

/* The watcher ends with us. One that doesn't say good-bye was stopped a moment ago. */
void actor_part(Hold *hold, int watcher) {
        atomic_store(&hold->shared->done, 1);
        bell_ring(hold->watcher_bell);
        if (watcher >= 0)
                word_wait(&hold->shared->watcher_bye, 0, HOLD_MISSED_MAX * HOLD_TICK_USEC);
        if (watcher >= 0 && !atomic_load(&hold->shared->watcher_bye)) {
                (void)syscall(SYS_pidfd_send_signal, watcher, SIGKILL, NULL, 0);
                watcher = -1;
        }
        if (watcher < 0)
                protect_cgroup_leave();
}

int actor_arm(Hold *hold, void *(*run)(void *), int *ret_signals) {
        HoldShared *shared = hold->shared;
        sigset_t signals;
        int r;

        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        *ret_signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        r = *ret_signals < 0 ? -errno : 0;
        atomic_fetch_or(&shared->unprotected, protect_memory());
        shared_touch(shared);
        if (r >= 0)
                r = hold_threads(shared, run, hold);
        word_wait(&shared->watcher_ready, 0, 5 * USEC_PER_SEC);
        if (r >= 0 && !atomic_load(&shared->watcher_ready))
                r = -ETIMEDOUT;
        if (r >= 0)
                r = -atomic_load(&shared->arm_error);
        if (r >= 0) {
                hold->recorded = true;
                return 0;
        }
        atomic_store(&shared->arm_error, -r);
        (void)hold_decide(shared, HOLD_CAUSE_FAILED);
        /* Nothing was touched, and not every thread may exist. */
        for (uint32_t i = 0; i < shared->n_targets; i++)
                atomic_store(&shared->targets[i].settled, 1);
        return r;
}

int actor_run(Hold *hold, int watcher) {
        Actor actor = { .hold = hold, .shared = hold->shared, .watcher = watcher };
        int r = actor_arm(hold, worker_run, &actor.signals);

        if (r >= 0) {
                phase_set(&actor, PHASE_ARMED);
                hold_answer(hold, HOLD_READY, 0);
                hook_stop_at("armed");
        }
        actor_loop(&actor);
        actor_part(hold, actor.watcher);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
