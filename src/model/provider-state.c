/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The state machine of one shadow copy set in a provider
 *
 * A failed call leaves the state as it was. Abort is legal everywhere: also for a set that is created, which
 * it then destroys, and for one that this process has never seen (it may have been restarted).
 */

#include <stddef.h>
#include <string.h>
#include "model/provider-state.h"
#include "util/macro.h"

static const struct {
        ProviderState from;
        ProviderStep step;
        ProviderState to;
} transitions[] = {
        { PROVIDER_NONE, PROVIDER_BEGIN_PREPARE, PROVIDER_PREPARING },
        { PROVIDER_CREATED, PROVIDER_BEGIN_PREPARE, PROVIDER_PREPARING },
        { PROVIDER_ABORTED, PROVIDER_BEGIN_PREPARE, PROVIDER_PREPARING },
        { PROVIDER_PREPARING, PROVIDER_BEGIN_PREPARE, PROVIDER_PREPARING },
        { PROVIDER_PREPARING, PROVIDER_END_PREPARE, PROVIDER_PREPARED },
        { PROVIDER_PREPARED, PROVIDER_PRE_COMMIT, PROVIDER_PRECOMMITTED },
        { PROVIDER_PRECOMMITTED, PROVIDER_COMMIT, PROVIDER_COMMITTED },
        { PROVIDER_COMMITTED, PROVIDER_POST_COMMIT, PROVIDER_POSTCOMMITTED },
        { PROVIDER_POSTCOMMITTED, PROVIDER_PRE_FINAL_COMMIT, PROVIDER_PREFINALCOMMITTED },
        { PROVIDER_PREFINALCOMMITTED, PROVIDER_POST_FINAL_COMMIT, PROVIDER_CREATED },
};

bool provider_state_next(ProviderState state, ProviderStep step, ProviderState *ret_next) {
        if (step == PROVIDER_ABORT) {
                *ret_next = PROVIDER_ABORTED;
                return true;
        }
        FOREACH_ELEMENT (t, transitions)
                if (t->from == state && t->step == step) {
                        *ret_next = t->to;
                        return true;
                }
        return false;
}

ProviderStep provider_state_expects(ProviderState state) {
        /* The last row of a state: from PREPARING on it is EndPrepare, the way forward. */
        ProviderStep step = PROVIDER_BEGIN_PREPARE;

        FOREACH_ELEMENT (t, transitions)
                if (t->from == state)
                        step = t->step;
        return step;
}

const char *provider_step_name(ProviderStep step) {
        static const char *const names[PROVIDER_STEPS] = {
                [PROVIDER_BEGIN_PREPARE] = "BeginPrepareSnapshot",
                [PROVIDER_END_PREPARE] = "EndPrepareSnapshots",
                [PROVIDER_PRE_COMMIT] = "PreCommitSnapshots",
                [PROVIDER_COMMIT] = "CommitSnapshots",
                [PROVIDER_POST_COMMIT] = "PostCommitSnapshots",
                [PROVIDER_PRE_FINAL_COMMIT] = "PreFinalCommitSnapshots",
                [PROVIDER_POST_FINAL_COMMIT] = "PostFinalCommitSnapshots",
                [PROVIDER_ABORT] = "AbortSnapshots",
        };

        return (size_t)step < ELEMENTS(names) ? names[step] : "?";
}

ProviderStep provider_step_from_name(const char *name) {
        ProviderStep step = PROVIDER_BEGIN_PREPARE;

        while (step < PROVIDER_STEPS && strcmp(provider_step_name(step), name) != 0)
                step++;
        return step;
}

bool provider_state_is_under_way(ProviderState state) {
        return state >= PROVIDER_PREPARING && state <= PROVIDER_PREFINALCOMMITTED;
}

bool provider_state_is_critical(ProviderState state) {
        return state >= PROVIDER_PREPARED && state <= PROVIDER_COMMITTED;
}

bool provider_state_has_copies(ProviderState state) {
        return state == PROVIDER_NONE || (state >= PROVIDER_POSTCOMMITTED && state <= PROVIDER_CREATED);
}
