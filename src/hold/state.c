/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shared state of a hold: waiting, waking, deciding, answering
 *
 * Nothing in here allocates or waits for anything but the other process once the threads stand, since all of
 * it runs while volumes stand still.
 */

#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "hold/state.h"

int shared_new(HoldShared **ret_shared) {
        HoldShared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

        if (shared == MAP_FAILED)
                return -errno;
        atomic_store(&shared->cause, HOLD_UNDECIDED);
        *ret_shared = shared;
        return 0;
}

void shared_touch(HoldShared *shared) {
        _Atomic uint32_t *words = (_Atomic uint32_t *)shared;

        for (size_t i = 0; i < sizeof(*shared) / sizeof(*words); i += 256)
                (void)atomic_fetch_or(words + i, 0);
}

bool pulse_late(Pulse *pulse, uint64_t beat, uint64_t now) {
        if (beat != pulse->seen) {
                pulse->seen = beat;
                pulse->missed = 0;
                pulse->next_usec = now + HOLD_TICK_USEC;
        } else if (now >= pulse->next_usec) {
                pulse->missed++;
                pulse->next_usec = now + HOLD_TICK_USEC;
        }
        return pulse->missed >= HOLD_MISSED_MAX;
}

bool process_stands(int stat) {
        char text[64], *state;
        ssize_t n;

        if (stat < 0)
                return false;
        n = pread(stat, text, sizeof(text) - 1, 0);
        if (n < 0)
                return errno == ESRCH;
        text[n] = '\0';
        /* "PID (name) S": the name is ours, without parentheses */
        state = strchr(text, ')');
        return state && state[1] == ' ' && state[2] && strchr("TZX", state[2]);
}

bool command_runs(const Hold *hold) {
        struct pollfd fd = { .fd = hold->command_fd, .events = POLLIN };

        return hold->command > 0 && poll(&fd, 1, 0) == 0;
}

void command_kill(const Hold *hold) {
        if (hold->command <= 0)
                return;
        /* Its parent, the first process, reaps it last of all: as long as that lives the number is its own.
         */
        if (command_runs(hold) || getppid() == hold->first || getpid() == hold->first)
                (void)kill(-hold->command, SIGKILL);
        (void)syscall(SYS_pidfd_send_signal, hold->command_fd, SIGKILL, NULL, 0);
}

void word_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_usec) {
        uint64_t end = now_usec() + timeout_usec;

        while (atomic_load(word) == value) {
                struct timespec left = { .tv_sec = 0 };

                if (timeout_usec > 0) {
                        uint64_t now = now_usec();

                        if (now >= end)
                                return;
                        left.tv_sec = (time_t)((end - now) / USEC_PER_SEC);
                        left.tv_nsec = (long)((end - now) % USEC_PER_SEC) * 1000;
                }
                /* Not private: the word may be changed by the other process. EINTR and EAGAIN: look again.
                 */
                (void)syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_usec > 0 ? &left : NULL, NULL, 0);
        }
}

