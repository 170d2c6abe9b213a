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

/* Kinds of sessions. */
enum { BACKUP = 1 << 0, RESTORE = 1 << 1, DOCUMENT = 1 << 2, ANY = BACKUP | RESTORE | DOCUMENT };

typedef struct Row {
        const char *name;
        const char *missing;    /* the reason when what this call makes true is missing */
        const char *already;    /* when it is in the way */
        const char *under_way;  /* when this call's job is */
        const char *no_writers; /* when the context has no writers; NULL if it needs none */
        unsigned kinds;         /* of the sessions that have it; 0 for any, and before they are of a kind */
        uint32_t need;
        uint32_t need_backup; /* also needed in sessions of that kind */
        uint32_t need_restore;
        uint32_t need_document;
        uint32_t need_writers; /* also needed if the context has writers */
        uint32_t need_volumes; /* also needed if it has, and a volume was added */
        uint32_t need_one;     /* of these one at least, in a backup */
        uint32_t refuse;
        uint32_t set;
        uint32_t clear;
        bool always;  /* in every state, also while a job is under way */
        bool aborted; /* in aborted sessions, too */
} Row;

#define CALL(text)                                                                                        \
        .name = text, .missing = text " has not been called", .already = text " has been called already", \
        .under_way = text " is still under way"
#define WITH_WRITERS(text) .no_writers = "contexts without writers have no " text

/* From PrepareForBackup on, or without writers from DoSnapshotSet on, it is settled what takes part. */
#define SETTLED (SESSION_PREPARED | SESSION_SNAPSHOT_DONE)
/* What a restore is told of its components before the writers are. */
#define RESTORE_SETTER .kinds = RESTORE, .need = SESSION_GATHERED, .refuse = SESSION_PRE_RESTORED
/* And what it tells of how it went. */
#define RESTORE_REPORT .kinds = RESTORE, .need = SESSION_PRE_RESTORED, .refuse = SESSION_POST_RESTORED

