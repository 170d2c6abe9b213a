/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of contexts
 */

#include <linuxvss/types.h>
#include "model/context.h"
#include "util/macro.h"
#include "util/test.h"

int main(void) {
        static const struct {
                uint32_t context;
                bool known;
        } contexts[] = {
                { VSS_CTX_BACKUP, true },
                { VSS_CTX_FILE_SHARE_BACKUP, true },
                { VSS_CTX_NAS_ROLLBACK, true },
                { VSS_CTX_APP_ROLLBACK, true },
                { VSS_CTX_CLIENT_ACCESSIBLE, true },
                { VSS_CTX_CLIENT_ACCESSIBLE_WRITERS, true },
                { VSS_CTX_ALL, true },
                { VSS_CTX_APP_ROLLBACK | VSS_VOLSNAP_ATTR_NO_AUTORECOVERY, true },
                { VSS_VOLSNAP_ATTR_PERSISTENT, false },
                { VSS_VOLSNAP_ATTR_CLIENT_ACCESSIBLE, false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_EXPOSED_LOCALLY, false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_HARDWARE_ASSISTED, false },
                { VSS_CTX_BACKUP | 1u << 31, false },
        };
        static const struct {
                uint32_t context, of_copy;
                bool sees;
        } views[] = {
                { VSS_CTX_BACKUP, VSS_CTX_BACKUP, true },
                { VSS_CTX_BACKUP, VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_DIFFERENTIAL, true },
                { VSS_CTX_BACKUP, VSS_CTX_APP_ROLLBACK, false },
                { VSS_CTX_NAS_ROLLBACK, VSS_CTX_APP_ROLLBACK, false },
                { VSS_CTX_CLIENT_ACCESSIBLE, VSS_CTX_CLIENT_ACCESSIBLE_WRITERS, false },
                { VSS_CTX_APP_ROLLBACK, VSS_CTX_APP_ROLLBACK | VSS_VOLSNAP_ATTR_EXPOSED_LOCALLY, true },
                { VSS_CTX_ALL, VSS_CTX_NAS_ROLLBACK, true },
                { VSS_CTX_ALL, VSS_CTX_BACKUP, true },
        };

        FOREACH_ELEMENT (c, contexts) {
                char label[32];

                (void)snprintf(label, sizeof(label), "context %#x", c->context);
                expect_int(label, context_is_known(c->context), c->known);
        }
        FOREACH_ELEMENT (v, views) {
                char label[64];

                (void)snprintf(label, sizeof(label), "in %#x a copy of %#x", v->context, v->of_copy);
                expect_int(label, context_sees(v->context, v->of_copy), v->sees);
        }
        return test_end();
}
