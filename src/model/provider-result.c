/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What each call of a provider may answer
 */

#include <string.h>
#include "model/provider-result.h"
#include "util/macro.h"

static const vss_result common[] = { VSS_E_OUTOFMEMORY, VSS_E_INVALIDARG, VSS_E_PROVIDER_VETO,
                                     VSS_E_OBJECT_NOT_FOUND, VSS_E_UNEXPECTED_PROVIDER_ERROR };

static const struct {
        const char *member;
        vss_result result;
} more[] = {
        { "IsVolumeSupported", VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER },
        { "IsVolumeSupported", VSS_E_NESTED_VOLUME_LIMIT },
        { "ListNestedVolumes", VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER },
        { "BeginPrepareSnapshot", VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER },
        { "BeginPrepareSnapshot", VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED },
        { "BeginPrepareSnapshot", VSS_E_UNSUPPORTED_CONTEXT },
        { "BeginPrepareSnapshot", VSS_E_NESTED_VOLUME_LIMIT },
        { "BeginPrepareSnapshot", VSS_E_OBJECT_ALREADY_EXISTS },
        { "BeginPrepareSnapshot", VSS_E_INSUFFICIENT_STORAGE },
        { "EndPrepareSnapshots", VSS_E_INSUFFICIENT_STORAGE },
        { "EndPrepareSnapshots", VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED },
        { "PreCommitSnapshots", VSS_E_INSUFFICIENT_STORAGE },
        { "CommitSnapshots", VSS_E_INSUFFICIENT_STORAGE },
        { "PostCommitSnapshots", VSS_E_INSUFFICIENT_STORAGE },
        { "PreFinalCommitSnapshots", VSS_E_INSUFFICIENT_STORAGE },
        { "PreFinalCommitSnapshots", VSS_E_AUTORECOVERY_FAILED },
        { "PostFinalCommitSnapshots", VSS_E_INSUFFICIENT_STORAGE },
        { "DeleteSnapshot", VSS_E_VOLUME_IN_USE },
        { "OpenSnapshot", VSS_E_NOT_SUPPORTED },
        { "OpenSnapshot", VSS_E_VOLUME_IN_USE },
        { "OpenSnapshot", VSS_E_AUTORECOVERY_FAILED },
        { "OpenSnapshot", VSS_E_SNAPSHOT_LOST },
        { "RevertToSnapshot", VSS_E_SNAPSHOT_LOST },
        { "SetSnapshotProperty", VSS_E_NOT_SUPPORTED },
        { "SetSnapshotProperty", VSS_E_INSUFFICIENT_STORAGE },
        { "GetTargetLuns", VSS_E_NOT_SUPPORTED },
        { "ImportSnapshots", VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED },
        { "ImportSnapshots", VSS_E_NO_SNAPSHOTS_IMPORTED },
        { "ImportSnapshots", VSS_E_NOT_SUPPORTED },
        { "ImportSnapshots", VSS_E_INSUFFICIENT_STORAGE },
        { "BreakSnapshotSet", VSS_E_NOT_SUPPORTED },
        { "BreakSnapshotSet", VSS_E_VOLUME_IN_USE },
        { "BreakSnapshotSet", VSS_E_BREAK_REVERT_ID_FAILED },
        { "RevertToSnapshot", VSS_E_NOT_SUPPORTED },
        { "RevertToSnapshot", VSS_E_REVERT_IN_PROGRESS },
        { "RevertToSnapshot", VSS_E_REVERT_VOLUME_LOST },
        { "RevertToSnapshot", VSS_E_VOLUME_IN_USE },
        { "RevertToSnapshot", VSS_E_VOLUME_NOT_SUPPORTED },
        { "RevertToSnapshot", VSS_E_REBOOT_REQUIRED },
        { "RevertToSnapshot", VSS_E_INSUFFICIENT_STORAGE },
        { "QueryRevertStatus", VSS_E_NOT_SUPPORTED },
        { "QueryRevertStatus", VSS_E_VOLUME_NOT_SUPPORTED },
        { "QueryRevertStatus", VSS_E_REVERT_VOLUME_LOST },
        { "ResyncSnapshots", VSS_E_NOT_SUPPORTED },
        { "ResyncSnapshots", VSS_E_RESYNC_IN_PROGRESS },
        { "ResyncSnapshots", VSS_E_UNSELECTED_VOLUME },
        { "ResyncSnapshots", VSS_E_VOLUME_IN_USE },
        { "ResyncSnapshots", VSS_E_VOLUME_NOT_SUPPORTED },
        { "ResyncSnapshots", VSS_E_INSUFFICIENT_STORAGE },
        { "ResyncSnapshots", VSS_E_CANNOT_REVERT_DISKID },
        { "ResyncSnapshots", VSS_E_DYNAMIC_DISK_ERROR },
        { "ResyncSnapshots", VSS_E_MISSING_DISK },
        { "ResyncSnapshots", VSS_E_MISSING_HIDDEN_VOLUME },
        { "ResyncSnapshots", VSS_E_MISSING_VOLUME },
        { "QueryDiffAreas", VSS_E_NOT_SUPPORTED },
        { "AddDiffArea", VSS_E_NOT_SUPPORTED },
        { "AddDiffArea", VSS_E_VOLUME_NOT_SUPPORTED },
        { "AddDiffArea", VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER },
        { "AddDiffArea", VSS_E_OBJECT_ALREADY_EXISTS },
        { "AddDiffArea", VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED },
        { "AddDiffArea", VSS_E_INSUFFICIENT_STORAGE },
        { "ChangeDiffAreaMaximumSize", VSS_E_NOT_SUPPORTED },
        { "ChangeDiffAreaMaximumSize", VSS_E_VOLUME_NOT_SUPPORTED },
        { "ChangeDiffAreaMaximumSize", VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER },
        { "ChangeDiffAreaMaximumSize", VSS_E_VOLUME_IN_USE },
        { "ChangeDiffAreaMaximumSize", VSS_E_INSUFFICIENT_STORAGE },
        { "CheckStorage", VSS_E_NOT_SUPPORTED },
        { "CheckStorage", VSS_E_INSUFFICIENT_STORAGE },
        { "AttachDevice", VSS_E_NOT_SUPPORTED },
        { "AttachDevice", VSS_E_VOLUME_NOT_SUPPORTED },
        { "AttachDevice", VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER },
        { "AttachDevice", VSS_E_VOLUME_IN_USE },
        { "AttachDevice", VSS_E_OBJECT_ALREADY_EXISTS },
        { "AttachDevice", VSS_E_INSUFFICIENT_STORAGE },
        { "AttachDevice", VSS_E_REBOOT_REQUIRED },
        { "DetachDevice", VSS_E_NOT_SUPPORTED },
        { "DetachDevice", VSS_E_VOLUME_NOT_SUPPORTED },
        { "DetachDevice", VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER },
        { "DetachDevice", VSS_E_VOLUME_IN_USE },
        { "DetachDevice", VSS_E_REBOOT_REQUIRED },
        { "QueryAttached", VSS_E_NOT_SUPPORTED },
};

bool provider_may_answer(const char *member, vss_result result) {
        if (result == VSS_S_OK || result == VSS_S_FALSE)
                return true;
        FOREACH_ELEMENT (c, common)
                if (*c == result)
                        return true;
        FOREACH_ELEMENT (row, more)
                if (row->result == result && strcmp(row->member, member) == 0)
                        return true;
        return false;
}
