/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the session state machine: every state that calls can lead to, times every call
 *
 * What is expected is written below as conditions, from the contract, not from the table that is tested.
 */

#include <linuxvss/types.h>
#include "model/session.h"
#include "util/macro.h"
#include "util/test.h"

#define STATES_MAX 4096u

typedef struct State {
        uint32_t facts, context;
} State;

typedef bool (*May)(SessionCall call, uint32_t facts, uint32_t context, const char **ret_why);

static State states[STATES_MAX];
static size_t n_states;

static bool expected(SessionCall call, uint32_t f, uint32_t context) {
        bool writers = !(context & VSS_VOLSNAP_ATTR_NO_WRITERS), done = f & SESSION_SNAPSHOT_DONE;
        bool gathered = f & SESSION_GATHERED, started = f & SESSION_SET_STARTED,
             prepared = f & SESSION_PREPARED;

        if (call == SESSION_CALL_ABORT_BACKUP || call == SESSION_CALL_RELEASE)
                return true;
        if (f & SESSION_BUSY)
                return false;
        if (!(f & SESSION_INITIALIZED))
                return call == SESSION_CALL_INITIALIZE_FOR_BACKUP;
        if (call == SESSION_CALL_GET_WRITER_METADATA)
                return gathered;
        if (call == SESSION_CALL_GET_WRITER_STATUS)
                return f & SESSION_STATUS_GATHERED;
        if (call == SESSION_CALL_GET_SNAPSHOT_PROPERTIES)
                return done;
        if (f & SESSION_ABORTED)
                return false;

        switch (call) {
        case SESSION_CALL_SET_CONTEXT:
                return !(f & SESSION_CONTEXT_SET) && !started;
        case SESSION_CALL_SET_BACKUP_STATE:
                return !prepared && !done;
        case SESSION_CALL_ENABLE_WRITER_CLASSES:
        case SESSION_CALL_DISABLE_WRITER_CLASSES:
                return true;
        case SESSION_CALL_GATHER_WRITER_METADATA:
                return !gathered && !prepared && !done;
        case SESSION_CALL_ADD_COMPONENT:
                return writers && gathered && !prepared && !done;
        case SESSION_CALL_START_SNAPSHOT_SET:
                return !started;
        case SESSION_CALL_ADD_TO_SNAPSHOT_SET:
                return started && !prepared && !done;
        case SESSION_CALL_HOLD_CONTROL_GROUP:
                return started && !done;
        case SESSION_CALL_PREPARE_FOR_BACKUP:
                return writers && gathered && started && !prepared && !done;
        case SESSION_CALL_DO_SNAPSHOT_SET:
                if (!started || done)
                        return false;
                return !writers || (gathered && (prepared || !(f & SESSION_VOLUME_ADDED)));
        case SESSION_CALL_GATHER_WRITER_STATUS:
                return gathered;
        case SESSION_CALL_OPEN_SNAPSHOT:
                return done;
        case SESSION_CALL_SET_BACKUP_SUCCEEDED:
        case SESSION_CALL_BACKUP_COMPLETE:
                return writers && done && !(f & SESSION_COMPLETE);
        default:
                return false;
        }
}

static void add_state(uint32_t facts, uint32_t context) {
        for (size_t i = 0; i < n_states; i++)
                if (states[i].facts == facts && states[i].context == context)
                        return;
        if (n_states < STATES_MAX)
                states[n_states++] = (State){ facts, context };
}

/* A state, and from it what every call leads to; while it is under way, too. */
static void explore(void) {
        add_state(0, VSS_CTX_BACKUP);
        for (size_t i = 0; i < n_states; i++)
                for (SessionCall call = 0; call < _SESSION_CALL_N; call++) {
                        State s = states[i];
                        const char *why = NULL;

                        if (!session_may(call, s.facts, s.context, &why))
                                continue;
                        add_state(session_busy(s.facts, call), s.context);
                        add_state(session_after(call, s.facts), s.context);
                        if (call == SESSION_CALL_SET_CONTEXT)
                                add_state(session_after(call, s.facts), VSS_CTX_NAS_ROLLBACK);
                }
        expect_true("the states are not beyond number", n_states < STATES_MAX);
        printf("# %zu states\n", n_states);
}

