/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File sets: patterns, directories, variables, backup masks
 */

#include "model/filespec.h"
#include "util/clock.h"
#include "util/test.h"

static void test_matches(void) {
        static const struct {
                const char *spec, *name;
                bool matches;
        } cases[] = {
                { "a", "a", true },
                { "a", "A", false },
                { "a", "ab", false },
                { "ab", "a", false },
                { "*", "", true },
                { "*", ".hidden", true },
                { "*.*", "a", false },
                { "*.*", "a.b", true },
                { "*.db", "x.db", true },
                { "*.db", ".db", true },
                { "*.db", "x.dbx", false },
                { "*.db", "x.db.db", true },
                { "a*b*c", "axxbyyc", true },
                { "a*b*c", "axxbyy", false },
                { "**", "x", true },
                { "a**", "a", true },
                { "?", "", false },
                { "?", "x", true },
                { "?", "xy", false },
                { "a?c", "abc", true },
                { "*?", "", false },
                { "*?", "x", true },
                { "??", "\xc3\xa9", false },
                { "?", "\xc3\xa9", true },
                { "*??", "\xc3\xa9", false },
                { "?", "\xff", true },
                { "?", "\xc3", true },
                { "[a]", "a", false },
                { "[a]", "[a]", true },
                { "\\*", "\\x", true },
                { "", "", true },
                { "", "a", false },
        };
        char spec[200], name[256];
        uint64_t begin;

        FOREACH_ELEMENT (c, cases) {
                char label[64];

                (void)snprintf(label, sizeof(label), "\"%s\" and \"%s\"", c->spec,
                               (unsigned char)*c->name < 0x80 ? c->name : "...");
                expect_int(label, filespec_matches(c->spec, c->name), c->matches);
        }
        /* Many * and a near miss: must not try all ways to spread them. */
        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        for (size_t i = 0; i + 2 < sizeof(spec); i += 2) {
                spec[i] = '*';
                spec[i + 1] = 'a';
        }
        spec[sizeof(spec) - 2] = 'b';
        spec[sizeof(spec) - 1] = '\0';
        begin = now_usec();
        expect_true("many * do not match", !filespec_matches(spec, name));
        expect_true("and end soon", now_usec() - begin < 1000000);
}

static void test_covers(void) {
        static const struct {
                const char *directory, *spec;
                bool recursive;
                const char *path;
                bool covers;
        } cases[] = {
                { "/a", "*", false, "/a/f", true },   { "/a", "*", false, "/a/b/f", false },
                { "/a", "*", true, "/a/b/f", true },  { "/a", "*", true, "/ab/f", false },
                { "/a", "*", true, "/a", false },     { "/a", "f", true, "/a/b/f", true },
                { "/a", "b", true, "/a/b/f", false }, { "/", "*", false, "/f", true },
                { "/", "*", false, "/a/f", false },   { "/", "*.x", true, "/a/b/f.x", true },
                { "/a/b", "*", true, "/a/f", false }, { "/", "*", true, "/", false },
        };

        FOREACH_ELEMENT (c, cases)
                expect_int(c->path, filespec_covers(c->directory, c->spec, c->recursive, c->path),
                           c->covers);
        expect_true("all below", filespec_covers_all("/a", "*", true, "/a/b"));
        expect_true("the directory itself", filespec_covers_all("/a", "**", true, "/a"));
        expect_true("not above", !filespec_covers_all("/a/b", "*", true, "/a"));
        expect_true("not if only some", !filespec_covers_all("/a", "*.x", true, "/a/b"));
        expect_true("not if not recursive", !filespec_covers_all("/a", "*", false, "/a"));
}

static const char *lookup(void *userdata, const char *name) {
        return strcmp(name, "HOME") == 0             ? "/home/u"
               : strcmp(name, "TWICE") == 0          ? "/$HOME"
               : strcmp(name, "UP") == 0             ? ".."
               : strcmp(name, "DIR") == 0            ? "dir/"
               : strcmp(name, "ProgramData(x)") == 0 ? "/opt"
                                                     : NULL;
}

