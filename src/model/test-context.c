/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of contexts
 */

#include <linuxvss/types.h>
#include "model/context.h"
#include "util/macro.h"
#include "util/test.h"

static void test_names(void) {
        static const uint32_t contexts[] = {
                VSS_CTX_BACKUP,       VSS_CTX_FILE_SHARE_BACKUP, VSS_CTX_NAS_ROLLBACK,
                VSS_CTX_APP_ROLLBACK, VSS_CTX_CLIENT_ACCESSIBLE, VSS_CTX_CLIENT_ACCESSIBLE_WRITERS,
                VSS_CTX_ALL
        };
        _cleanup_(freep) char *text = NULL, *all = NULL, *none = NULL;
        unsigned named = 0;
        uint32_t number = 99;

        FOREACH_ELEMENT (c, contexts) {
                const char *name = context_type_name(*c);
                char prefixed[64];

                (void)snprintf(prefixed, sizeof(prefixed), "VSS_CTX_%s", name);
                expect_true(name, context_type_from_name(name, &number) == VSS_S_OK && number == *c &&
                                          context_type_from_name(prefixed, &number) == VSS_S_OK &&
                                          number == *c);
        }
        expect_int("as on command lines", context_type_from_name("app-rollback", &number), VSS_S_OK);
        expect_int("is the same", number, VSS_CTX_APP_ROLLBACK);
        expect_int("no context", context_type_from_name("APP", &number), VSS_E_OBJECT_NOT_FOUND);
        expect_int("none with more behind it", context_type_from_name("BACKUPS", &number),
                   VSS_E_OBJECT_NOT_FOUND);
        expect_str("additions do not count",
                   context_type_name(VSS_CTX_NAS_ROLLBACK | VSS_VOLSNAP_ATTR_TRANSPORTABLE), "NAS_ROLLBACK");
        expect_int("its base", context_base(VSS_CTX_NAS_ROLLBACK | VSS_VOLSNAP_ATTR_PLEX),
                   VSS_CTX_NAS_ROLLBACK);
        expect_str("half a context", context_type_name(VSS_VOLSNAP_ATTR_PERSISTENT), NULL);

        for (unsigned i = 0; i < 32; i++) {
                const char *name = attribute_name(1u << i);

                if (!name)
                        continue;
                named++;
                expect_true(name, attribute_from_name(name, &number) == VSS_S_OK && number == 1u << i);
        }
        expect_int("attributes", named, 19);
        expect_int("by its whole name", attribute_from_name("VSS_VOLSNAP_ATTR_PLEX", &number), VSS_S_OK);
        expect_int("is the same", number, VSS_VOLSNAP_ATTR_PLEX);
        expect_int("no attribute", attribute_from_name("PLEXUS", &number), VSS_E_OBJECT_NOT_FOUND);
        (void)attributes_format(VSS_CTX_APP_ROLLBACK | VSS_VOLSNAP_ATTR_TRANSPORTABLE | 1u << 31, &text);
        expect_str("all of a mask", text, "PERSISTENT, NO_AUTO_RELEASE, TRANSPORTABLE, 0x80000000");
        (void)attributes_format(UINT32_MAX, &all);
        expect_true("of the longest", all && strstr(all, ", 0x80000000"));
        (void)attributes_format(0, &none);
        expect_str("of none", none, "");
}

#define KINDS (VSS_VOLSNAP_ATTR_DIFFERENTIAL | VSS_VOLSNAP_ATTR_PLEX)

