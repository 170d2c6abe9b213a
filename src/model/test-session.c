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

#define STATES_MAX (1u << 18)
#define SLOTS (STATES_MAX * 2)

typedef struct State {
        uint32_t facts, context;
} State;

typedef bool (*May)(SessionCall call, uint32_t facts, uint32_t context, const char **ret_why);

static State states[STATES_MAX];
static uint32_t slots[SLOTS]; /* of @states, by their hash; 1 + index */
static size_t n_states;

/* Backups, and earlier ones by their document. */
static bool expected_of_backup(SessionCall call, uint32_t f, uint32_t context) {
        bool writers = !(context & VSS_VOLSNAP_ATTR_NO_WRITERS), done = f & SESSION_SNAPSHOT_DONE;
        bool gathered = f & SESSION_GATHERED, started = f & SESSION_SET_STARTED,
             prepared = f & SESSION_PREPARED, earlier = f & SESSION_DOCUMENT;

        switch (call) {
        case SESSION_CALL_SET_CONTEXT:
                return !(f &
                         (SESSION_CONTEXT_SET | SESSION_QUERIED | SESSION_IMPORTED | SESSION_COMPLETE)) &&
                       !started;
        case SESSION_CALL_SET_BACKUP_STATE:
                return !earlier && !prepared && !done;
        case SESSION_CALL_ADD_COMPONENT:
        case SESSION_CALL_SET_BACKUP_OPTIONS:
        case SESSION_CALL_SET_PREVIOUS_BACKUP_STAMP:
                return !earlier && writers && gathered && !prepared && !done;
        case SESSION_CALL_START_SNAPSHOT_SET:
                return !earlier && !started && context != VSS_CTX_ALL;
        case SESSION_CALL_ADD_TO_SNAPSHOT_SET:
        case SESSION_CALL_SET_WANTED_PATHS:
                return started && !prepared && !done;
        case SESSION_CALL_HOLD_CONTROL_GROUP:
                return started && !done;
        case SESSION_CALL_PREPARE_FOR_BACKUP:
                return writers && gathered && started && !prepared && !done;
        case SESSION_CALL_DO_SNAPSHOT_SET:
                if (!started || done)
                        return false;
                return !writers || (gathered && (prepared || !(f & SESSION_VOLUME_ADDED)));
        case SESSION_CALL_VERIFY_WRITERS:
                return writers && done;
        case SESSION_CALL_SET_BACKUP_SUCCEEDED:
                return writers && (done || earlier) && !(f & SESSION_COMPLETE);
        case SESSION_CALL_BACKUP_COMPLETE:
                return writers && (done || (earlier && gathered)) && !(f & SESSION_COMPLETE);
        case SESSION_CALL_IMPORT_SNAPSHOTS:
                return earlier && !(f & SESSION_IMPORTED);
        default:
                return false;
        }
}

static bool expected_of_restore(SessionCall call, uint32_t f) {
        bool gathered = f & SESSION_GATHERED, before = !(f & SESSION_PRE_RESTORED),
             after = f & SESSION_POST_RESTORED;

        switch (call) {
        case SESSION_CALL_SET_RESTORE_STATE:
        case SESSION_CALL_SET_DRY_RUN:
                return before;
        case SESSION_CALL_SET_SELECTED_FOR_RESTORE:
        case SESSION_CALL_SET_RESTORE_OPTIONS:
        case SESSION_CALL_SET_ADDITIONAL_RESTORES:
        case SESSION_CALL_ADD_RESTORE_SUBCOMPONENT:
        case SESSION_CALL_ADD_NEW_TARGET:
        case SESSION_CALL_SET_AUTHORITATIVE_RESTORE:
        case SESSION_CALL_SET_ROLL_FORWARD:
        case SESSION_CALL_SET_RESTORE_NAME:
        case SESSION_CALL_PRE_RESTORE:
                return gathered && before;
        case SESSION_CALL_ADD_ALTERNATIVE_LOCATION_MAPPING:
        case SESSION_CALL_SET_RANGES_FILE_PATH:
        case SESSION_CALL_SET_FILE_RESTORE_STATUS:
        case SESSION_CALL_POST_RESTORE:
                return !before && !after;
        default:
                return false;
        }
}