/* Returns in how many states @may differs from what is expected, or gives no reason, or gives one too many.
 */
static unsigned differences(May may, SessionCall call) {
        unsigned n = 0;

        for (size_t i = 0; i < n_states; i++) {
                const char *why = NULL;
                bool legal = may(call, states[i].facts, states[i].context, &why);

                if (legal != expected(call, states[i].facts, states[i].context) || legal != !why) {
                        printf("# %s in %#x, context %#x: %s\n", session_call_name(call), states[i].facts,
                               states[i].context, why ?: "legal");
                        n++;
                }
        }
        return n;
}

static bool may_broken(SessionCall call, uint32_t facts, uint32_t context, const char **ret_why) {
        return session_may(call, facts & ~SESSION_ABORTED, context, ret_why);
}

static bool may_silent(SessionCall call, uint32_t facts, uint32_t context, const char **ret_why) {
        const char *why;

        return session_may(call, facts, context, &why);
}

static void test_all(void) {
        expect_true("the check notices a wrong answer",
                    differences(may_broken, SESSION_CALL_OPEN_SNAPSHOT) > 0);
        expect_true("the check notices a missing reason",
                    differences(may_silent, SESSION_CALL_OPEN_SNAPSHOT) > 0);
        for (SessionCall call = 0; call < _SESSION_CALL_N; call++)
                expect_int(session_call_name(call), differences(session_may, call), 0);
}

/* In every state: calls add at most one fact, and what implies another fact has it. */
static void test_facts(void) {
        static const struct {
                uint32_t fact, implies;
        } implied[] = {
                { ~(uint32_t)SESSION_INITIALIZED & (SESSION_BUSY - 1), SESSION_INITIALIZED },
                { SESSION_VOLUME_ADDED, SESSION_SET_STARTED },
                { SESSION_PREPARED, SESSION_SET_STARTED | SESSION_GATHERED },
                { SESSION_SNAPSHOT_DONE, SESSION_SET_STARTED },
                { SESSION_COMPLETE, SESSION_SNAPSHOT_DONE },
                { SESSION_STATUS_GATHERED, SESSION_GATHERED },
                { SESSION_ABORTED, SESSION_SET_STARTED },
        };
        unsigned wrong = 0, many = 0;

        for (size_t i = 0; i < n_states; i++) {
                FOREACH_ELEMENT (f, implied)
                        wrong += (states[i].facts & f->fact) && (states[i].facts & f->implies) != f->implies;
                for (SessionCall call = 0; call < _SESSION_CALL_N; call++) {
                        uint32_t before = states[i].facts, after = session_after(call, before);

                        many += (before & ~after) != 0 || __builtin_popcount(after & ~before) > 1;
                }
                wrong += (states[i].facts & SESSION_COMPLETE) && (states[i].facts & SESSION_ABORTED);
        }
        expect_int("facts imply others", wrong, 0);
        expect_int("a call makes at most one fact true, and none false", many, 0);
}

