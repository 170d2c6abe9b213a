/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sessions of a writer: every state times every event, and what happens when there is no room
 */

#include <string.h>
#include "lib/session-slots.h"
#include "util/macro.h"
#include "util/test.h"

#define A "aaaaaaaa-0000-4000-8000-000000000000"

static const char *const state_names[SLOT_STATES] = {
        [SLOT_NONE] = "unknown",      [SLOT_OPEN] = "open",         [SLOT_FROZEN] = "frozen",
        [SLOT_LET_GO] = "let go",     [SLOT_COMPLETE] = "complete", [SLOT_RESTORING] = "restoring",
        [SLOT_RESTORED] = "restored",
};

/* The way to each state. */
static void reach(SessionSlots *slots, SlotState state) {
        *slots = (SessionSlots){ 0 };
        if (state == SLOT_RESTORING || state == SLOT_RESTORED)
                (void)session_slots_enter(slots, A, EVENT_PRE_RESTORE);
        else if (state != SLOT_NONE)
                (void)session_slots_enter(slots, A, EVENT_PREPARE_SNAPSHOT);
        if (state == SLOT_FROZEN || state == SLOT_LET_GO)
                (void)session_slots_enter(slots, A, EVENT_FREEZE);
        if (state == SLOT_LET_GO)
                session_slots_let_go(slots, A, "the time was over");
        if (state == SLOT_COMPLETE)
                session_slots_leave(slots, A, EVENT_BACKUP_COMPLETE, true);
        if (state == SLOT_RESTORED)
                session_slots_leave(slots, A, EVENT_POST_RESTORE, true);
}

#define NO "!"
#define LATE "late"

/* What each event, carried out well, makes of a session; NO: it may not come, LATE: it is told so. */
static const struct {
        WriterEvent event;
        const char *want[SLOT_STATES]; /* in the order of the states */
} table[] = {
        { EVENT_PREPARE_BACKUP, { "open", "open", NO, "open", NO, NO, NO } },
        { EVENT_PREPARE_SNAPSHOT, { "open", "open", NO, "open", NO, NO, NO } },
        { EVENT_FREEZE, { "frozen", "frozen", NO, "frozen", NO, NO, NO } },
        { EVENT_THAW, { NO, NO, "open", LATE, NO, NO, NO } },
        { EVENT_ABORT, { "unknown", "unknown", "unknown", "unknown", "unknown", "unknown", "unknown" } },
        { EVENT_POST_SNAPSHOT, { "unknown", "open", NO, NO, NO, NO, NO } },
        { EVENT_BACKUP_COMPLETE, { "unknown", "complete", NO, NO, "complete", NO, NO } },
        { EVENT_BACKUP_SHUTDOWN,
          { "unknown", "unknown", "unknown", "unknown", "unknown", "unknown", "unknown" } },
        { EVENT_PRE_RESTORE, { "restoring", NO, NO, NO, NO, "restoring", "restoring" } },
        { EVENT_POST_RESTORE, { "unknown", NO, NO, NO, NO, "restored", "restored" } },
        { EVENT_VERIFY, { "unknown", "open", NO, NO, "complete", NO, NO } },
};

static const char *outcome(SlotState state, WriterEvent event, bool succeeded) {
        SessionSlots slots;
        vss_result result;

        reach(&slots, state);
        result = session_slots_enter(&slots, A, event);
        if (result == VSS_E_WRITERERROR_TIMEOUT)
                return LATE;
        if (result < 0)
                return session_slots_state(&slots, A) == state ? NO : "refused, but changed";
        session_slots_leave(&slots, A, event, succeeded);
        return state_names[session_slots_state(&slots, A)];
}

static void test_table(void) {
        char label[128];

        for (SlotState state = 0; state < SLOT_STATES; state++) {
                SessionSlots slots;

                reach(&slots, state);
                expect_str("a state is reached", state_names[session_slots_state(&slots, A)],
                           state_names[state]);
                FOREACH_ELEMENT (row, table) {
                        (void)snprintf(label, sizeof(label), "%s in a session that is %s",
                                       writer_event_names[row->event], state_names[state]);
                        expect_str(label, outcome(state, row->event, true), row->want[state]);
                }
        }
        expect_int("every event but Identify is there", ELEMENTS(table), WRITER_EVENTS - 1);
        expect_str("a freeze that fails may hold something", outcome(SLOT_OPEN, EVENT_FREEZE, false),
                   "frozen");
        expect_str("a thaw that fails does", outcome(SLOT_FROZEN, EVENT_THAW, false), "frozen");
        expect_str("a backup whose end fails is complete all the same",
                   outcome(SLOT_OPEN, EVENT_BACKUP_COMPLETE, false), "complete");
}

