/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of what a writer may fail with
 */

#include "model/writer-result.h"
#include "util/macro.h"
#include "util/test.h"

int main(void) {
        static const struct {
                vss_result said, told;
        } rows[] = {
                { VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT },
                { VSS_E_WRITERERROR_OUTOFRESOURCES, VSS_E_WRITERERROR_OUTOFRESOURCES },
                { VSS_E_WRITERERROR_TIMEOUT, VSS_E_WRITERERROR_TIMEOUT },
                { VSS_E_WRITERERROR_RETRYABLE, VSS_E_WRITERERROR_RETRYABLE },
                { VSS_E_WRITERERROR_NONRETRYABLE, VSS_E_WRITERERROR_NONRETRYABLE },
                { VSS_E_WRITERERROR_RECOVERY_FAILED, VSS_E_WRITERERROR_RECOVERY_FAILED },
                { VSS_E_WRITERERROR_PARTIAL_FAILURE, VSS_E_WRITERERROR_PARTIAL_FAILURE },
                { VSS_E_WRITER_STATUS_NOT_AVAILABLE, VSS_E_WRITER_STATUS_NOT_AVAILABLE },
                { VSS_E_OUTOFMEMORY, VSS_E_WRITERERROR_OUTOFRESOURCES },
                { VSS_E_UNEXPECTED_WRITER_ERROR, VSS_E_UNEXPECTED_WRITER_ERROR },
                { VSS_E_PROVIDER_VETO, VSS_E_UNEXPECTED_WRITER_ERROR },
                { VSS_E_ACCESSDENIED, VSS_E_UNEXPECTED_WRITER_ERROR },
                { VSS_E_LEVEL_NOT_REACHED, VSS_E_UNEXPECTED_WRITER_ERROR },
                { VSS_RESULT(0x80004005), VSS_E_UNEXPECTED_WRITER_ERROR },
                { VSS_S_OK, VSS_E_UNEXPECTED_WRITER_ERROR },
                { 5, VSS_E_UNEXPECTED_WRITER_ERROR },
        };

        FOREACH_ELEMENT (row, rows)
                expect_int(vss_result_name(row->said), writer_result(row->said), row->told);
        return test_end();
}
