/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Contexts
 *
 * A context is told by four of its attributes; the others say how a copy is made, not what it is for.
 */

#include <linuxvss/types.h>
#include "model/context.h"
#include "util/macro.h"

#define BASE                                                                \
        (VSS_VOLSNAP_ATTR_PERSISTENT | VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE | \
         VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE | VSS_VOLSNAP_ATTR_NO_WRITERS)
#define ADDITIONS                                                                                     \
        (VSS_VOLSNAP_ATTR_NO_AUTORECOVERY | VSS_VOLSNAP_ATTR_NOT_TRANSACTED |                         \
         VSS_VOLSNAP_ATTR_DIFFERENTIAL | VSS_VOLSNAP_ATTR_PLEX | VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY | \
         VSS_VOLSNAP_ATTR_TXF_RECOVERY)

bool context_is_known(uint32_t context) {
        static const uint32_t bases[] = {
                VSS_CTX_BACKUP,       VSS_CTX_FILE_SHARE_BACKUP, VSS_CTX_NAS_ROLLBACK,
                VSS_CTX_APP_ROLLBACK, VSS_CTX_CLIENT_ACCESSIBLE, VSS_CTX_CLIENT_ACCESSIBLE_WRITERS
        };

        if (context == VSS_CTX_ALL)
                return true;
        if (context & ~(BASE | ADDITIONS))
                return false;
        FOREACH_ELEMENT (base, bases)
                if ((context & BASE) == *base)
                        return true;
        return false;
}

bool context_sees(uint32_t context, uint32_t of_copy) {
        return context == VSS_CTX_ALL || (context & BASE) == (of_copy & BASE);
}