static const char *id_of(unsigned n) {
        static char id[VSS_ID_SIZE];

        (void)snprintf(id, sizeof(id), "aaaaaaaa-0000-4000-8000-%012u", n);
        return id;
}

static void test_room(void) {
        SessionSlots slots = { 0 };

        for (unsigned i = 0; i < VSS_WRITER_SESSIONS_MAX; i++)
                expect_int("there is room",
                           session_slots_enter(&slots, id_of(i),
                                               i % 2 ? EVENT_PREPARE_BACKUP : EVENT_PRE_RESTORE),
                           VSS_S_OK);
        expect_int("for 16", session_slots_count(&slots), 16);
        expect_int("a 17th has none", session_slots_enter(&slots, id_of(16), EVENT_PREPARE_BACKUP),
                   VSS_E_WRITER_STATUS_NOT_AVAILABLE);
        expect_int("not even for a freeze", session_slots_enter(&slots, id_of(16), EVENT_FREEZE),
                   VSS_E_WRITER_STATUS_NOT_AVAILABLE);
        expect_int("those inside go on", session_slots_enter(&slots, id_of(1), EVENT_FREEZE), VSS_S_OK);
        expect_int("what wants no room may come", session_slots_enter(&slots, id_of(16), EVENT_ABORT),
                   VSS_S_OK);

        session_slots_leave(&slots, id_of(5), EVENT_BACKUP_COMPLETE, true);
        session_slots_leave(&slots, id_of(2), EVENT_POST_RESTORE, true);
        session_slots_leave(&slots, id_of(3), EVENT_BACKUP_COMPLETE, true);
        expect_int("one that is done with keeps its slot", session_slots_count(&slots), 16);
        expect_int("until a 17th comes", session_slots_enter(&slots, id_of(16), EVENT_PREPARE_BACKUP),
                   VSS_S_OK);
        expect_int("the first that was done with goes", session_slots_state(&slots, id_of(5)), SLOT_NONE);
        expect_int("then the second", session_slots_enter(&slots, id_of(17), EVENT_PRE_RESTORE), VSS_S_OK);
        expect_int("which was a restore", session_slots_state(&slots, id_of(2)), SLOT_NONE);
        session_slots_leave(&slots, id_of(7), EVENT_BACKUP_SHUTDOWN, true);
        expect_int("a free one is taken before a third",
                   session_slots_enter(&slots, id_of(18), EVENT_FREEZE), VSS_S_OK);
        expect_int("which stays", session_slots_state(&slots, id_of(3)), SLOT_COMPLETE);
        expect_int("its end may come late", session_slots_enter(&slots, id_of(5), EVENT_BACKUP_SHUTDOWN),
                   VSS_S_OK);
}

/* What became of one session says nothing about the next. */
static void test_status(void) {
        SessionSlots slots;

        reach(&slots, SLOT_LET_GO);
        expect_str("why it was let go", session_slots_reason(&slots, A), "the time was over");
        expect_str("is said of this session only", session_slots_reason(&slots, id_of(1)), "");
        expect_int("another one's thaw is another matter", session_slots_enter(&slots, id_of(1), EVENT_THAW),
                   VSS_E_BAD_STATE);
        expect_int("another freeze", session_slots_enter(&slots, id_of(1), EVENT_FREEZE), VSS_S_OK);
        expect_int("does not hide it", session_slots_enter(&slots, A, EVENT_THAW),
                   VSS_E_WRITERERROR_TIMEOUT);
        (void)session_slots_enter(&slots, A, EVENT_PREPARE_SNAPSHOT);
        expect_str("a new try forgets it", session_slots_reason(&slots, A), "");
        expect_int("and its thaw without a freeze is just wrong", session_slots_enter(&slots, A, EVENT_THAW),
                   VSS_E_BAD_STATE);
}

int main(void) {
        test_table();
        test_room();
        test_status();
        return test_end();
}