static void test_reasons(void) {
        enum {
                I = SESSION_INITIALIZED,
                G = I | SESSION_GATHERED,
                S = G | SESSION_SET_STARTED,
                P = S | SESSION_VOLUME_ADDED | SESSION_PREPARED,
                D = P | SESSION_SNAPSHOT_DONE,
        };
        static const struct {
                SessionCall call;
                uint32_t facts, context;
                const char *why;
        } cases[] = {
                { SESSION_CALL_SET_CONTEXT, 0, 0, "InitializeForBackup has not been called" },
                { SESSION_CALL_INITIALIZE_FOR_BACKUP, I, 0, "InitializeForBackup has been called already" },
                { SESSION_CALL_SET_CONTEXT, I | SESSION_CONTEXT_SET, 0,
                  "SetContext has been called already" },
                { SESSION_CALL_SET_CONTEXT, I | SESSION_SET_STARTED, 0,
                  "StartSnapshotSet has been called already" },
                { SESSION_CALL_ADD_COMPONENT, I, 0, "GatherWriterMetadata has not been called" },
                { SESSION_CALL_ADD_TO_SNAPSHOT_SET, G, 0, "StartSnapshotSet has not been called" },
                { SESSION_CALL_ADD_TO_SNAPSHOT_SET, P, 0, "PrepareForBackup has been called already" },
                { SESSION_CALL_PREPARE_FOR_BACKUP, I | SESSION_SET_STARTED, VSS_CTX_NAS_ROLLBACK,
                  "contexts without writers have no PrepareForBackup" },
                { SESSION_CALL_DO_SNAPSHOT_SET, S | SESSION_VOLUME_ADDED, 0,
                  "PrepareForBackup has not been called" },
                { SESSION_CALL_DO_SNAPSHOT_SET, I | SESSION_SET_STARTED, 0,
                  "GatherWriterMetadata has not been called" },
                { SESSION_CALL_DO_SNAPSHOT_SET, D, 0, "DoSnapshotSet has been called already" },
                { SESSION_CALL_GET_WRITER_STATUS, D, 0, "GatherWriterStatus has not been called" },
                { SESSION_CALL_BACKUP_COMPLETE, P, 0, "DoSnapshotSet has not been called" },
                { SESSION_CALL_BACKUP_COMPLETE, D | SESSION_COMPLETE, 0,
                  "BackupComplete has been called already" },
                { SESSION_CALL_GET_SNAPSHOT_PROPERTIES, P | SESSION_ABORTED, 0,
                  "DoSnapshotSet has not been called" },
                { SESSION_CALL_OPEN_SNAPSHOT, D | SESSION_ABORTED, 0,
                  "the session has been aborted; only AbortBackup, Release and looking at it are left" },
                { SESSION_CALL_GET_WRITER_METADATA, I | SESSION_BUSY, 0,
                  "another call of this session is still under way" },
                { SESSION_CALL_START_SNAPSHOT_SET, I | SESSION_CONTEXT_SET, VSS_CTX_ALL,
                  "SetContext has chosen the context of all shadow copies, which is for queries only" },
                { _SESSION_CALL_N, I, 0, "there is no such call" },
        };
        const char *why = NULL;

        FOREACH_ELEMENT (c, cases) {
                why = NULL;
                expect_true("refused", !session_may(c->call, c->facts, c->context, &why));
                expect_str(session_call_name(c->call), why, c->why);
        }
        expect_true("busy", !session_may(SESSION_CALL_DO_SNAPSHOT_SET,
                                         session_busy(P, SESSION_CALL_GATHER_WRITER_STATUS), 0, &why));
        expect_str("with what", why, "GatherWriterStatus is still under way");
        expect_int("idle again", session_idle(session_busy(P, SESSION_CALL_RELEASE)), P);
}

static void test_abort(void) {
        uint32_t started = SESSION_INITIALIZED | SESSION_SET_STARTED;
        uint32_t complete = started | SESSION_SNAPSHOT_DONE | SESSION_COMPLETE;

        expect_int("nothing to abort in a new session", session_after(SESSION_CALL_ABORT_BACKUP, 0), 0);
        expect_int("nor in one without a set", session_after(SESSION_CALL_ABORT_BACKUP, SESSION_INITIALIZED),
                   SESSION_INITIALIZED);
        expect_int("a set", session_after(SESSION_CALL_ABORT_BACKUP, started), started | SESSION_ABORTED);
        expect_int("not one that is complete", session_after(SESSION_CALL_ABORT_BACKUP, complete), complete);
}

