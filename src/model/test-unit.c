/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test Names of Units
 */

#include "model/unit.h"
#include "util/macro.h"
#include "util/test.h"

static void test_names(void) {
        static const struct {
                const char *name;
                bool valid, pattern;
        } cases[] = {
                { "ssh.service", true, true },
                { "postgresql@15-main.service", true, true },
                { "postgresql@*.service", false, true },
                { "postgresql@15-*.service", false, true },
                { "a@b@c.service", true, true },
                { "x.socket", true, true },
                { "systemd-tmpfiles\\x2d.timer", true, true },
                { "postgresql@.service", false, false },
                { "*.service", false, false },
                { "post*@a.service", false, false },
                { "*@a.service", false, false },
                { "a@b.serv*", false, false },
                { "a.mount", false, false },
                { "a", false, false },
                { ".service", false, false },
                { "@a.service", false, false },
                { "-a.service", false, false },
                { "a b.service", false, false },
                { "a/b.service", false, false },
                { "../a.service", false, false },
                { "", false, false },
        };
        char big[300];

        FOREACH_ELEMENT (c, cases) {
                expect_int(c->name, unit_is_valid(c->name), c->valid);
                expect_int("  as a pattern", unit_is_pattern(c->name), c->pattern);
        }
        (void)snprintf(big, sizeof(big), "%0280d.service", 1);
        expect_true("too long", !unit_is_valid(big));
}

static void test_patterns(void) {
        static const struct {
                const char *pattern, *unit;
                bool matches;
        } cases[] = {
                { "ssh.service", "ssh.service", true },
                { "ssh.service", "sshd.service", false },
                { "postgresql@*.service", "postgresql@15-main.service", true },
                { "postgresql@*.service", "postgresql@a@b.service", true },
                { "postgresql@*.service", "postgresql.service", false },
                { "postgresql@*.service", "postgresqlx@a.service", false },
                { "postgresql@*.service", "postgresql@a.socket", false },
                { "postgresql@15-*.service", "postgresql@15-main.service", true },
                { "postgresql@15-*.service", "postgresql@14-main.service", false },
                { "postgresql@*-main.service", "postgresql@15-main.service", true },
                { "postgresql@*-main.service", "postgresql@15-mains.service", false },
                { "a@*x*.service", "a@1x2.service", true },
                { "a@*x*.service", "a@12.service", false },
                { "a@*x*y*.service", "a@1x2y3.service", false },
        };

        FOREACH_ELEMENT (c, cases)
                expect_int(c->unit, unit_matches(c->pattern, c->unit), c->matches);
}

int main(void) {
        test_names();
        test_patterns();
        return test_end();
}
