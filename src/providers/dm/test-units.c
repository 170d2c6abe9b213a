/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the units' text, and of names and sources of attached volumes
 */

#include "providers/dm/units.h"
#include "util/test.h"

static void test_escape(void) {
        static const struct {
                const char *text;
                bool path;
                const char *want;
        } cases[] = {
                { "/dev/mapper/srv", true, "dev-mapper-srv" },
                { "/", true, "-" },
                { "/srv/a b//c/", true, "srv-a\\x20b-c" },
                { "/dev/disk/by-uuid/0a-1b", true, "dev-disk-by\\x2duuid-0a\\x2d1b" },
                { "/.hidden", true, "\\x2ehidden" },
                { "/a%n\n[Service]", true, "a\\x25n\\x0a\\x5bService\\x5d" },
                { "/\xc3\xbc", true, "\\xc3\\xbc" },
                { "vss-data", false, "vss\\x2ddata" },
        };
        char name[UNIT_NAME_SIZE], huge[4096];

        FOREACH_ELEMENT (c, cases) {
                expect_int(c->text, unit_escape(c->text, c->path, name), 0);
                expect_str("escaped", name, c->want);
        }
        memset(huge, 'a', sizeof(huge) - 1);
        huge[sizeof(huge) - 1] = '\0';
        expect_int("a path too long for a unit", unit_escape(huge, true, name), -ENAMETOOLONG);
}

static void test_names(void) {
        static const char *const good[] = { "srv", "vss-data", "a.b+c_d", "0" };
        static const char *const bad[] = { "",    ".",   "..",      "../x", "a/b",     "-x",
                                           "a b", "a\n", "control", "a%",   "\xc3\xbc" };
        static const char *const sources[] = { "UUID=0a1b2c3d-0000-4000-8000-00000000000f", "UUID=12AB-34CD",
                                               "/dev/vdb1", "/dev/mapper/luks" };
        static const char *const no_sources[] = {
                "",     "UUID=",   "UUID=x",  "UUID=../../etc/passwd", "/etc/passwd", "/dev/../etc/passwd",
                "vdb1", "LABEL=x", "/dev/a b"
        };
        char name[ATTACHED_NAME_SIZE + 1];

        FOREACH_ELEMENT (c, good)
                expect_true(*c, attached_name_is_valid(*c));
        FOREACH_ELEMENT (c, bad)
                expect_true(*c, !attached_name_is_valid(*c));
        FOREACH_ELEMENT (c, sources)
                expect_true(*c, attached_source_is_valid(*c));
        FOREACH_ELEMENT (c, no_sources)
                expect_true(*c, !attached_source_is_valid(*c));
        memset(name, 'a', ATTACHED_NAME_SIZE);
        name[ATTACHED_NAME_SIZE] = '\0';
        expect_true("a name too long", !attached_name_is_valid(name));
}

static void test_fstab(void) {
        static char text[] = "# /dev/mapper/srv /no ext4 defaults 0 0\n"
                             "/dev/mapper/srv /srv ext4 defaults 0 2\n"
                             "/dev/mapper/srv /srv/with\\040blank ext4 noauto 0 0\n"
                             "/dev/mapper/srv2 /srv2 xfs defaults 0 0\n"
                             "/dev/mapper/srv none swap sw 0 0\n"
                             "UUID=1 / ext4 defaults 0 1\n"
                             "/dev/mapper/srv\n";
        _cleanup_(fclosep) FILE *fstab = fmemopen(text, sizeof(text) - 1, "r");
        UnitMounts mounts;

        expect_int("an fstab", unit_mounts_read(fstab, "srv", &mounts), 0);
        expect_int("two mounts", (int64_t)mounts.n, 2);
        expect_str("the first", mounts.items[0], "srv.mount");
        expect_str("the second", mounts.items[1], "srv-with\\x20blank.mount");
}

int main(void) {
        test_escape();
        test_names();
        test_fstab();
        return test_end();
}
