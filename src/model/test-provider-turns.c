/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Several sets and providers, each at its own step
 */

#include "model/provider-turns.h"
#include "util/macro.h"
#include "util/test.h"

#define SET "5e700000-0000-4000-8000-000000000001"
#define OTHER "5e700000-0000-4000-8000-000000000002"

static ProviderTurns turns;

static bool may(const char *provider, const char *set, ProviderStep step) {
        ProviderStep expected;

        return provider_turns_check(&turns, provider, set, step, &expected) == 0;
}

static void note(const char *provider, const char *set, ProviderStep step) {
        expect_true(provider_step_name(step), may(provider, set, step));
        expect_int("  is noted", provider_turns_note(&turns, provider, set, step), 0);
}

/* At each step exactly the next one, and the abort, are in order. */
static void test_order(void) {
        for (ProviderStep step = PROVIDER_BEGIN_PREPARE; step <= PROVIDER_POST_FINAL_COMMIT; step++) {
                for (ProviderStep other = PROVIDER_BEGIN_PREPARE; other < PROVIDER_ABORT; other++) {
                        bool another = step == PROVIDER_END_PREPARE && other == PROVIDER_BEGIN_PREPARE;

                        expect_int(provider_step_name(other), may("A", SET, other),
                                   other == step || another);
                }
                expect_true("an abort at any time", may("A", SET, PROVIDER_ABORT));
                note("A", SET, step);
                expect_int("critical", provider_turns_is_critical(&turns, "A"),
                           step >= PROVIDER_END_PREPARE && step < PROVIDER_POST_COMMIT);
                expect_true("nobody else is", !provider_turns_is_critical(&turns, "B"));
        }
        expect_int("one out of order is not noted", provider_turns_note(&turns, "A", SET, PROVIDER_COMMIT),
                   -EPROTO);
        provider_turns_forget(&turns, SET);
        expect_int("nothing is left of a set that is over", (int64_t)turns.n, 0);
}

static void test_others(void) {
        ProviderStep expected = PROVIDER_STEPS;

        note("A", SET, PROVIDER_BEGIN_PREPARE);
        note("B", SET, PROVIDER_BEGIN_PREPARE);
        note("A", SET, PROVIDER_END_PREPARE);
        expect_true("each provider has its own", !may("B", SET, PROVIDER_PRE_COMMIT));
        expect_int("another set begins",
                   provider_turns_check(&turns, "A", OTHER, PROVIDER_BEGIN_PREPARE, &expected), -EPROTO);
        expect_str("not before", provider_step_name(expected), "PreCommitSnapshots");
        expect_true("but at another provider it does", may("B", OTHER, PROVIDER_BEGIN_PREPARE));
        note("A", SET, PROVIDER_ABORT);
        expect_true("an abort ends it", !provider_turns_is_critical(&turns, "A"));
        expect_true("and others begin", may("A", OTHER, PROVIDER_BEGIN_PREPARE));
        expect_true("it is not gone on with", !may("A", SET, PROVIDER_PRE_COMMIT));
        note("A", SET, PROVIDER_ABORT);
        expect_int("an abort of nothing is noted by nothing", (int64_t)turns.n, 1);
        provider_turns_clear(&turns);
}

/* What comes in while the end of prepare is carried out would be done right behind it. */
static void test_ending(void) {
        note("A", SET, PROVIDER_BEGIN_PREPARE);
        provider_turns_called(&turns, "A", SET, PROVIDER_BEGIN_PREPARE);
        expect_true("a set that begins is not critical", !provider_turns_is_critical(&turns, "A"));
        provider_turns_called(&turns, "A", SET, PROVIDER_END_PREPARE);
        expect_true("from the call on", provider_turns_is_critical(&turns, "A"));
        provider_turns_failed(&turns, "A", SET);
        expect_true("not when it has failed", !provider_turns_is_critical(&turns, "A"));
        provider_turns_called(&turns, "A", SET, PROVIDER_END_PREPARE);
        provider_turns_forget(&turns, SET);
        expect_true("nor when the set is over", !provider_turns_is_critical(&turns, "A"));
        provider_turns_called(&turns, "A", SET, PROVIDER_END_PREPARE);
        expect_int("what nobody began", (int64_t)turns.n, 0);
        provider_turns_clear(&turns);
}

int main(void) {
        test_ending();
        test_order();
        test_others();
        expect_true("what is quick", provider_call_is_quick("Query") && provider_call_is_quick("GetInfo") &&
                                             !provider_call_is_quick("DeleteSnapshot") &&
                                             !provider_call_is_quick("CheckStorage"));
        return test_end();
}