/* What may be looked at in aborted sessions, too. Return: -1 if @call is none of these. */
static int expected_to_look(SessionCall call, uint32_t f) {
        bool gathered = f & SESSION_GATHERED, freed = f & SESSION_METADATA_FREED;

        switch (call) {
        case SESSION_CALL_GET_WRITER_METADATA:
        case SESSION_CALL_SAVE_WRITER_METADATA:
                return gathered && !freed;
        case SESSION_CALL_GET_WRITER_STATUS:
                return (f & SESSION_STATUS_GATHERED) != 0;
        case SESSION_CALL_GET_WRITER_COMPONENTS:
                return f & SESSION_RESTORE ? (f & SESSION_PRE_RESTORED) != 0
                                           : gathered || (f & SESSION_DOCUMENT);
        case SESSION_CALL_SAVE_AS_XML:
                return (f & (SESSION_RESTORE | SESSION_DOCUMENT | SESSION_PREPARED |
                             SESSION_SNAPSHOT_DONE)) != 0;
        case SESSION_CALL_QUERY:
        case SESSION_CALL_GET_SNAPSHOT_PROPERTIES:
                return true;
        default:
                return -1;
        }
}

static bool expected(SessionCall call, uint32_t f, uint32_t context) {
        int look;

        if (call == SESSION_CALL_ABORT_BACKUP || call == SESSION_CALL_RELEASE)
                return true;
        if (f & SESSION_BUSY)
                return false;
        if (call == SESSION_CALL_FREE_WRITER_METADATA || call == SESSION_CALL_FREE_WRITER_STATUS)
                return true;
        if (!(f & SESSION_INITIALIZED) || call <= SESSION_CALL_INITIALIZE_FOR_RESTORE)
                return !(f & SESSION_INITIALIZED) && call <= SESSION_CALL_INITIALIZE_FOR_RESTORE;
        look = expected_to_look(call, f);
        if (look >= 0)
                return look;
        if (f & SESSION_ABORTED)
                return false;

        switch (call) {
        case SESSION_CALL_ENABLE_WRITER_CLASSES:
        case SESSION_CALL_DISABLE_WRITER_CLASSES:
        case SESSION_CALL_DISABLE_WRITER_INSTANCES:
        case SESSION_CALL_IS_VOLUME_SUPPORTED:
        case SESSION_CALL_OPEN_SNAPSHOT:
        case SESSION_CALL_ADD_SNAPSHOT_TO_RECOVERY_SET:
                return true;
        case SESSION_CALL_RECOVER_SET:
                return f & SESSION_RECOVERY_ADDED;
        case SESSION_CALL_GATHER_WRITER_STATUS:
                return f & SESSION_GATHERED;
        case SESSION_CALL_GATHER_WRITER_METADATA:
                return !(f & (SESSION_GATHERED | SESSION_PREPARED | SESSION_SNAPSHOT_DONE));
        default:
                return f & SESSION_RESTORE ? expected_of_restore(call, f)
                                           : expected_of_backup(call, f, context);
        }
}

