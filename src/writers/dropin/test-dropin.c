/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Drop-in files: what they may say, which line is wrong, and which files count
 */

#include <string.h>
#include <sys/stat.h>
#include "util/test.h"
#include "writers/dropin/guardian.h"

#define WRITER "[Writer]\nName=shop\nUser=games\n"
#define COMPONENT "[Component]\nPath=/srv/shop\n"

static int parse(const char *text, ConfError *error, DropIn **ret_dropin) {
        _cleanup_conf_ Conf *conf = NULL;
        int r = conf_parse(text, strlen(text), error, &conf);

        return r < 0 ? r : dropin_from_conf(conf, error, ret_dropin);
}

static void test_good(void) {
        static const char text[] =
                "[Component]\nName=orders\nLogicalPath=data/live\nPath=/srv/shop/orders\n"
                "Filespec=*.dat\nRecursive=no\n"
                "DependsOn=5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8 srv/shop/a.db\n"
                "DependsOn=5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8 top\n"
                "[Writer]\nName=shop\nUser=games\nLevel=back-end\nRoots=/srv/shop \"/srv/a b\"\n"
                "RestoreUnit=shop@main.service\n"
                "[Component]\nName=orders\nLogicalPath=data/live\nPath=/srv/shop/index\n"
                "[Exclude]\nPath=/srv/shop/orders\nFilespec=*.tmp\n"
                "[ExcludeFromSnapshot]\nPath=/srv/shop/orders\nFilespec=*.lock\n"
                "[Commands]\nHold=/usr/bin/shop --hold 'two words'\nTimeout=7\n"
                "PreRestore=/usr/bin/shop stop\nPostRestore=/usr/bin/shop start\n";
        _cleanup_(dropin_freep) DropIn *dropin = NULL;
        ConfError error = { 0 };

        expect_int("a full file is read", parse(text, &error, &dropin), 0);
        if (!dropin)
                return;
        expect_str("its name", dropin->name, "shop");
        expect_int("its level", dropin->level, VSS_APP_BACK_END);
        expect_int("two sections of a name are one component", dropin->n_components, 1);
        expect_str("below the file's name", dropin->components[0].logical_path, "shop/data/live");
        expect_int("with the files of both, and excludes", dropin->n_file_sets, 4);
        expect_true("recursive as said", !dropin->file_sets[0].recursive && dropin->file_sets[1].recursive);
        expect_true("the exclude is one", dropin->file_sets[2].component == DROPIN_EXCLUDE);
        expect_true("so is that from the shadow copy",
                    dropin->file_sets[3].component == DROPIN_EXCLUDE_FROM_SNAPSHOT);
        expect_int("what it depends on", dropin->n_dependencies, 2);
        expect_str("the writer", dropin->dependencies[0].writer_id, "5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8");
        expect_str("the logical path", dropin->dependencies[0].logical_path, "srv/shop");
        expect_str("the name", dropin->dependencies[0].name, "a.db");
        expect_str("or none", dropin->dependencies[1].logical_path, "");
        expect_str("the unit", dropin->restore_unit, "shop@main.service");
        expect_str("before a restore", dropin->commands[DROPIN_PRE_RESTORE][1], "stop");
        expect_str("and after it", dropin->commands[DROPIN_POST_RESTORE][1], "start");
        expect_str("roots are words", dropin->roots[1], "/srv/a b");
        expect_str("commands are words, without a shell", dropin->commands[DROPIN_HOLD][2], "two words");
        expect_int("its timeout", dropin->timeout_seconds, 7);
        expect_true("it has a hold", !dropin_has_no_hold(dropin));
}

static void test_bad(void) {
        static const struct {
                const char *label, *text;
                unsigned line;
        } table[] = {
                { "no writer", COMPONENT, 0 },
                { "no user", "[Writer]\nName=shop\n" COMPONENT, 1 },
                { "no component", WRITER, 0 },
                { "a key that is not known", WRITER "Nmae=x\n" COMPONENT, 4 },
                { "a section that is not known", WRITER COMPONENT "[Comands]\nHold=/bin/true\n", 6 },
                { "a second writer", WRITER COMPONENT "[Writer]\nName=b\nUser=c\n", 6 },
                { "a relative path", WRITER "[Component]\nPath=srv\n", 4 },
                { "a path that climbs", WRITER "[Component]\nPath=/srv/../etc\n", 4 },
                { "a filespec with a directory", WRITER "[Component]\nPath=/srv\nFilespec=a/b\n", 4 },
                { "a level that is none", WRITER "Level=top\n" COMPONENT, 4 },
                { "a program without its path", WRITER COMPONENT "[Commands]\nHold=true\n", 7 },
                { "an open quote", WRITER COMPONENT "[Commands]\nHold=/bin/echo 'a\n", 7 },
                { "no time", WRITER COMPONENT "[Commands]\nTimeout=0\n", 7 },
                { "freeze without thaw", WRITER COMPONENT "[Commands]\nFreeze=/bin/true\n", 0 },
                { "thaw without freeze", WRITER COMPONENT "[Commands]\nThaw=/bin/true\n", 0 },
                { "two ways to hold",
                  WRITER COMPONENT "[Commands]\nHold=/bin/a\nFreeze=/bin/b\nThaw=/bin/c\n", 0 },
                { "no unit", WRITER "RestoreUnit=shop\n" COMPONENT, 4 },
                { "an option for a unit", WRITER "RestoreUnit=--now.service\n" COMPONENT, 4 },
                { "a unit that is no service", WRITER "RestoreUnit=a.timer\n" COMPONENT, 4 },
                { "a path for a unit", WRITER "RestoreUnit=/a.service\n" COMPONENT, 4 },
                { "two units", WRITER "RestoreUnit=a.service b.service\n" COMPONENT, 4 },
                { "a dependency on a name", WRITER COMPONENT "DependsOn=SQLite a\n", 6 },
                { "on a writer as a whole",
                  WRITER COMPONENT "DependsOn=5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8\n", 6 },
                { "on a path with a slash in front",
                  WRITER COMPONENT "DependsOn=5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8 /a\n", 6 },
                { "on no name", WRITER COMPONENT "DependsOn=5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8 a/\n", 6 },
                { "an exclude that depends",
                  WRITER COMPONENT
                  "[Exclude]\nPath=/srv\nDependsOn=5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8 a\n",
                  8 },
                { "a name with a slash", "[Writer]\nName=a/b\nUser=games\n" COMPONENT, 1 },
        };

        FOREACH_ELEMENT (row, table) {
                DropIn *dropin = NULL;
                ConfError error = { 0 };
                char label[128];

                expect_int(row->label, parse(row->text, &error, &dropin), -EBADMSG);
                (void)snprintf(label, sizeof(label), "%s: the line is named, and nothing comes out",
                               row->label);
                expect_true(label, error.line == row->line && error.message[0] && !dropin);
        }
}

