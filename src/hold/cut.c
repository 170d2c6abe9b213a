/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cut by device-mapper, as the thread of one device goes through it
 *
 * From the first suspend to the last resume, what is called here are futexes and ioctls with structures on
 * locked stacks. A device that failed makes the cut void for all: each clears its inactive table and resumes
 * the old one. A device that was resumed by somebody else in between was no part of one instant: it makes
 * the cut void, too.
 */

#include <sys/resource.h>

#include "hold/cut.h"
#include "hold/hook.h"
#include "hold/mapper.h"
#include "hold/target.h"

void faults_count(uint64_t ret_faults[2]) {
        struct rusage usage;

        ret_faults[0] = ret_faults[1] = 0;
        if (getrusage(RUSAGE_SELF, &usage) < 0)
                return;
        ret_faults[0] = (uint64_t)usage.ru_minflt;
        ret_faults[1] = (uint64_t)usage.ru_majflt;
}

static void cut_fail(HoldShared *shared) {
        (void)hold_decide(shared, HOLD_CAUSE_FAILED);
        word_set(&shared->cut, CUT_VOID);
}

/* Two threads of one rank may both come last: orders and barrier change but once. */
static void barrier_come(HoldShared *shared, const HoldTarget *target) {
        uint32_t rank;

        if (!hold_rank_stands(shared, true, target->rank))
                return;
        if (target->rank < UINT32_MAX && hold_rank_start(shared, true, target->rank + 1, &rank))
                return;
        (void)word_change(&shared->cut, CUT_NONE, CUT_GO);
}

static int operation_run(const HoldTarget *target, const HoldOperation *operation) {
        if (operation->kind == HOLD_OP_RESUME)
                return mapper_resume(target->fd, operation->device);
        return mapper_message(target->fd, operation->device, operation->message);
}

static int operations_run(HoldShared *shared, HoldTarget *target) {
        MapperState state;
        int r;

        for (uint32_t i = 0; i < target->n_operations; i++) {
                if (atomic_load(&shared->cut) != CUT_GO)
                        return -ECANCELED;
                r = operation_run(target, target->operations + i);
                if (r < 0)
                        return r;
                atomic_store(&target->n_done, i + 1);
        }
        hook_stop_at("cut");
        r = mapper_state(target->fd, target->device, &state);
        if (r < 0)
                return r;
        if (!state.suspended) {
                atomic_store(&target->release_error, EINVAL);
                return -EINVAL;
        }
        return atomic_load(&shared->cut) == CUT_GO ? 0 : -ECANCELED;
}

void cut_pass(HoldShared *shared, HoldTarget *target) {
        int r;

        if (atomic_load(&target->state) != TARGET_FROZEN) {
                cut_fail(shared);
                return;
        }
        if (target->swap)
                (void)word_change(&shared->cut, CUT_NONE, CUT_GO);
        else
                barrier_come(shared, target);
        word_wait(&shared->cut, CUT_NONE, 0);
        hook_stop_at("cutting");
        r = operations_run(shared, target);
        if (r == 0) {
                atomic_store(&target->state, TARGET_RELEASING);
                hook_stop_at("resuming");
                r = mapper_resume(target->fd, target->device);
                hook_stop_at("resumed");
        }
        if (r == 0) {
                atomic_store(&target->released_usec, now_usec());
                atomic_store(&target->cut, 1);
                atomic_store(&target->state, TARGET_THAWED);
                return;
        }
        atomic_store(&target->cut_error, -r);
        atomic_store(&target->state, TARGET_FROZEN);
        cut_fail(shared);
}
