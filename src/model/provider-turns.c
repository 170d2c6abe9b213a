/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whose turn it is at each provider
 */

#include <stdlib.h>
#include <string.h>
#include "model/provider-turns.h"
#include "util/macro.h"

static ProviderTurn *find(const ProviderTurns *turns, const char *provider, const char *set) {
        for (size_t i = 0; i < turns->n; i++)
                if (strcmp(turns->turns[i].set, set) == 0 && strcmp(turns->turns[i].provider, provider) == 0)
                        return &turns->turns[i];
        return NULL;
}

int provider_turns_check(const ProviderTurns *turns, const char *provider, const char *set,
                         ProviderStep step, ProviderStep *ret_expected) {
        const ProviderTurn *turn = find(turns, provider, set);
        ProviderState state = turn ? turn->state : PROVIDER_NONE, next;

        *ret_expected = provider_state_expects(state);
        if (!provider_state_next(state, step, &next))
                return -EPROTO;
        if (step != PROVIDER_BEGIN_PREPARE || turn)
                return 0;
        /* Another one begins only where none waits for its cut. */
        for (size_t i = 0; i < turns->n; i++)
                if (strcmp(turns->turns[i].provider, provider) == 0 &&
                    provider_state_is_critical(turns->turns[i].state)) {
                        *ret_expected = provider_state_expects(turns->turns[i].state);
                        return -EPROTO;
                }
        return 0;
}

static void forget(ProviderTurns *turns, ProviderTurn *turn) {
        free(turn->provider);
        *turn = turns->turns[--turns->n];
}

void provider_turns_called(ProviderTurns *turns, const char *provider, const char *set, ProviderStep step) {
        ProviderTurn *turn = find(turns, provider, set);

        if (turn)
                turn->ending = step == PROVIDER_END_PREPARE;
}

void provider_turns_failed(ProviderTurns *turns, const char *provider, const char *set) {
        ProviderTurn *turn = find(turns, provider, set);

        if (turn)
                turn->ending = false;
}

int provider_turns_note(ProviderTurns *turns, const char *provider, const char *set, ProviderStep step) {
        ProviderTurn *turn = find(turns, provider, set), *all;
        ProviderState next;

        if (!provider_state_next(turn ? turn->state : PROVIDER_NONE, step, &next))
                return -EPROTO;
        if (next == PROVIDER_ABORTED) {
                if (turn)
                        forget(turns, turn);
                return 0;
        }
        if (!turn) {
                all = reallocarray(turns->turns, turns->n + 1, sizeof(*all));
                if (!all)
                        return -ENOMEM;
                turns->turns = all;
                turn = &all[turns->n];
                *turn = (ProviderTurn){ .provider = strdup(provider) };
                if (!turn->provider)
                        return -ENOMEM;
                (void)snprintf(turn->set, sizeof(turn->set), "%s", set);
                turns->n++;
        }
        turn->state = next;
        turn->ending = false;
        return 0;
}

bool provider_turns_is_critical(const ProviderTurns *turns, const char *provider) {
        for (size_t i = 0; i < turns->n; i++)
                if (strcmp(turns->turns[i].provider, provider) == 0 &&
                    (turns->turns[i].ending || provider_state_is_critical(turns->turns[i].state)))
                        return true;
        return false;
}

void provider_turns_forget(ProviderTurns *turns, const char *set) {
        for (size_t i = turns->n; i-- > 0;)
                if (strcmp(turns->turns[i].set, set) == 0)
                        forget(turns, &turns->turns[i]);
}

void provider_turns_clear(ProviderTurns *turns) {
        while (turns->n > 0)
                forget(turns, &turns->turns[turns->n - 1]);
        free(turns->turns);
        *turns = (ProviderTurns){ 0 };
}

bool provider_call_is_quick(const char *member) {
        static const char *const quick[] = { "GetInfo", "IsVolumeSupported", "ListNestedVolumes", "Query" };

        FOREACH_ELEMENT (name, quick)
                if (strcmp(*name, member) == 0)
                        return true;
        return false;
}
