/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The state machine of one shadow copy set in a provider: pure, state and call in, next state out
 */

#include <stdbool.h>

typedef enum ProviderState {
        PROVIDER_NONE, /* never seen, created, or aborted */
        PROVIDER_PREPARING,
        PROVIDER_PREPARED,
        PROVIDER_PRECOMMITTED,
        PROVIDER_COMMITTED,
        PROVIDER_POSTCOMMITTED,
        PROVIDER_PREFINALCOMMITTED,
        PROVIDER_CREATED,
        PROVIDER_ABORTED,
        PROVIDER_STATES,
} ProviderState;

typedef enum ProviderStep {
        PROVIDER_BEGIN_PREPARE,
        PROVIDER_END_PREPARE,
        PROVIDER_PRE_COMMIT,
        PROVIDER_COMMIT,
        PROVIDER_POST_COMMIT,
        PROVIDER_PRE_FINAL_COMMIT,
        PROVIDER_POST_FINAL_COMMIT,
        PROVIDER_ABORT,
        PROVIDER_STEPS,
} ProviderStep;

/* What a set becomes when @step succeeds. Return: false if the step is out of order; *@ret_next is
 * untouched. */
bool provider_state_next(ProviderState state, ProviderStep step, ProviderState *ret_next);
/* The step that @state waits for, for the message about one that is out of order. */
ProviderStep provider_state_expects(ProviderState state);
/* As in the interface: "CommitSnapshots". */
const char *provider_step_name(ProviderStep step);
/* PROVIDER_STEPS: it is none. */
ProviderStep provider_step_from_name(const char *name);

/* Between BeginPrepare and PostFinal: must be aborted if the service goes. */
bool provider_state_is_under_way(ProviderState state);
/* Writers are frozen, volumes held: nothing may be written, no other set begun. */
bool provider_state_is_critical(ProviderState state);
/* Its copies are cut and stand, as far as is known: a set never seen may be of a process before this one. */
bool provider_state_has_copies(ProviderState state);
