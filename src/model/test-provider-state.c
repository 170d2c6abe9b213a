/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every state and every step of a set in a provider, against a table written out by hand
 */

#include "model/provider-state.h"
#include "util/macro.h"
#include "util/test.h"

/* One letter a state, in the order of ProviderState; a row a state, a column a step; '.' is out of order. */
static const char letters[] = "NIPRCTFDA";

static const char *const table[PROVIDER_STATES] = {
        /*                       Begin End PreC Comm PostC PreF PostF Abort */
        [PROVIDER_NONE] = "I......A",
        [PROVIDER_PREPARING] = "IP.....A",
        [PROVIDER_PREPARED] = "..R....A",
        [PROVIDER_PRECOMMITTED] = "...C...A",
        [PROVIDER_COMMITTED] = "....T..A",
        [PROVIDER_POSTCOMMITTED] = ".....F.A",
        [PROVIDER_PREFINALCOMMITTED] = "......DA",
        [PROVIDER_CREATED] = "I......A",
        [PROVIDER_ABORTED] = "I......A",
};

int main(void) {
        char label[64];

        for (int state = 0; state < PROVIDER_STATES; state++) {
                ProviderState reached;

                for (int step = 0; step < PROVIDER_STEPS; step++) {
                        ProviderState next = PROVIDER_STATES;
                        bool ok = provider_state_next((ProviderState)state, (ProviderStep)step, &next);

                        (void)snprintf(label, sizeof(label), "%c, %s", letters[state],
                                       provider_step_name((ProviderStep)step));
                        expect_int(label, ok ? letters[next] : '.', table[state][step]);
                        expect_true("untouched when out of order", ok || next == PROVIDER_STATES);
                }
                expect_true("what is expected is in order",
                            provider_state_next((ProviderState)state,
                                                provider_state_expects((ProviderState)state), &reached));
        }
        expect_str("from PREPARING it goes forward",
                   provider_step_name(provider_state_expects(PROVIDER_PREPARING)), "EndPrepareSnapshots");
        for (int step = 0; step < PROVIDER_STEPS; step++)
                expect_int("by its name", provider_step_from_name(provider_step_name((ProviderStep)step)),
                           step);
        expect_int("no step", provider_step_from_name("DeleteSnapshot"), PROVIDER_STEPS);
        expect_true("under way", provider_state_is_under_way(PROVIDER_PREPARING) &&
                                         provider_state_is_under_way(PROVIDER_PREFINALCOMMITTED));
        expect_true("not under way", !provider_state_is_under_way(PROVIDER_NONE) &&
                                             !provider_state_is_under_way(PROVIDER_CREATED) &&
                                             !provider_state_is_under_way(PROVIDER_ABORTED));
        expect_true("critical", provider_state_is_critical(PROVIDER_COMMITTED) &&
                                        !provider_state_is_critical(PROVIDER_PREPARING) &&
                                        !provider_state_is_critical(PROVIDER_POSTCOMMITTED));
        for (int state = 0; state < PROVIDER_STATES; state++) {
                (void)snprintf(label, sizeof(label), "%c, its copies", letters[state]);
                expect_int(label, provider_state_has_copies((ProviderState)state),
                           strchr("NTFD", letters[state]) != NULL);
        }
        return test_end();
}