static void test_attributes(void) {
        const uint32_t plex = VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_PLEX;

        expect_int("nothing is added", context_attributes(VSS_CTX_APP_ROLLBACK, VSS_PROV_SOFTWARE, 0),
                   VSS_CTX_APP_ROLLBACK);
        expect_int("hardware", context_attributes(VSS_CTX_BACKUP, VSS_PROV_HARDWARE, 0),
                   VSS_VOLSNAP_ATTR_HARDWARE_ASSISTED);
        expect_int("the one kind that is made",
                   context_attributes(VSS_CTX_BACKUP, VSS_PROV_SYSTEM, VSS_VOLSNAP_ATTR_DIFFERENTIAL),
                   VSS_VOLSNAP_ATTR_DIFFERENTIAL);
        expect_int("either kind", context_attributes(VSS_CTX_BACKUP, VSS_PROV_SYSTEM, KINDS),
                   VSS_CTX_BACKUP);
        expect_int("the kind that was asked for", context_attributes(plex, VSS_PROV_SYSTEM, KINDS), plex);
        expect_int("transportable",
                   context_attributes(VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_TRANSPORTABLE, VSS_PROV_HARDWARE, 0),
                   VSS_VOLSNAP_ATTR_TRANSPORTABLE | VSS_VOLSNAP_ATTR_NOT_SURFACED |
                           VSS_VOLSNAP_ATTR_HARDWARE_ASSISTED);
}

static void test_keeps(void) {
        const uint32_t transportable = VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_TRANSPORTABLE;

        expect_true("auto-release ends", !context_keeps(VSS_CTX_BACKUP));
        expect_true("for file shares, too", !context_keeps(VSS_CTX_FILE_SHARE_BACKUP));
        expect_true("others stay",
                    context_keeps(VSS_CTX_APP_ROLLBACK) && context_keeps(VSS_CTX_CLIENT_ACCESSIBLE));
        expect_true("transportable waits", context_keeps(transportable));
        expect_true("until it is imported", !context_keeps(transportable | VSS_VOLSNAP_ATTR_IMPORTED));
        expect_true("where it may stay",
                    context_keeps(VSS_CTX_APP_ROLLBACK | transportable | VSS_VOLSNAP_ATTR_IMPORTED));
}

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
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_DIFFERENTIAL, true },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_PLEX, true },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_DIFFERENTIAL | VSS_VOLSNAP_ATTR_PLEX, false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_TRANSPORTABLE, true },
                { VSS_CTX_NAS_ROLLBACK | VSS_VOLSNAP_ATTR_TRANSPORTABLE | VSS_VOLSNAP_ATTR_PLEX, true },
                { VSS_CTX_CLIENT_ACCESSIBLE | VSS_VOLSNAP_ATTR_TRANSPORTABLE, false },
                { VSS_CTX_CLIENT_ACCESSIBLE_WRITERS | VSS_VOLSNAP_ATTR_TRANSPORTABLE, false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY, true },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY | VSS_VOLSNAP_ATTR_TRANSPORTABLE,
                  false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY | VSS_VOLSNAP_ATTR_NO_AUTORECOVERY,
                  false },
                /* what a widely used guest agent asks for */
                { VSS_CTX_APP_ROLLBACK | VSS_VOLSNAP_ATTR_TRANSPORTABLE | VSS_VOLSNAP_ATTR_NO_AUTORECOVERY |
                          VSS_VOLSNAP_ATTR_TXF_RECOVERY,
                  true },
                { VSS_CTX_APP_ROLLBACK | VSS_VOLSNAP_ATTR_NO_AUTORECOVERY | VSS_VOLSNAP_ATTR_TXF_RECOVERY,
                  true },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_DELAYED_POSTSNAPSHOT | VSS_VOLSNAP_ATTR_NOT_TRANSACTED,
                  true },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_NOT_SURFACED, false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_IMPORTED, false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_EXPOSED_REMOTELY, false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_AUTORECOVER, false },
                { VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_FILE_SHARE, false },
                { VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE, false },
                { VSS_CTX_CLIENT_ACCESSIBLE & ~VSS_VOLSNAP_ATTR_PERSISTENT, false },
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
                Why why = { "" };
                char label[32];

                (void)snprintf(label, sizeof(label), "context %#x", c->context);
                expect_int(label, context_check(c->context, &why),
                           c->known ? VSS_S_OK : VSS_E_UNSUPPORTED_CONTEXT);
                expect_true("a reason, if not", c->known == (*why.text == '\0'));
        }
        FOREACH_ELEMENT (v, views) {
                char label[64];

                (void)snprintf(label, sizeof(label), "in %#x a copy of %#x", v->context, v->of_copy);
                expect_int(label, context_sees(v->context, v->of_copy), v->sees);
        }
        test_names();
        test_attributes();
        test_keeps();
        return test_end();
}
