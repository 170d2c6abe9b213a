/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whose turn it is at each provider: the state machine of a set, for all sets and providers of the service
 *
 * Pure. The library holds its providers to the order of calls; this holds the service to it, so that
 * providers which are written without the library need not look.
 */

#include <linuxvss/types.h>
#include <stddef.h>
#include "model/provider-state.h"

typedef struct ProviderTurn {
        char set[VSS_ID_SIZE];
        char *provider;
        ProviderState state;
        bool ending; /* the end of prepare was called, and is not answered */
} ProviderTurn;

typedef struct ProviderTurns {
        ProviderTurn *turns;
        size_t n;
} ProviderTurns;

/* May @step of @set be called now? Return: 0, or -EPROTO with *@ret_expected what would be in order. */
int provider_turns_check(const ProviderTurns *turns, const char *provider, const char *set,
                         ProviderStep step, ProviderStep *ret_expected);
/* It is called; and has failed, which leaves the state as it was. */
void provider_turns_called(ProviderTurns *turns, const char *provider, const char *set, ProviderStep step);
void provider_turns_failed(ProviderTurns *turns, const char *provider, const char *set);
/* It has succeeded. After an abort, whatever became of it, nothing is known of the set any more. */
int provider_turns_note(ProviderTurns *turns, const char *provider, const char *set, ProviderStep step);
/* A set waits for its cut there, or for the end of it: nothing that may take long is begun. */
bool provider_turns_is_critical(const ProviderTurns *turns, const char *provider);
/* The set is over. */
void provider_turns_forget(ProviderTurns *turns, const char *set);
void provider_turns_clear(ProviderTurns *turns);

/* Does the call answer at once, so that it may come in at any time? */
bool provider_call_is_quick(const char *member);