static void test_expand(void) {
        static const struct {
                const char *path, *expanded;
        } cases[] = {
                { "/srv/a", "/srv/a" },
                { "/srv//a/", "/srv/a" },
                { "/", "/" },
                { "$HOME/a", "/home/u/a" },
                { "${HOME}a", "/home/ua" },
                { "%HOME%/a", "/home/u/a" },
                { "/x$HOME", "/x/home/u" },
                { "/$DIR/a", "/dir/a" },
                { "%ProgramData(x)%/a", "/opt/a" },
                { "$TWICE", "/$HOME" }, /* once */
                { "/$NONE/a", "/$NONE/a" },
                { "/100%/a%b", "/100%/a%b" },
                { "/$/$1/${/${}/%%", "/$/$1/${/${}/%%" },
                { "/${HOME", "/${HOME" },
                { "$NONE/a", NULL },
                { "relative", NULL },
                { "", NULL },
                { "/a/../b", NULL },
                { "/a/./b", NULL },
                { "/a/$UP", NULL },
                { "/a\nb", NULL },
        };
        char longest[5000];

        FOREACH_ELEMENT (c, cases) {
                _cleanup_(freep) char *path = NULL;
                Why why = { "" };
                vss_result result = filespec_expand(c->path, lookup, NULL, &path, &why);

                expect_int(c->expanded ? c->path : "refused", result,
                           c->expanded ? VSS_S_OK : VSS_E_INVALIDARG);
                expect_str("is", path, c->expanded);
                expect_true("a reason, if refused", (result < 0) == (*why.text != '\0'));
        }
        memset(longest, 'x', sizeof(longest) - 1);
        longest[0] = '/';
        longest[sizeof(longest) - 1] = '\0';
        expect_int("too long", filespec_expand(longest, NULL, NULL, &(char *){ NULL }, NULL),
                   VSS_E_INVALIDARG);
}

static void test_checks(void) {
        static const char *const good_paths[] = { "/", "/a/b", "$HOME", "%A%/b", "/a/..b", "/a/.b" };
        static const char *const bad_paths[] = { "",        "a",    "/..",    "/a/..",
                                                 "/a/../b", "/./a", "/a\x01", "/\xff" };
        static const char *const good[] = { "*", "a", "*.db", "..a", "a b", "..." };
        static const char *const bad[] = { "", "a/b", "/", ".", "..", "a\n", "\xff" };

        FOREACH_ELEMENT (path, good_paths)
                expect_int(*path, filespec_check_path(*path, NULL), VSS_S_OK);
        FOREACH_ELEMENT (path, bad_paths)
                expect_int("a path that is none", filespec_check_path(*path, NULL), VSS_E_INVALIDARG);
        FOREACH_ELEMENT (spec, good)
                expect_int(*spec, filespec_check(*spec, NULL), VSS_S_OK);
        FOREACH_ELEMENT (spec, bad)
                expect_int("a specification that is none", filespec_check(*spec, NULL), VSS_E_INVALIDARG);
        expect_true("exact",
                    filespec_is_exact("a.b") && !filespec_is_exact("a?") && !filespec_is_exact("*"));
}

static void test_masks(void) {
        static const struct {
                uint32_t mask;
                enum vss_backup_type type;
                bool backup, snapshot;
        } cases[] = {
                { VSS_FSBT_DEFAULT, VSS_BT_FULL, true, true },
                { VSS_FSBT_DEFAULT, VSS_BT_COPY, true, true },
                { VSS_FSBT_DEFAULT, VSS_BT_OTHER, true, true },
                { VSS_FSBT_DEFAULT, VSS_BT_LOG, true, true },
                { 0, VSS_BT_FULL, false, false },
                { 0x1, VSS_BT_FULL, true, false },
                { 0x1, VSS_BT_COPY, true, false },
                { 0x1, VSS_BT_DIFFERENTIAL, false, false },
                { 0x202, VSS_BT_DIFFERENTIAL, true, true },
                { 0x202, VSS_BT_INCREMENTAL, false, false },
                { 0x404, VSS_BT_INCREMENTAL, true, true },
                { 0x008, VSS_BT_LOG, true, false },
                { 0x800, VSS_BT_LOG, false, true },
                { 0x10001, VSS_BT_FULL, true, true },
        };

        FOREACH_ELEMENT (c, cases) {
                char label[64];

                (void)snprintf(label, sizeof(label), "0x%x %s", c->mask, backup_type_name(c->type));
                expect_int(label, backup_mask_needs_backup(c->mask, c->type), c->backup);
                expect_int(label, backup_mask_needs_snapshot(c->mask, c->type), c->snapshot);
        }
        expect_int("a type that the writer lacks is full", backup_type_of_schema(VSS_BT_LOG, 0),
                   VSS_BT_FULL);
        expect_int("one that it has stays", backup_type_of_schema(VSS_BT_LOG, VSS_BS_LOG), VSS_BT_LOG);
        expect_int("differential", backup_type_of_schema(VSS_BT_DIFFERENTIAL, VSS_BS_INCREMENTAL),
                   VSS_BT_FULL);
        expect_int("incremental", backup_type_of_schema(VSS_BT_INCREMENTAL, VSS_BS_INCREMENTAL),
                   VSS_BT_INCREMENTAL);
        expect_int("a copy stays one", backup_type_of_schema(VSS_BT_COPY, 0), VSS_BT_COPY);
        expect_str("no type", backup_type_name((enum vss_backup_type)9), "undefined");
}

int main(void) {
        test_matches();
        test_covers();
        test_expand();
        test_checks();
        test_masks();
        return test_end();
}