static void write_file(const char *directory, const char *name, const char *text, mode_t mode) {
        char path[256];
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        file = fopen(path, "we");
        if (!file || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, mode) < 0)
                abort();
}

static bool warns(const DropInSet *set, const char *text) {
        for (size_t i = 0; i < set->warnings.n; i++)
                if (strstr(set->warnings.items[i], text))
                        return true;
        return false;
}

static void test_load(void) {
        char first[] = "/tmp/vss-test-dropin-XXXXXX", second[] = "/tmp/vss-test-dropin-XXXXXX", path[256];
        const char *directories[] = { first, second, "/nonexistent" };
        DropInSet set = { 0 };

        if (!mkdtemp(first) || !mkdtemp(second))
                abort();
        write_file(first, "a.conf", "[Writer]\nName=a\nUser=games\n" COMPONENT, 0644);
        write_file(first, "bad.conf", "[Writer]\nName=bad\nUser=games\nNmae=x\n" COMPONENT, 0644);
        write_file(first, "open.conf", "[Writer]\nName=open\nUser=games\n" COMPONENT, 0666);
        write_file(first, "twin.conf", "[Writer]\nName=a\nUser=games\n" COMPONENT, 0644);
        write_file(first, "other.txt", "[Writer]\n", 0644);
        write_file(second, "a.conf", "[Writer]\nName=hidden\nUser=games\n" COMPONENT, 0644);
        write_file(second, "z.conf", "[Writer]\nName=z\nUser=games\n" COMPONENT, 0644);
        write_file(second, "masked.conf", "[Writer]\nName=masked\nUser=games\n" COMPONENT, 0644);
        (void)snprintf(path, sizeof(path), "%s/masked.conf", first);
        if (symlink("/dev/null", path) < 0)
                abort();

        expect_int("directories are read", dropin_set_load(directories, ELEMENTS(directories), &set), 0);
        expect_int("good files count", set.n, 2);
        expect_str("the earlier directory wins", set.n > 0 ? set.items[0]->name : "", "a");
        expect_str("the later one counts, too", set.n > 1 ? set.items[1]->name : "", "z");
        expect_true("an error names file and line", warns(&set, "bad.conf, line 4"));
        expect_true("a file that others can write to is refused", warns(&set, "open.conf"));
        expect_true("a name that is taken is refused", warns(&set, "twin.conf: Name=a is taken"));
        expect_int("and that is all", set.warnings.n, 3);
        dropin_set_clear(&set);
        (void)snprintf(path, sizeof(path), "rm -r %s %s", first, second);
        if (system(path) != 0)
                abort();
}

static void test_paths(void) {
        static const struct {
                const char *path, *root;
                bool below;
        } table[] = { { "/srv/a", "/srv", true }, { "/srv", "/srv", true },    { "/srvx", "/srv", false },
                      { "/srv/a", "/", true },    { "/srv", "/srv/a", false }, { "/srv/a", "/srv/", true } };

        FOREACH_ELEMENT (row, table)
                expect_int(row->path, path_is_below(row->path, row->root), row->below);
}

static void test_output(void) {
        CommandOutput out = { 0 };
        char big[3000];

        command_output_add(&out, "REA", 3);
        expect_true("half a word is not READY", !out.ready);
        command_output_add(&out, "DY\n", 3);
        expect_true("in two pieces it is", out.ready);
        out = (CommandOutput){ 0 };
        command_output_add(&out, "NOT READY\nREADY!\n", 17);
        expect_true("with more in the line it is not", !out.ready);
        expect_str("lines are parted for people", command_output_text(&out), "NOT READY|READY!");

        memset(big, 'x', sizeof(big));
        memcpy(big + sizeof(big) - 4, "end\n", 4);
        out = (CommandOutput){ 0 };
        command_output_add(&out, big, 1500);
        command_output_add(&out, big + 1500, 1500);
        expect_int("only the end is kept", strlen(command_output_text(&out)), COMMAND_OUTPUT_MAX - 1);
        expect_true("which says why", strstr(out.text, "xend") != NULL);
        out = (CommandOutput){ 0 };
        command_output_add(&out, "bad \xff\n", 6);
        expect_str("what is not UTF-8 is replaced", command_output_text(&out), "bad ?");
}

int main(void) {
        test_good();
        test_bad();
        test_load();
        test_paths();
        test_output();
        return test_end();
}
