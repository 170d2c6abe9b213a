/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sessions that a writer takes part in; see session-slots.h
 */

#include <string.h>
#include "lib/session-slots.h"
#include "util/macro.h"

#define BIT(event) (1u << (event))
#define ENDS (BIT(EVENT_ABORT) | BIT(EVENT_BACKUP_SHUTDOWN))
#define BEGINS (BIT(EVENT_PREPARE_BACKUP) | BIT(EVENT_PREPARE_SNAPSHOT) | BIT(EVENT_FREEZE))
#define AFTERWARDS (BIT(EVENT_POST_SNAPSHOT) | BIT(EVENT_VERIFY) | BIT(EVENT_BACKUP_COMPLETE))
#define RESTORES (BIT(EVENT_PRE_RESTORE) | BIT(EVENT_POST_RESTORE))

const char *const writer_event_names[WRITER_EVENTS] = {
        [EVENT_IDENTIFY] = "Identify",
        [EVENT_PREPARE_BACKUP] = "PrepareForBackup",
        [EVENT_PREPARE_SNAPSHOT] = "PrepareForSnapshot",
        [EVENT_FREEZE] = "Freeze",
        [EVENT_THAW] = "Thaw",
        [EVENT_ABORT] = "Abort",
        [EVENT_POST_SNAPSHOT] = "PostSnapshot",
        [EVENT_BACKUP_COMPLETE] = "BackupComplete",
        [EVENT_BACKUP_SHUTDOWN] = "BackupShutdown",
        [EVENT_PRE_RESTORE] = "PreRestore",
        [EVENT_POST_RESTORE] = "PostRestore",
        [EVENT_VERIFY] = "Verify",
};

/* What may come in which state. Identify concerns no session. What comes long after Thaw may find a program
 * that was started anew and has not heard of its session. */
static const unsigned legal[SLOT_STATES] = {
        [SLOT_NONE] = BEGINS | AFTERWARDS | RESTORES | ENDS,
        [SLOT_OPEN] = BEGINS | AFTERWARDS | ENDS,
        [SLOT_FROZEN] = BIT(EVENT_THAW) | ENDS,
        [SLOT_LET_GO] = BEGINS | ENDS,
        [SLOT_COMPLETE] = BIT(EVENT_BACKUP_COMPLETE) | BIT(EVENT_VERIFY) | ENDS,
        [SLOT_RESTORING] = RESTORES | ENDS,
        [SLOT_RESTORED] = RESTORES | ENDS,
};

static SessionSlot *find(const SessionSlots *slots, const char *id) {
        FOREACH_ELEMENT (slot, slots->slots)
                if (slot->state != SLOT_NONE && strcmp(slot->id, id) == 0)
                        return (SessionSlot *)slot;
        return NULL;
}

SlotState session_slots_state(const SessionSlots *slots, const char *id) {
        const SessionSlot *slot = find(slots, id);

        return slot ? slot->state : SLOT_NONE;
}

const char *session_slots_reason(const SessionSlots *slots, const char *id) {
        const SessionSlot *slot = find(slots, id);

        return slot && slot->reason ? slot->reason : "";
}

static bool is_done(const SessionSlot *slot) {
        return slot->state == SLOT_COMPLETE || slot->state == SLOT_RESTORED;
}

/* A free slot, or that of the session that was done with first. */
static SessionSlot *take(SessionSlots *slots, const char *id) {
        SessionSlot *best = NULL;

        FOREACH_ELEMENT (slot, slots->slots) {
                if (slot->state == SLOT_NONE) {
                        best = slot;
                        break;
                }
                if (is_done(slot) && (!best || slot->changed < best->changed))
                        best = slot;
        }
        if (best) {
                *best = (SessionSlot){ 0 };
                (void)snprintf(best->id, sizeof(best->id), "%s", id);
        }
        return best;
}

static void change(SessionSlots *slots, SessionSlot *slot, SlotState state) {
        slot->state = state;
        slot->reason = NULL;
        slot->changed = ++slots->clock;
}

vss_result session_slots_enter(SessionSlots *slots, const char *id, WriterEvent event) {
        SessionSlot *slot = find(slots, id);
        SlotState state = slot ? slot->state : SLOT_NONE;

        if (event == EVENT_THAW && state == SLOT_LET_GO)
                return VSS_E_WRITERERROR_TIMEOUT;
        if (!(legal[state] & BIT(event)))
                return VSS_E_BAD_STATE;
        if (!(BIT(event) & (BEGINS | BIT(EVENT_PRE_RESTORE))))
                return VSS_S_OK;
        slot = slot ?: take(slots, id);
        if (!slot)
                return VSS_E_WRITER_STATUS_NOT_AVAILABLE;
        change(slots, slot,
               event == EVENT_FREEZE        ? SLOT_FROZEN
               : event == EVENT_PRE_RESTORE ? SLOT_RESTORING
                                            : SLOT_OPEN);
        return VSS_S_OK;
}

void session_slots_leave(SessionSlots *slots, const char *id, WriterEvent event, bool succeeded) {
        SessionSlot *slot = find(slots, id);

        if (!slot)
                return;
        /* A thaw that failed leaves the freeze, which then ends otherwise. */
        if (event == EVENT_THAW && succeeded)
                change(slots, slot, SLOT_OPEN);
        else if (event == EVENT_BACKUP_COMPLETE)
                change(slots, slot, SLOT_COMPLETE);
        else if (event == EVENT_POST_RESTORE)
                change(slots, slot, SLOT_RESTORED);
        else if (BIT(event) & ENDS)
                *slot = (SessionSlot){ 0 };
}

void session_slots_let_go(SessionSlots *slots, const char *id, const char *reason) {
        SessionSlot *slot = find(slots, id);

        if (!slot)
                return;
        change(slots, slot, SLOT_LET_GO);
        slot->reason = reason;
}

size_t session_slots_count(const SessionSlots *slots) {
        size_t n = 0;

        FOREACH_ELEMENT (slot, slots->slots)
                n += slot->state != SLOT_NONE;
        return n;
}
