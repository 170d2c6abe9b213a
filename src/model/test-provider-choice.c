/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the choice among providers
 */

#include "model/provider-choice.h"
#include "util/macro.h"
#include "util/test.h"

int main(void) {
        /* Each comes before all behind it. */
        static const struct {
                const char *label;
                enum vss_provider_type type;
                enum vss_atomic_scope scope;
        } order[] = {
                { "hardware", VSS_PROV_HARDWARE, VSS_ATOMIC_VOLUME },
                { "software, volumes", VSS_PROV_SOFTWARE, VSS_ATOMIC_VOLUME },
                { "system, volumes", VSS_PROV_SYSTEM, VSS_ATOMIC_VOLUME },
                { "software, files", VSS_PROV_SOFTWARE, VSS_ATOMIC_FILE },
                { "system, files", VSS_PROV_SYSTEM, VSS_ATOMIC_FILE },
        };

        for (size_t i = 1; i < ELEMENTS(order); i++)
                expect_true(order[i].label, provider_preference(order[i - 1].type, order[i - 1].scope) >
                                                    provider_preference(order[i].type, order[i].scope));
        expect_int("hardware whatever it copies", provider_preference(VSS_PROV_HARDWARE, VSS_ATOMIC_FILE),
                   provider_preference(VSS_PROV_HARDWARE, VSS_ATOMIC_VOLUME));
        return test_end();
}
