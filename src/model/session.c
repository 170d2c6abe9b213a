/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The session state machine: one row per call
 *
 * A row says which facts a call needs, which are in its way and which it makes true. Every fact is made true
 * by one call, so the reason of a refusal follows from the fact that is missing or in the way.
 */

#include <linuxvss/types.h>
#include "model/session.h"
#include "util/macro.h"

typedef struct Row {
        const char *name;
        const char *missing;    /* the reason when what this call makes true is missing */
        const char *already;    /* when it is in the way */
        const char *under_way;  /* when this call's job is */
        const char *no_writers; /* when the context has no writers; NULL if it needs none */
        uint32_t need;
        uint32_t need_writers; /* also needed if the context has writers */
        uint32_t need_volumes; /* also needed if it has, and a volume was added */
        uint32_t refuse;
        uint32_t set;
        bool always;  /* in every state, also while a job is under way */
        bool aborted; /* in aborted sessions, too */
} Row;

#define CALL(text)                                                                                        \
        .name = text, .missing = text " has not been called", .already = text " has been called already", \
        .under_way = text " is still under way"
#define WITH_WRITERS(text) .no_writers = "contexts without writers have no " text

#define INITIALIZED SESSION_INITIALIZED
/* From PrepareForBackup on, or without writers from DoSnapshotSet on, it is settled what takes part. */
#define SETTLED (SESSION_PREPARED | SESSION_SNAPSHOT_DONE)

static const Row rows[_SESSION_CALL_N] = {
        [SESSION_CALL_INITIALIZE_FOR_BACKUP] = { CALL("InitializeForBackup"), .refuse = INITIALIZED,
                                                 .set = INITIALIZED },
        [SESSION_CALL_SET_CONTEXT] = { CALL("SetContext"), .need = INITIALIZED,
                                       .refuse = SESSION_CONTEXT_SET | SESSION_SET_STARTED,
                                       .set = SESSION_CONTEXT_SET },
        [SESSION_CALL_SET_BACKUP_STATE] = { CALL("SetBackupState"), .need = INITIALIZED, .refuse = SETTLED,
                                            .set = SESSION_STATE_SET },
        [SESSION_CALL_ENABLE_WRITER_CLASSES] = { CALL("EnableWriterClasses"), .need = INITIALIZED },
        [SESSION_CALL_DISABLE_WRITER_CLASSES] = { CALL("DisableWriterClasses"), .need = INITIALIZED },
        [SESSION_CALL_GATHER_WRITER_METADATA] = { CALL("GatherWriterMetadata"), .need = INITIALIZED,
                                                  .refuse = SESSION_GATHERED | SETTLED,
                                                  .set = SESSION_GATHERED },
        [SESSION_CALL_GET_WRITER_METADATA] = { CALL("GetWriterMetadata"),
                                               .need = INITIALIZED | SESSION_GATHERED, .aborted = true },
        [SESSION_CALL_ADD_COMPONENT] = { CALL("AddComponent"), WITH_WRITERS("AddComponent"),
                                         .need = INITIALIZED | SESSION_GATHERED, .refuse = SETTLED },
        [SESSION_CALL_START_SNAPSHOT_SET] = { CALL("StartSnapshotSet"), .need = INITIALIZED,
                                              .refuse = SESSION_SET_STARTED, .set = SESSION_SET_STARTED },
        [SESSION_CALL_ADD_TO_SNAPSHOT_SET] = { CALL("AddToSnapshotSet"),
                                               .need = INITIALIZED | SESSION_SET_STARTED, .refuse = SETTLED,
                                               .set = SESSION_VOLUME_ADDED },
        [SESSION_CALL_HOLD_CONTROL_GROUP] = { CALL("HoldControlGroup"),
                                              .need = INITIALIZED | SESSION_SET_STARTED,
                                              .refuse = SESSION_SNAPSHOT_DONE },
        /* The gather cannot be made up for later, so it is asked for here already. */
        [SESSION_CALL_PREPARE_FOR_BACKUP] = { CALL("PrepareForBackup"), WITH_WRITERS("PrepareForBackup"),
                                              .need = INITIALIZED | SESSION_GATHERED | SESSION_SET_STARTED,
                                              .refuse = SETTLED, .set = SESSION_PREPARED },
        [SESSION_CALL_DO_SNAPSHOT_SET] = { CALL("DoSnapshotSet"), .need = INITIALIZED | SESSION_SET_STARTED,
                                           .need_writers = SESSION_GATHERED,
                                           .need_volumes = SESSION_PREPARED, .refuse = SESSION_SNAPSHOT_DONE,
                                           .set = SESSION_SNAPSHOT_DONE },
        [SESSION_CALL_GATHER_WRITER_STATUS] = { CALL("GatherWriterStatus"),
                                                .need = INITIALIZED | SESSION_GATHERED,
                                                .set = SESSION_STATUS_GATHERED },
        [SESSION_CALL_GET_WRITER_STATUS] = { CALL("GetWriterStatus"),
                                             .need = INITIALIZED | SESSION_STATUS_GATHERED,
                                             .aborted = true },
        [SESSION_CALL_GET_SNAPSHOT_PROPERTIES] = { CALL("GetSnapshotProperties"),
                                                   .need = INITIALIZED | SESSION_SNAPSHOT_DONE,
                                                   .aborted = true },
        [SESSION_CALL_OPEN_SNAPSHOT] = { CALL("OpenSnapshot"), .need = INITIALIZED | SESSION_SNAPSHOT_DONE },
        [SESSION_CALL_SET_BACKUP_SUCCEEDED] = { CALL("SetBackupSucceeded"),
                                                WITH_WRITERS("SetBackupSucceeded"),
                                                .need = INITIALIZED | SESSION_SNAPSHOT_DONE,
                                                .refuse = SESSION_COMPLETE },
        [SESSION_CALL_BACKUP_COMPLETE] = { CALL("BackupComplete"), WITH_WRITERS("BackupComplete"),
                                           .need = INITIALIZED | SESSION_SNAPSHOT_DONE,
                                           .refuse = SESSION_COMPLETE, .set = SESSION_COMPLETE },
        [SESSION_CALL_ABORT_BACKUP] = { CALL("AbortBackup"), .set = SESSION_ABORTED, .always = true },
        [SESSION_CALL_RELEASE] = { CALL("Release"), .always = true },
};

