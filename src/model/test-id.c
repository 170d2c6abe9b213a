/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of identities
 */

#include "model/id.h"
#include "util/macro.h"
#include "util/test.h"

static void test_new(void) {
        char ids[64][VSS_ID_SIZE];
        bool valid = true, version = true, unique = true;

        for (size_t i = 0; i < ELEMENTS(ids); i++) {
                if (id_new(ids[i]) < 0 || !id_is_valid(ids[i]))
                        valid = false;
                if (ids[i][14] != '4' || !strchr("89ab", ids[i][19]))
                        version = false;
                for (size_t j = 0; j < i; j++)
                        if (strcmp(ids[i], ids[j]) == 0)
                                unique = false;
        }
        expect_true("new ones are valid", valid);
        expect_true("of version 4", version);
        expect_true("and unique", unique);
}

static void test_valid(void) {
        static const struct {
                const char *id;
                bool want;
        } cases[] = {
                { "01234567-89ab-cdef-0123-456789abcdef", true },
                { "00000000-0000-0000-0000-000000000000", true },
                { "01234567-89AB-cdef-0123-456789abcdef", false },
                { "{01234567-89ab-cdef-0123-456789abcdef}", false },
                { "01234567-89ab-cdef-0123-456789abcde", false },
                { "01234567-89ab-cdef-0123-456789abcdef0", false },
                { "0123456789ab-cdef-0123-456789abcdef--", false },
                { "01234567089ab-cdef-0123-456789abcdef", false },
                { "01234567-89ab-cdef-0123-456789abcde/", false },
                { "../../../../../../../../../../../etc", false },
                { "------------------------------------", false },
                { "", false },
        };

        FOREACH_ELEMENT (c, cases)
                expect_int(c->id, id_is_valid(c->id), c->want);
        expect_true("no text", !id_is_valid(NULL));
}

int main(void) {
        test_new();
        test_valid();
        return test_end();
}
