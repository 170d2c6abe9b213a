/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a writer may fail with
 */

#include "model/writer-result.h"
#include "util/macro.h"

vss_result writer_result(vss_result result) {
        static const vss_result known[] = {
                VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT,
                VSS_E_WRITERERROR_OUTOFRESOURCES,
                VSS_E_WRITERERROR_TIMEOUT,
                VSS_E_WRITERERROR_RETRYABLE,
                VSS_E_WRITERERROR_NONRETRYABLE,
                VSS_E_WRITERERROR_RECOVERY_FAILED,
                VSS_E_WRITERERROR_PARTIAL_FAILURE,
                VSS_E_WRITER_STATUS_NOT_AVAILABLE, /* no room for one more session */
        };

        FOREACH_ELEMENT (code, known)
                if (*code == result)
                        return result;
        return result == VSS_E_OUTOFMEMORY ? VSS_E_WRITERERROR_OUTOFRESOURCES
                                           : VSS_E_UNEXPECTED_WRITER_ERROR;
}
