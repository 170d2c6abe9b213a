/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What each call of a provider may answer
 */

#include "model/provider-result.h"
#include "util/macro.h"
#include "util/test.h"

static const char *const members[] = {
        "GetInfo",
        "IsVolumeSupported",
        "ListNestedVolumes",
        "BeginPrepareSnapshot",
        "EndPrepareSnapshots",
        "PreCommitSnapshots",
        "CommitSnapshots",
        "PostCommitSnapshots",
        "PreFinalCommitSnapshots",
        "PostFinalCommitSnapshots",
        "AbortSnapshots",
        "Query",
        "DeleteSnapshot",
        "OpenSnapshot",
        "SetSnapshotProperty",
        "GetTargetLuns",
        "ImportSnapshots",
        "BreakSnapshotSet",
        "RevertToSnapshot",
        "QueryRevertStatus",
        "ResyncSnapshots",
        "QueryDiffAreas",
        "AddDiffArea",
        "ChangeDiffAreaMaximumSize",
        "CheckStorage",
        "AttachDevice",
        "DetachDevice",
        "QueryAttached",
};

/* Of every call, and of none. */
static void test_common(void) {
        FOREACH_ELEMENT (member, members) {
                expect_true(*member, provider_may_answer(*member, VSS_S_OK) &&
                                             provider_may_answer(*member, VSS_E_PROVIDER_VETO) &&
                                             provider_may_answer(*member, VSS_E_OBJECT_NOT_FOUND) &&
                                             provider_may_answer(*member, VSS_E_UNEXPECTED_PROVIDER_ERROR) &&
                                             provider_may_answer(*member, VSS_E_OUTOFMEMORY) &&
                                             provider_may_answer(*member, VSS_E_INVALIDARG));
                expect_true("  of others: no",
                            !provider_may_answer(*member, VSS_E_BAD_STATE) &&
                                    !provider_may_answer(*member, VSS_E_UNEXPECTED) &&
                                    !provider_may_answer(*member, VSS_E_ACCESSDENIED) &&
                                    !provider_may_answer(*member, VSS_E_WRITERERROR_TIMEOUT) &&
                                    !provider_may_answer(*member, VSS_RESULT(0x80BADC0D)) &&
                                    !provider_may_answer(*member, VSS_RESULT(7)));
        }
}

static void test_own(void) {
        static const struct {
                const char *member;
                vss_result result;
                bool want;
        } cases[] = {
                { "IsVolumeSupported", VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, true },
                { "BeginPrepareSnapshot", VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED, true },
                { "BeginPrepareSnapshot", VSS_E_UNSUPPORTED_CONTEXT, true },
                { "CommitSnapshots", VSS_E_UNSUPPORTED_CONTEXT, false },
                { "CommitSnapshots", VSS_E_INSUFFICIENT_STORAGE, true },
                { "CommitSnapshots", VSS_E_NOT_SUPPORTED, false },
                { "Query", VSS_E_INSUFFICIENT_STORAGE, false },
                { "ImportSnapshots", VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED, true },
                { "Query", VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED, false },
                { "RevertToSnapshot", VSS_E_REVERT_IN_PROGRESS, true },
                { "RevertToSnapshot", VSS_E_VOLUME_IN_USE, true },
                { "ResyncSnapshots", VSS_E_RESYNC_IN_PROGRESS, true },
                { "ResyncSnapshots", VSS_E_REVERT_IN_PROGRESS, false },
                { "BreakSnapshotSet", VSS_E_BREAK_REVERT_ID_FAILED, true },
                { "SetSnapshotProperty", VSS_E_NOT_SUPPORTED, true },
                { "AddDiffArea", VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED, true },
                { "QueryDiffAreas", VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED, false },
                { "ChangeDiffAreaMaximumSize", VSS_E_VOLUME_IN_USE, true },
                { "CheckStorage", VSS_E_VOLUME_IN_USE, false },
                { "AttachDevice", VSS_E_VOLUME_IN_USE, true },
                { "DetachDevice", VSS_E_VOLUME_IN_USE, true },
                { "QueryAttached", VSS_E_NOT_SUPPORTED, true },
        };
        char label[100];

        FOREACH_ELEMENT (c, cases) {
                (void)snprintf(label, sizeof(label), "%s, %s", c->member, vss_result_name(c->result));
                expect_int(label, provider_may_answer(c->member, c->result), c->want);
        }
}

int main(void) {
        test_common();
        test_own();
        return test_end();
}