void word_set(_Atomic uint32_t *word, uint32_t value) {
        atomic_store(word, value);
        (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool word_change(_Atomic uint32_t *word, uint32_t from, uint32_t to) {
        if (!atomic_compare_exchange_strong(word, &from, to))
                return false;
        (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
        return true;
}

void bell_ring(int bell) {
        uint64_t one = 1;

        /* A full counter rings as well. */
        (void)!write(bell, &one, sizeof(one));
}

void bell_quiet(int bell) {
        uint64_t count;

        (void)!read(bell, &count, sizeof(count));
}

bool hold_decide(HoldShared *shared, HoldCause cause) {
        uint32_t undecided = HOLD_UNDECIDED;

        return atomic_compare_exchange_strong(&shared->cause, &undecided, cause);
}

static bool in_turn(const HoldShared *shared, uint32_t i, bool devices) {
        const HoldTarget *target = shared->targets + i;

        return target->same_as == i && (target->kind == VSS_HOLD_DEVICE) == devices;
}

bool hold_rank_start(HoldShared *shared, bool devices, uint32_t from, uint32_t *ret_rank) {
        uint32_t rank = UINT32_MAX;
        bool found = false;

        for (uint32_t i = 0; i < shared->n_targets; i++)
                if (in_turn(shared, i, devices) && shared->targets[i].rank >= from) {
                        rank = MIN(rank, shared->targets[i].rank);
                        found = true;
                }
        *ret_rank = rank;
        for (uint32_t i = 0; found && i < shared->n_targets; i++)
                if (in_turn(shared, i, devices) && shared->targets[i].rank == rank)
                        (void)word_change(&shared->targets[i].order, ORDER_NONE, ORDER_FREEZE);
        return found;
}

bool hold_rank_stands(const HoldShared *shared, bool devices, uint32_t rank) {
        for (uint32_t i = 0; i < shared->n_targets; i++)
                if (in_turn(shared, i, devices) && shared->targets[i].rank == rank &&
                    atomic_load(&shared->targets[i].state) != TARGET_FROZEN)
                        return false;
        return true;
}

bool hold_devices_settled(const HoldShared *shared) {
        for (uint32_t i = 0; i < shared->n_targets; i++)
                if (shared->targets[i].kind == VSS_HOLD_DEVICE && !atomic_load(&shared->targets[i].settled))
                        return false;
        return true;
}

bool hold_settled(const HoldShared *shared) {
        for (uint32_t i = 0; i < shared->n_targets; i++)
                if (!atomic_load(&shared->targets[i].settled))
                        return false;
        return true;
}

bool hold_released(const HoldShared *shared) {
        for (uint32_t i = 0; i < shared->n_targets; i++) {
                int error = atomic_load(&shared->targets[i].release_error);

                if (error != 0 && error != EINVAL)
                        return false;
        }
        return true;
}

static void reply_fill(const HoldShared *shared, HoldReply *reply) {
        int arm_error = atomic_load(&shared->arm_error);

        reply->unprotected = atomic_load(&shared->unprotected);
        reply->n_targets = shared->n_targets;
        reply->began_usec = atomic_load(&shared->began_usec);
        reply->minor_faults = atomic_load(&shared->minor_faults);
        reply->major_faults = atomic_load(&shared->major_faults);
        for (uint32_t i = 0; i < shared->n_targets; i++) {
                const HoldTarget *target = shared->targets + shared->targets[i].same_as;
                HoldTargetReply *t = reply->targets + i;

                t->freeze_error = atomic_load(&target->freeze_error);
                t->release_error = atomic_load(&target->release_error);
                t->cut_error = atomic_load(&target->cut_error);
                t->n_done = atomic_load(&target->n_done);
                t->began_usec = atomic_load(&target->began_usec);
                t->frozen_usec = atomic_load(&target->frozen_usec);
                t->released_usec = atomic_load(&target->released_usec);
                if (t->freeze_error == 0)
                        t->freeze_error = arm_error > 0 ? arm_error : shared->targets[i].preset_error;
                if (reply->answer != HOLD_RELEASED)
                        continue;
                if (target->kind == VSS_HOLD_DEVICE && t->cut_error == 0 && !atomic_load(&target->cut))
                        t->cut_error = ECANCELED;
                /* Its freeze has not returned: its own thread undoes it when it does. */
                if (t->freeze_error == 0 && atomic_load(&target->state) == TARGET_FREEZING)
                        t->freeze_error = ETIMEDOUT;
                reply->ended_usec = MAX(reply->ended_usec, t->released_usec);
        }
}

void hold_answer(const Hold *hold, HoldAnswer answer, HoldCause cause) {
        HoldReply reply = { .answer = answer, .cause = cause };

        reply_fill(hold->shared, &reply);
        (void)send(hold->socket, &reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (answer == HOLD_RELEASED)
                atomic_store(&hold->shared->reported, 1);
}

int hold_threads(HoldShared *shared, void *(*run)(void *), const Hold *hold) {
        static Worker workers[HOLD_TARGETS_MAX];
        pthread_attr_t attributes;
        int r;

        r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        r = pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN) + HOLD_STACK_SIZE);
        if (r == 0)
                r = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        for (uint32_t i = 0; r == 0 && i < shared->n_targets; i++) {
                pthread_t thread;

                if (shared->targets[i].same_as != i)
                        continue;
                workers[i] = (Worker){ .hold = hold, .target = shared->targets + i };
                r = pthread_create(&thread, &attributes, run, workers + i);
        }
        (void)pthread_attr_destroy(&attributes);
        return -r;
}