static const Row rows[_SESSION_CALL_N] = {
        [SESSION_CALL_INITIALIZE_FOR_BACKUP] = { CALL("InitializeForBackup"), .refuse = SESSION_INITIALIZED,
                                                 .set = SESSION_INITIALIZED },
        [SESSION_CALL_INITIALIZE_FOR_BACKUP_WITH_DOCUMENT] = { CALL("InitializeForBackupWithDocument"),
                                                               .refuse = SESSION_INITIALIZED,
                                                               .set = SESSION_INITIALIZED |
                                                                      SESSION_DOCUMENT },
        [SESSION_CALL_INITIALIZE_FOR_RESTORE] = { CALL("InitializeForRestore"),
                                                  .refuse = SESSION_INITIALIZED,
                                                  .set = SESSION_INITIALIZED | SESSION_RESTORE },
        [SESSION_CALL_SET_CONTEXT] = { CALL("SetContext"), .kinds = BACKUP | DOCUMENT,
                                       .refuse = SESSION_CONTEXT_SET | SESSION_QUERIED |
                                                 SESSION_SET_STARTED | SESSION_IMPORTED | SESSION_COMPLETE,
                                       .set = SESSION_CONTEXT_SET },
        [SESSION_CALL_SET_BACKUP_STATE] = { CALL("SetBackupState"), .kinds = BACKUP, .refuse = SETTLED },
        [SESSION_CALL_SET_RESTORE_STATE] = { CALL("SetRestoreState"), .kinds = RESTORE,
                                             .refuse = SESSION_PRE_RESTORED },
        [SESSION_CALL_ENABLE_WRITER_CLASSES] = { CALL("EnableWriterClasses"), .kinds = ANY },
        [SESSION_CALL_DISABLE_WRITER_CLASSES] = { CALL("DisableWriterClasses"), .kinds = ANY },
        [SESSION_CALL_DISABLE_WRITER_INSTANCES] = { CALL("DisableWriterInstances"), .kinds = ANY },
        [SESSION_CALL_GATHER_WRITER_METADATA] = { CALL("GatherWriterMetadata"), .kinds = ANY,
                                                  .refuse = SESSION_GATHERED | SETTLED,
                                                  .set = SESSION_GATHERED },
        [SESSION_CALL_GET_WRITER_METADATA] = { CALL("GetWriterMetadata"), .kinds = ANY,
                                               .need = SESSION_GATHERED, .refuse = SESSION_METADATA_FREED,
                                               .aborted = true },
        [SESSION_CALL_FREE_WRITER_METADATA] = { CALL("FreeWriterMetadata"), .set = SESSION_METADATA_FREED,
                                                .aborted = true },
        [SESSION_CALL_ADD_COMPONENT] = { CALL("AddComponent"), WITH_WRITERS("AddComponent"), .kinds = BACKUP,
                                         .need = SESSION_GATHERED, .refuse = SETTLED },
        [SESSION_CALL_SET_BACKUP_OPTIONS] = { CALL("SetBackupOptions"), WITH_WRITERS("SetBackupOptions"),
                                              .kinds = BACKUP, .need = SESSION_GATHERED, .refuse = SETTLED },
        [SESSION_CALL_SET_PREVIOUS_BACKUP_STAMP] = { CALL("SetPreviousBackupStamp"),
                                                     WITH_WRITERS("SetPreviousBackupStamp"), .kinds = BACKUP,
                                                     .need = SESSION_GATHERED, .refuse = SETTLED },
        [SESSION_CALL_GET_WRITER_COMPONENTS] = { CALL("GetWriterComponents"), .kinds = ANY,
                                                 .need_backup = SESSION_GATHERED,
                                                 .need_restore = SESSION_PRE_RESTORED, .aborted = true },
        [SESSION_CALL_START_SNAPSHOT_SET] = { CALL("StartSnapshotSet"), .kinds = BACKUP,
                                              .refuse = SESSION_SET_STARTED, .set = SESSION_SET_STARTED },
        [SESSION_CALL_IS_VOLUME_SUPPORTED] = { CALL("IsVolumeSupported"), .kinds = ANY },
        [SESSION_CALL_ADD_TO_SNAPSHOT_SET] = { CALL("AddToSnapshotSet"), .kinds = BACKUP,
                                               .need = SESSION_SET_STARTED, .refuse = SETTLED,
                                               .set = SESSION_VOLUME_ADDED },
        [SESSION_CALL_SET_WANTED_PATHS] = { CALL("SetWantedPaths"), .kinds = BACKUP,
                                            .need = SESSION_SET_STARTED, .refuse = SETTLED },
        [SESSION_CALL_HOLD_CONTROL_GROUP] = { CALL("HoldControlGroup"), .kinds = BACKUP,
                                              .need = SESSION_SET_STARTED, .refuse = SESSION_SNAPSHOT_DONE },
        /* The gather cannot be made up for later, so it is asked for here already. */
        [SESSION_CALL_PREPARE_FOR_BACKUP] = { CALL("PrepareForBackup"), WITH_WRITERS("PrepareForBackup"),
                                              .kinds = BACKUP,
                                              .need = SESSION_GATHERED | SESSION_SET_STARTED,
                                              .refuse = SETTLED, .set = SESSION_PREPARED },
        [SESSION_CALL_DO_SNAPSHOT_SET] = { CALL("DoSnapshotSet"), .kinds = BACKUP,
                                           .need = SESSION_SET_STARTED, .need_writers = SESSION_GATHERED,
                                           .need_volumes = SESSION_PREPARED, .refuse = SESSION_SNAPSHOT_DONE,
                                           .set = SESSION_SNAPSHOT_DONE },
        [SESSION_CALL_GATHER_WRITER_STATUS] = { CALL("GatherWriterStatus"), .kinds = ANY,
                                                .need = SESSION_GATHERED, .set = SESSION_STATUS_GATHERED },
        [SESSION_CALL_GET_WRITER_STATUS] = { CALL("GetWriterStatus"), .kinds = ANY,
                                             .need = SESSION_STATUS_GATHERED, .aborted = true },
        [SESSION_CALL_FREE_WRITER_STATUS] = { CALL("FreeWriterStatus"), .clear = SESSION_STATUS_GATHERED,
                                              .aborted = true },
        [SESSION_CALL_QUERY] = { CALL("Query"), .kinds = ANY, .set = SESSION_QUERIED, .aborted = true },
        [SESSION_CALL_GET_SNAPSHOT_PROPERTIES] = { CALL("GetSnapshotProperties"), .kinds = ANY,
                                                   .aborted = true },
        [SESSION_CALL_OPEN_SNAPSHOT] = { CALL("OpenSnapshot"), .kinds = ANY },
        [SESSION_CALL_SET_BACKUP_SUCCEEDED] = { CALL("SetBackupSucceeded"),
                                                WITH_WRITERS("SetBackupSucceeded"),
                                                .kinds = BACKUP | DOCUMENT,
                                                .need_backup = SESSION_SNAPSHOT_DONE,
                                                .refuse = SESSION_COMPLETE },
        [SESSION_CALL_BACKUP_COMPLETE] = { CALL("BackupComplete"), WITH_WRITERS("BackupComplete"),
                                           .kinds = BACKUP | DOCUMENT, .need_backup = SESSION_SNAPSHOT_DONE,
                                           .need_document = SESSION_GATHERED, .refuse = SESSION_COMPLETE,
                                           .set = SESSION_COMPLETE },
        [SESSION_CALL_SAVE_AS_XML] = { CALL("SaveAsXML"), .kinds = ANY, .need_one = SETTLED,
                                       .aborted = true },
        [SESSION_CALL_SAVE_WRITER_METADATA] = { CALL("SaveWriterMetadata"), .kinds = ANY,
                                                .need = SESSION_GATHERED, .refuse = SESSION_METADATA_FREED,
                                                .aborted = true },
        [SESSION_CALL_VERIFY_WRITERS] = { CALL("VerifyWriters"), WITH_WRITERS("VerifyWriters"),
                                          .kinds = BACKUP, .need = SESSION_SNAPSHOT_DONE },
        [SESSION_CALL_SET_DRY_RUN] = { CALL("SetDryRun"), .kinds = RESTORE, .refuse = SESSION_PRE_RESTORED },
        [SESSION_CALL_SET_SELECTED_FOR_RESTORE] = { CALL("SetSelectedForRestore"), RESTORE_SETTER },
        [SESSION_CALL_SET_RESTORE_OPTIONS] = { CALL("SetRestoreOptions"), RESTORE_SETTER },
        [SESSION_CALL_SET_ADDITIONAL_RESTORES] = { CALL("SetAdditionalRestores"), RESTORE_SETTER },
        [SESSION_CALL_ADD_RESTORE_SUBCOMPONENT] = { CALL("AddRestoreSubcomponent"), RESTORE_SETTER },
        [SESSION_CALL_ADD_NEW_TARGET] = { CALL("AddNewTarget"), RESTORE_SETTER },
        [SESSION_CALL_SET_AUTHORITATIVE_RESTORE] = { CALL("SetAuthoritativeRestore"), RESTORE_SETTER },
        [SESSION_CALL_SET_ROLL_FORWARD] = { CALL("SetRollForward"), RESTORE_SETTER },
        [SESSION_CALL_SET_RESTORE_NAME] = { CALL("SetRestoreName"), RESTORE_SETTER },
        [SESSION_CALL_PRE_RESTORE] = { CALL("PreRestore"), RESTORE_SETTER, .set = SESSION_PRE_RESTORED },
        [SESSION_CALL_ADD_ALTERNATIVE_LOCATION_MAPPING] = { CALL("AddAlternativeLocationMapping"),
                                                            RESTORE_REPORT },
        [SESSION_CALL_SET_RANGES_FILE_PATH] = { CALL("SetRangesFilePath"), RESTORE_REPORT },
        [SESSION_CALL_SET_FILE_RESTORE_STATUS] = { CALL("SetFileRestoreStatus"), RESTORE_REPORT },
        [SESSION_CALL_POST_RESTORE] = { CALL("PostRestore"), RESTORE_REPORT, .set = SESSION_POST_RESTORED },
        [SESSION_CALL_IMPORT_SNAPSHOTS] = { CALL("ImportSnapshots"), .kinds = DOCUMENT,
                                            .refuse = SESSION_IMPORTED, .set = SESSION_IMPORTED },
        [SESSION_CALL_ADD_SNAPSHOT_TO_RECOVERY_SET] = { CALL("AddSnapshotToRecoverySet"), .kinds = ANY,
                                                        .set = SESSION_RECOVERY_ADDED },
        [SESSION_CALL_RECOVER_SET] = { CALL("RecoverSet"), .kinds = ANY, .need = SESSION_RECOVERY_ADDED,
                                       .clear = SESSION_RECOVERY_ADDED },
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
                { SESSION_POST_RESTORED, "post-restored" },
                { SESSION_PRE_RESTORED, "pre-restored" },
                { SESSION_COMPLETE, "complete" },
                { SESSION_SNAPSHOT_DONE, "snapshot done" },
                { SESSION_IMPORTED, "imported" },
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

static unsigned kind_of(uint32_t facts) {
        return facts & SESSION_RESTORE ? RESTORE : facts & SESSION_DOCUMENT ? DOCUMENT : BACKUP;
}

/* The call that begins a session of one of these kinds. */
static const Row *beginning(unsigned kinds) {
        return &rows[kinds & BACKUP    ? SESSION_CALL_INITIALIZE_FOR_BACKUP
                     : kinds & RESTORE ? SESSION_CALL_INITIALIZE_FOR_RESTORE
                                       : SESSION_CALL_INITIALIZE_FOR_BACKUP_WITH_DOCUMENT];
}

static const char *wrong_kind(const Row *row) {
        static const char backup[] = "this session was not begun by InitializeForBackup";
        static const char restore[] = "this session was not begun by InitializeForRestore";
        static const char document[] = "this session was not begun by InitializeForBackupWithDocument";

        return row->kinds & BACKUP ? backup : row->kinds & RESTORE ? restore : document;
}

static uint32_t needed(const Row *row, uint32_t facts, bool writers) {
        unsigned kind = kind_of(facts);
        uint32_t need = row->need;

        need |= kind == RESTORE    ? row->need_restore
                : kind == DOCUMENT ? row->need_document
                                   : row->need_backup;
        if (writers)
                need |= row->need_writers;
        if (writers && (facts & SESSION_VOLUME_ADDED))
                need |= row->need_volumes;
        if (kind == BACKUP && (facts & row->need_one) == 0)
                need |= writers ? row->need_one : row->need_one & SESSION_SNAPSHOT_DONE;
        return need;
}

/* Why @row is not legal, or NULL. */
static const char *refusal(const Row *row, uint32_t facts, uint32_t context) {
        bool writers = !(context & VSS_VOLSNAP_ATTR_NO_WRITERS);
        uint32_t need = needed(row, facts, writers), in_the_way = row->refuse & facts;

        if (row->always)
                return NULL;
        if (facts & SESSION_BUSY)
                return busy_reason(facts);
        if (row->kinds && !(facts & SESSION_INITIALIZED))
                return beginning(row->kinds)->missing;
        if ((facts & SESSION_ABORTED) && !row->aborted)
                return "the session has been aborted; only AbortBackup, Release and looking at it are left";
        if (row->kinds && !(row->kinds & kind_of(facts)))
                return wrong_kind(row);
        if (!writers && row->no_writers)
                return row->no_writers;
        if (in_the_way & SESSION_INITIALIZED)
                return beginning(kind_of(facts))->already;
        if (in_the_way)
                return row_of(in_the_way)->already;
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
        /* What has not been gathered is not freed: a gather may still come. */
        if (call == SESSION_CALL_FREE_WRITER_METADATA && !(facts & SESSION_GATHERED))
                return facts;
        return (facts | rows[call].set) & ~rows[call].clear;
}