/* The orders that requesters use, each to its end. */
static void test_orders(void) {
#define C(x) SESSION_CALL_##x
        static const struct {
                const char *label;
                uint32_t context;
                SessionCall calls[20];
                size_t n;
                const char *state;
        } orders[] = {
                { "as documented",
                  0,
                  { C(INITIALIZE_FOR_BACKUP), C(SET_CONTEXT), C(SET_BACKUP_STATE), C(GATHER_WRITER_METADATA),
                    C(GET_WRITER_METADATA), C(ADD_COMPONENT), C(START_SNAPSHOT_SET), C(ADD_TO_SNAPSHOT_SET),
                    C(PREPARE_FOR_BACKUP), C(GATHER_WRITER_STATUS), C(GET_WRITER_STATUS), C(DO_SNAPSHOT_SET),
                    C(GATHER_WRITER_STATUS), C(GET_SNAPSHOT_PROPERTIES), C(OPEN_SNAPSHOT),
                    C(SET_BACKUP_SUCCEEDED), C(BACKUP_COMPLETE), C(RELEASE) },
                  18,
                  "complete" },
                { "gather before context, components after the set is started",
                  0,
                  { C(INITIALIZE_FOR_BACKUP), C(SET_BACKUP_STATE), C(GATHER_WRITER_METADATA), C(SET_CONTEXT),
                    C(DISABLE_WRITER_CLASSES), C(START_SNAPSHOT_SET), C(ADD_TO_SNAPSHOT_SET),
                    C(ADD_COMPONENT), C(ADD_TO_SNAPSHOT_SET), C(HOLD_CONTROL_GROUP), C(PREPARE_FOR_BACKUP),
                    C(DO_SNAPSHOT_SET) },
                  12,
                  "snapshot done" },
                { "the set before the gather",
                  0,
                  { C(INITIALIZE_FOR_BACKUP), C(START_SNAPSHOT_SET), C(ADD_TO_SNAPSHOT_SET),
                    C(GATHER_WRITER_METADATA), C(PREPARE_FOR_BACKUP) },
                  5,
                  "prepared" },
                { "without writers",
                  VSS_CTX_NAS_ROLLBACK,
                  { C(INITIALIZE_FOR_BACKUP), C(SET_CONTEXT), C(START_SNAPSHOT_SET), C(ADD_TO_SNAPSHOT_SET),
                    C(DO_SNAPSHOT_SET), C(GET_SNAPSHOT_PROPERTIES) },
                  6,
                  "snapshot done" },
                { "aborted",
                  0,
                  { C(INITIALIZE_FOR_BACKUP), C(GATHER_WRITER_METADATA), C(START_SNAPSHOT_SET),
                    C(ABORT_BACKUP), C(GET_WRITER_METADATA), C(ABORT_BACKUP), C(RELEASE) },
                  7,
                  "aborted" },
        };
#undef C

        FOREACH_ELEMENT (o, orders) {
                uint32_t facts = 0;
                const char *why = NULL;

                for (size_t i = 0; i < o->n; i++) {
                        if (!session_may(o->calls[i], facts, o->context, &why))
                                printf("# %s: %s\n", session_call_name(o->calls[i]), why);
                        facts = session_after(o->calls[i], facts);
                }
                expect_str(o->label, why, NULL);
                expect_str("  ends", session_state_name(facts), o->state);
        }
        expect_str("new", session_state_name(0), "new");
        expect_str("initialized", session_state_name(SESSION_INITIALIZED), "initialized");
        expect_str("gathered", session_state_name(SESSION_INITIALIZED | SESSION_GATHERED), "gathered");
        expect_str("set started", session_state_name(SESSION_INITIALIZED | SESSION_SET_STARTED),
                   "set started");
}

int main(void) {
        explore();
        test_all();
        test_facts();
        test_reasons();
        test_abort();
        test_orders();
        return test_end();
}
