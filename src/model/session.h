/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The session state machine: which call of the contract is legal when
 *
 * Pure: a set of facts about the session, and a table that says for each call which facts it needs, which it
 * excludes, and which it makes true. So the tolerances of the contract (SetContext up to StartSnapshotSet,
 * components and volumes in either order) need no states of their own.
 *
 * A session is of one kind, which is settled by the call that begins it: a backup, a restore, or an earlier
 * backup whose document it was given, to import its shadow copies or to say that it is complete.
 */

#include <stdbool.h>
#include <stdint.h>

typedef enum SessionFact {
        SESSION_INITIALIZED = 1 << 0,
        SESSION_RESTORE = 1 << 1,  /* by InitializeForRestore */
        SESSION_DOCUMENT = 1 << 2, /* by InitializeForBackupWithDocument */
        SESSION_CONTEXT_SET = 1 << 3,
        SESSION_QUERIED = 1 << 4,
        SESSION_GATHERED = 1 << 5,
        SESSION_METADATA_FREED = 1 << 6,
        SESSION_SET_STARTED = 1 << 7,
        SESSION_VOLUME_ADDED = 1 << 8,
        SESSION_PREPARED = 1 << 9, /* PrepareForBackup */
        SESSION_SNAPSHOT_DONE = 1 << 10,
        SESSION_STATUS_GATHERED = 1 << 11,
        SESSION_COMPLETE = 1 << 12, /* BackupComplete */
        SESSION_IMPORTED = 1 << 13,
        SESSION_RECOVERY_ADDED = 1 << 14, /* AddSnapshotToRecoverySet */
        SESSION_PRE_RESTORED = 1 << 15,
        SESSION_POST_RESTORED = 1 << 16,
        SESSION_ABORTED = 1 << 17,
        SESSION_BUSY = 1 << 23, /* a job is under way; see session_busy(). All above it is its call. */
} SessionFact;

typedef enum SessionCall {
        SESSION_CALL_INITIALIZE_FOR_BACKUP,
        SESSION_CALL_INITIALIZE_FOR_BACKUP_WITH_DOCUMENT,
        SESSION_CALL_INITIALIZE_FOR_RESTORE,
        SESSION_CALL_SET_CONTEXT,
        SESSION_CALL_SET_BACKUP_STATE,
        SESSION_CALL_SET_RESTORE_STATE,
        SESSION_CALL_ENABLE_WRITER_CLASSES,
        SESSION_CALL_DISABLE_WRITER_CLASSES,
        SESSION_CALL_DISABLE_WRITER_INSTANCES,
        SESSION_CALL_GATHER_WRITER_METADATA,
        SESSION_CALL_GET_WRITER_METADATA,
        SESSION_CALL_FREE_WRITER_METADATA,
        SESSION_CALL_ADD_COMPONENT,
        SESSION_CALL_SET_BACKUP_OPTIONS,
        SESSION_CALL_SET_PREVIOUS_BACKUP_STAMP,
        SESSION_CALL_GET_WRITER_COMPONENTS,
        SESSION_CALL_START_SNAPSHOT_SET,
        SESSION_CALL_IS_VOLUME_SUPPORTED,
        SESSION_CALL_ADD_TO_SNAPSHOT_SET,
        SESSION_CALL_SET_WANTED_PATHS,
        SESSION_CALL_HOLD_CONTROL_GROUP,
        SESSION_CALL_PREPARE_FOR_BACKUP,
        SESSION_CALL_DO_SNAPSHOT_SET,
        SESSION_CALL_GATHER_WRITER_STATUS,
        SESSION_CALL_GET_WRITER_STATUS,
        SESSION_CALL_FREE_WRITER_STATUS,
        SESSION_CALL_QUERY,
        SESSION_CALL_GET_SNAPSHOT_PROPERTIES,
        SESSION_CALL_OPEN_SNAPSHOT,
        SESSION_CALL_SET_BACKUP_SUCCEEDED,
        SESSION_CALL_BACKUP_COMPLETE,
        SESSION_CALL_SAVE_AS_XML,
        SESSION_CALL_SAVE_WRITER_METADATA,
        SESSION_CALL_VERIFY_WRITERS,
        SESSION_CALL_SET_DRY_RUN,
        SESSION_CALL_SET_SELECTED_FOR_RESTORE,
        SESSION_CALL_SET_RESTORE_OPTIONS,
        SESSION_CALL_SET_ADDITIONAL_RESTORES,
        SESSION_CALL_ADD_RESTORE_SUBCOMPONENT,
        SESSION_CALL_ADD_NEW_TARGET,
        SESSION_CALL_SET_AUTHORITATIVE_RESTORE,
        SESSION_CALL_SET_ROLL_FORWARD,
        SESSION_CALL_SET_RESTORE_NAME,
        SESSION_CALL_PRE_RESTORE,
        SESSION_CALL_ADD_ALTERNATIVE_LOCATION_MAPPING,
        SESSION_CALL_SET_RANGES_FILE_PATH,
        SESSION_CALL_SET_FILE_RESTORE_STATUS,
        SESSION_CALL_POST_RESTORE,
        SESSION_CALL_IMPORT_SNAPSHOTS,
        SESSION_CALL_ADD_SNAPSHOT_TO_RECOVERY_SET,
        SESSION_CALL_RECOVER_SET,
        SESSION_CALL_ABORT_BACKUP,
        SESSION_CALL_RELEASE,
        _SESSION_CALL_N,
} SessionCall;

/* The facts while the job of @call is under way: BUSY, and for the reason of a refusal, with what. */
static inline uint32_t session_busy(uint32_t facts, SessionCall call) {
        return (facts & (SESSION_BUSY - 1u)) | SESSION_BUSY | ((uint32_t)call + 1u) << 24;
}

/* The facts when it has ended. */
static inline uint32_t session_idle(uint32_t facts) {
        return facts & (SESSION_BUSY - 1u);
}

/* "DoSnapshotSet" etc., as on the bus. */
const char *session_call_name(SessionCall call);
/* For lists: "new", "initialized", "gathered", "set started", "prepared", "snapshot done", "complete",
 * "imported", "pre-restored", "post-restored", "aborted". */
const char *session_state_name(uint32_t facts);

/**
 * session_may() - is @call legal now?
 * @facts:       what is true of the session
 * @context:     its context (contexts without writers neither gather nor prepare)
 * @ret_why:     the reason, when it is not: names the call that is missing or in the way. Static.
 *
 * Return: true if legal.
 */
bool session_may(SessionCall call, uint32_t facts, uint32_t context, const char **ret_why);

/* The facts after @call has succeeded (for a job: when it has finished). AbortBackup aborts a session whose
 * set was started and which is not complete; else it changes nothing. BUSY stays as it is. */
uint32_t session_after(SessionCall call, uint32_t facts);