static void add_state(uint32_t facts, uint32_t context) {
        uint32_t slot = (facts * 2654435761u ^ context * 40503u) % SLOTS;

        for (; slots[slot]; slot = (slot + 1) % SLOTS) {
                const State *state = &states[slots[slot] - 1];

                if (state->facts == facts && state->context == context)
                        return;
        }
        if (n_states == STATES_MAX)
                return;
        states[n_states++] = (State){ facts, context };
        slots[slot] = (uint32_t)n_states;
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
                        if (call == SESSION_CALL_SET_CONTEXT) {
                                add_state(session_after(call, s.facts), VSS_CTX_NAS_ROLLBACK);
                                add_state(session_after(call, s.facts), VSS_CTX_ALL);
                        }
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
                        if (n++ < 4)
                                printf("# %s in %#x, context %#x: %s\n", session_call_name(call),
                                       states[i].facts, states[i].context, why ?: "legal");
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

/* In every state: what implies another fact has it, and calls change no more than they are there for. */
static void test_facts(void) {
        static const struct {
                uint32_t fact, implies;
        } implied[] = {
                { ~(uint32_t)SESSION_INITIALIZED & (SESSION_BUSY - 1), SESSION_INITIALIZED },
                { SESSION_VOLUME_ADDED, SESSION_SET_STARTED },
                { SESSION_PREPARED, SESSION_SET_STARTED | SESSION_GATHERED },
                { SESSION_SNAPSHOT_DONE, SESSION_SET_STARTED },
                { SESSION_STATUS_GATHERED, SESSION_GATHERED },
                { SESSION_METADATA_FREED, SESSION_GATHERED },
                { SESSION_ABORTED, SESSION_SET_STARTED },
                { SESSION_IMPORTED, SESSION_DOCUMENT },
                { SESSION_PRE_RESTORED, SESSION_RESTORE | SESSION_GATHERED },
                { SESSION_POST_RESTORED, SESSION_PRE_RESTORED },
        };
        static const struct {
                uint32_t fact, excludes;
        } excluded[] = {
                { SESSION_RESTORE,
                  SESSION_DOCUMENT | SESSION_SET_STARTED | SESSION_CONTEXT_SET | SESSION_COMPLETE },
                { SESSION_DOCUMENT, SESSION_SET_STARTED },
                { SESSION_COMPLETE, SESSION_ABORTED },
        };
        unsigned wrong = 0, many = 0, gone = 0;

        for (size_t i = 0; i < n_states; i++) {
                uint32_t before = states[i].facts;

                FOREACH_ELEMENT (f, implied)
                        wrong += (before & f->fact) && (before & f->implies) != f->implies;
                FOREACH_ELEMENT (f, excluded)
                        wrong += (before & f->fact) && (before & f->excludes);
                wrong += (before & SESSION_COMPLETE) &&
                         !(before & (SESSION_SNAPSHOT_DONE | SESSION_DOCUMENT));
                for (SessionCall call = 0; call < _SESSION_CALL_N; call++) {
                        uint32_t after = session_after(call, before), added = after & ~before,
                                 taken = before & ~after;

                        many += __builtin_popcount(added) >
                                (call <= SESSION_CALL_INITIALIZE_FOR_RESTORE) + 1;
                        gone += taken &&
                                !(call == SESSION_CALL_FREE_WRITER_STATUS &&
                                  taken == SESSION_STATUS_GATHERED) &&
                                !(call == SESSION_CALL_RECOVER_SET && taken == SESSION_RECOVERY_ADDED);
                }
        }
        expect_int("facts imply others", wrong, 0);
        expect_int("a call makes at most one fact true, and what begins a session its kind, too", many, 0);
        expect_int("none is lost but by the call that is there for it", gone, 0);
}

static void test_reasons(void) {
        enum {
                I = SESSION_INITIALIZED,
                G = I | SESSION_GATHERED,
                S = G | SESSION_SET_STARTED,
                P = S | SESSION_VOLUME_ADDED | SESSION_PREPARED,
                D = P | SESSION_SNAPSHOT_DONE,
                R = I | SESSION_RESTORE,
                E = I | SESSION_DOCUMENT,
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
                { SESSION_CALL_SAVE_AS_XML, S, 0, "PrepareForBackup has not been called" },
                { SESSION_CALL_SAVE_AS_XML, S, VSS_CTX_NAS_ROLLBACK, "DoSnapshotSet has not been called" },
                { SESSION_CALL_GET_WRITER_METADATA, G | SESSION_METADATA_FREED, 0,
                  "FreeWriterMetadata has been called already" },
                { SESSION_CALL_SET_CONTEXT, I | SESSION_QUERIED, 0, "Query has been called already" },
                { SESSION_CALL_SET_SELECTED_FOR_RESTORE, 0, 0, "InitializeForRestore has not been called" },
                { SESSION_CALL_IMPORT_SNAPSHOTS, 0, 0,
                  "InitializeForBackupWithDocument has not been called" },
                { SESSION_CALL_INITIALIZE_FOR_BACKUP, R, 0, "InitializeForRestore has been called already" },
                { SESSION_CALL_INITIALIZE_FOR_RESTORE, E, 0,
                  "InitializeForBackupWithDocument has been called already" },
                { SESSION_CALL_START_SNAPSHOT_SET, R, 0,
                  "this session was not begun by InitializeForBackup" },
                { SESSION_CALL_SET_ROLL_FORWARD, D, 0,
                  "this session was not begun by InitializeForRestore" },
                { SESSION_CALL_IMPORT_SNAPSHOTS, D, 0,
                  "this session was not begun by InitializeForBackupWithDocument" },
                { SESSION_CALL_PRE_RESTORE, R, 0, "GatherWriterMetadata has not been called" },
                { SESSION_CALL_GET_WRITER_COMPONENTS, R | SESSION_GATHERED, 0,
                  "PreRestore has not been called" },
                { SESSION_CALL_ADD_NEW_TARGET, R | SESSION_GATHERED | SESSION_PRE_RESTORED, 0,
                  "PreRestore has been called already" },
                { SESSION_CALL_SET_FILE_RESTORE_STATUS, R | SESSION_GATHERED, 0,
                  "PreRestore has not been called" },
                { SESSION_CALL_BACKUP_COMPLETE, E, 0, "GatherWriterMetadata has not been called" },
                { SESSION_CALL_RECOVER_SET, R, 0, "AddSnapshotToRecoverySet has not been called" },
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
        expect_int("nor a restore: it has no abort",
                   session_after(SESSION_CALL_ABORT_BACKUP, SESSION_INITIALIZED | SESSION_RESTORE),
                   SESSION_INITIALIZED | SESSION_RESTORE);
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
                { "a restore",
                  0,
                  { C(INITIALIZE_FOR_RESTORE), C(SET_RESTORE_STATE), C(GATHER_WRITER_METADATA),
                    C(SET_SELECTED_FOR_RESTORE), C(ADD_RESTORE_SUBCOMPONENT), C(SET_RESTORE_OPTIONS),
                    C(ADD_NEW_TARGET), C(PRE_RESTORE), C(GATHER_WRITER_STATUS), C(GET_WRITER_STATUS),
                    C(FREE_WRITER_STATUS), C(GET_WRITER_COMPONENTS), C(SET_FILE_RESTORE_STATUS),
                    C(POST_RESTORE), C(GATHER_WRITER_STATUS), C(GET_WRITER_STATUS), C(SAVE_AS_XML),
                    C(RELEASE) },
                  18,
                  "post-restored" },
                { "an import, and what it was for",
                  0,
                  { C(INITIALIZE_FOR_BACKUP_WITH_DOCUMENT), C(SET_CONTEXT), C(IMPORT_SNAPSHOTS), C(QUERY),
                    C(OPEN_SNAPSHOT), C(GATHER_WRITER_METADATA), C(SET_BACKUP_SUCCEEDED),
                    C(BACKUP_COMPLETE) },
                  8,
                  "complete" },
                { "documents are saved",
                  0,
                  { C(INITIALIZE_FOR_BACKUP), C(GATHER_WRITER_METADATA), C(START_SNAPSHOT_SET),
                    C(ADD_TO_SNAPSHOT_SET), C(PREPARE_FOR_BACKUP), C(SAVE_AS_XML), C(DO_SNAPSHOT_SET),
                    C(SAVE_AS_XML), C(SAVE_WRITER_METADATA), C(FREE_WRITER_METADATA) },
                  10,
                  "snapshot done" },
                { "volumes are brought back",
                  0,
                  { C(INITIALIZE_FOR_RESTORE), C(ADD_SNAPSHOT_TO_RECOVERY_SET),
                    C(ADD_SNAPSHOT_TO_RECOVERY_SET), C(RECOVER_SET) },
                  4,
                  "initialized" },
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
        expect_str("imported", session_state_name(SESSION_INITIALIZED | SESSION_IMPORTED), "imported");
        expect_str("pre-restored", session_state_name(SESSION_INITIALIZED | SESSION_PRE_RESTORED),
                   "pre-restored");
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
