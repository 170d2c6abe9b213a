/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The sessions that a writer takes part in
 *
 * Pure: which event may come when, and what it makes of its session. What became of one session says nothing
 * about the next one. There is room for VSS_WRITER_SESSIONS_MAX; a session whose last event has been
 * answered keeps its slot until it ends or somebody else needs it.
 */

#include <linuxvss/writer.h>

typedef enum WriterEvent {
        EVENT_IDENTIFY,
        EVENT_PREPARE_BACKUP,
        EVENT_PREPARE_SNAPSHOT,
        EVENT_FREEZE,
        EVENT_THAW,
        EVENT_ABORT,
        EVENT_POST_SNAPSHOT,
        EVENT_BACKUP_COMPLETE,
        EVENT_BACKUP_SHUTDOWN,
        EVENT_PRE_RESTORE,
        EVENT_POST_RESTORE,
        EVENT_VERIFY,
        WRITER_EVENTS,
} WriterEvent;

/* As on the bus. */
extern const char *const writer_event_names[WRITER_EVENTS];

typedef enum SlotState {
        SLOT_NONE,      /* has no slot: never heard of, ended, or of an earlier run of the program */
        SLOT_OPEN,      /* a backup is under way */
        SLOT_FROZEN,    /* Freeze came */
        SLOT_LET_GO,    /* its freeze ended without Thaw or Abort */
        SLOT_COMPLETE,  /* BackupComplete has been answered */
        SLOT_RESTORING, /* PreRestore came */
        SLOT_RESTORED,  /* PostRestore has been answered */
        SLOT_STATES,
} SlotState;

typedef struct SessionSlot {
        char id[VSS_ID_SIZE];
        SlotState state;
        uint64_t changed;   /* greater is later */
        const char *reason; /* LET_GO: why */
} SessionSlot;

typedef struct SessionSlots {
        SessionSlot slots[VSS_WRITER_SESSIONS_MAX];
        uint64_t clock;
} SessionSlots;

SlotState session_slots_state(const SessionSlots *slots, const char *id);
/* Why the freeze of a session in SLOT_LET_GO ended. */
const char *session_slots_reason(const SessionSlots *slots, const char *id);
/*
 * session_slots_enter() - an event comes, and its handler will run
 * Return: VSS_S_OK; VSS_E_BAD_STATE when it is not its turn; VSS_E_WRITERERROR_TIMEOUT for a Thaw after the
 * session was let go; VSS_E_WRITER_STATUS_NOT_AVAILABLE when there is no slot left.
 */
vss_result session_slots_enter(SessionSlots *slots, const char *id, WriterEvent event);
/* Its handler has run. */
void session_slots_leave(SessionSlots *slots, const char *id, WriterEvent event, bool succeeded);
/* The freeze of a session ended without its doing; @reason is static. */
void session_slots_let_go(SessionSlots *slots, const char *id, const char *reason);
/* How many slots are taken. */
size_t session_slots_count(const SessionSlots *slots);