const char *session_call_name(SessionCall call) {
        return (size_t)call < ELEMENTS(rows) ? rows[call].name : "unknown call";
}

const char *session_state_name(uint32_t facts) {
        static const struct {
                uint32_t fact;
                const char *name;
        } states[] = {
                { SESSION_ABORTED, "aborted" },
                { SESSION_COMPLETE, "complete" },
                { SESSION_SNAPSHOT_DONE, "snapshot done" },
                { SESSION_PREPARED, "prepared" },
                { SESSION_SET_STARTED, "set started" },
                { SESSION_GATHERED, "gathered" },
                { SESSION_INITIALIZED, "initialized" },
        };

        FOREACH_ELEMENT (s, states)
                if (facts & s->fact)
                        return s->name;
        return "new";
}

/* The call that makes the first fact of @facts true, in the order of the contract. */
static const Row *row_of(uint32_t facts) {
        uint32_t first = facts & -facts;

        FOREACH_ELEMENT (row, rows)
                if (row->set == first)
                        return row;
        return NULL;
}

static const char *busy_reason(uint32_t facts) {
        uint32_t call = facts >> 24;

        return call > 0 && call <= ELEMENTS(rows) ? rows[call - 1].under_way
                                                  : "another call of this session is still under way";
}

/* Why @row is not legal, or NULL. */
static const char *refusal(const Row *row, uint32_t facts, uint32_t context) {
        bool writers = !(context & VSS_VOLSNAP_ATTR_NO_WRITERS);
        uint32_t need = row->need | (writers ? row->need_writers : 0);

        if (writers && (facts & SESSION_VOLUME_ADDED))
                need |= row->need_volumes;

        if (row->always)
                return NULL;
        if (facts & SESSION_BUSY)
                return busy_reason(facts);
        if (need & ~facts & SESSION_INITIALIZED)
                return rows[SESSION_CALL_INITIALIZE_FOR_BACKUP].missing;
        if ((facts & SESSION_ABORTED) && !row->aborted)
                return "the session has been aborted; only AbortBackup, Release and looking at it are left";
        if (!writers && row->no_writers)
                return row->no_writers;
        if (row->refuse & facts)
                return row_of(row->refuse & facts)->already;
        if (need & ~facts)
                return row_of(need & ~facts)->missing;
        if (context == VSS_CTX_ALL && row == &rows[SESSION_CALL_START_SNAPSHOT_SET])
                return "SetContext has chosen the context of all shadow copies, which is for queries only";
        return NULL;
}

bool session_may(SessionCall call, uint32_t facts, uint32_t context, const char **ret_why) {
        const char *why = (size_t)call < ELEMENTS(rows) ? refusal(&rows[call], facts, context)
                                                        : "there is no such call";

        if (!why)
                return true;
        *ret_why = why;
        return false;
}

uint32_t session_after(SessionCall call, uint32_t facts) {
        if ((size_t)call >= ELEMENTS(rows))
                return facts;
        /* There is nothing to abort before a set is started, nor when the backup is complete. */
        if (call == SESSION_CALL_ABORT_BACKUP &&
            (!(facts & SESSION_SET_STARTED) || (facts & SESSION_COMPLETE)))
                return facts;
        return facts | rows[call].set;
}
