/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the test requester's settings, from its file and its command line
 */

#include "testers/requester-conf.h"
#include "util/test.h"

static int parse(const char *text, ConfError *error, RequesterConf *conf) {
        Conf *read = NULL;
        int r = conf_parse(text, strlen(text), error, &read);

        return r < 0 ? r : requester_conf_from_conf(read, error, conf);
}

static void test_file(void) {
        RequesterConf conf = REQUESTER_CONF_INIT;
        ConfError error = { 0 };
        const RequesterComponent *c;

        expect_int("a file",
                   parse("[Requester]\nType=full\nContext=app-rollback\nRetries=3\nPartialFiles="
                         "yes\nCancelAt=Freeze\n"
                         "[Path]\nPath=/srv\n"
                         "[Component]\nWriter=Test.a\nLogicalPath=one/two\nName=c\nBackupOptions=x\n"
                         "[Subcomponent]\nLogicalPath=one/two/c\nName=d\n"
                         "[NewTarget]\nPath=/a\nFilespec=*\nRecursive=yes\nAlternatePath=/b\n"
                         "[Component]\nWriter=Other\n",
                         &error, &conf),
                   0);
        expect_int("type", conf.type, VSS_BT_FULL);
        expect_int("context", conf.context, VSS_CTX_APP_ROLLBACK);
        expect_int("retries", (int64_t)conf.retries, 3);
        expect_int("event", conf.cancel_at, TEST_FREEZE);
        expect_true("switch", conf.partial_files && conf.select_components);
        expect_int("components", (int64_t)conf.n_components, 2);
        c = requester_conf_component(&conf, "Test.a", "one/two", "c");
        expect_str("a component's settings", c ? c->backup_options : NULL, "x");
        expect_str("its subcomponent", c && c->n_subcomponents ? c->subcomponents[0].name : NULL, "d");
        expect_true("its new target", c && c->n_targets == 1 && c->targets[0].recursive);
        expect_true("all of a writer", !conf.components[1].name && conf.components[1].select);
        expect_str("a path", conf.n_paths ? conf.paths[0].path : NULL, "/srv");
        requester_conf_clear(&conf);
}

static void test_bad(void) {
        static const struct {
                const char *label, *text;
                unsigned line;
        } table[] = {
                { "a section that is none", "[Reqester]\n", 1 },
                { "a key that is none", "[Requester]\nColour=red\n", 2 },
                { "a type that is none", "[Requester]\nType=most\n", 2 },
                { "a path that is relative", "[Requester]\nStore=here\n", 2 },
                { "a component of nobody", "[Component]\nName=c\n", 1 },
                { "a target of nothing", "[NewTarget]\nPath=/a\n", 1 },
        };

        FOREACH_ELEMENT (row, table) {
                RequesterConf conf = REQUESTER_CONF_INIT;
                ConfError error = { 0 };

                expect_int(row->label, parse(row->text, &error, &conf), -EBADMSG);
                expect_int("  its line", error.line, row->line);
                requester_conf_clear(&conf);
        }
}

static void test_select(void) {
        static const struct {
                const char *text, *writer, *logical_path, *name;
                int want;
        } table[] = {
                { "Test", "Test", "", NULL, 0 },
                { "Test.a:c", "Test.a", "", "c", 0 },
                { "Test:/c", "Test", "", "c", 0 },
                { "Test:one/two/c d", "Test", "one/two", "c d", 0 },
                { "", NULL, NULL, NULL, -EINVAL },
                { ":c", NULL, NULL, NULL, -EINVAL },
                { "Test:", NULL, NULL, NULL, -EINVAL },
                { "Test:/", NULL, NULL, NULL, -EINVAL },
                { "Test:one/", NULL, NULL, NULL, -EINVAL },
        };

        FOREACH_ELEMENT (row, table) {
                RequesterConf conf = REQUESTER_CONF_INIT;

                expect_int(*row->text ? row->text : "(empty)", requester_conf_select(&conf, row->text),
                           row->want);
                if (row->want == 0) {
                        expect_str("  writer", conf.components[0].writer, row->writer);
                        expect_str("  logical path", conf.components[0].logical_path, row->logical_path);
                        expect_str("  name", conf.components[0].name, row->name);
                }
                requester_conf_clear(&conf);
        }
}

static void test_words(void) {
        char *words[] = { (char *)"x",
                          (char *)"backup",
                          (char *)"--documents=/d",
                          (char *)"--store=/s",
                          (char *)"--select=W:c",
                          (char *)"--type=log",
                          (char *)"--verbose",
                          NULL };
        RequesterConf conf = { 0 };

        expect_int("a command line", requester_conf_parse((int)ELEMENTS(words) - 1, words, &conf), 0);
        expect_int("verb", conf.verb, VERB_BACKUP);
        expect_str("documents", conf.documents, "/d");
        expect_int("type", conf.type, VSS_BT_LOG);
        expect_true("verbose", conf.verbose);
        expect_int("what is selected", (int64_t)conf.n_components, 1);
        requester_conf_clear(&conf);
}

int main(void) {
        test_file();
        test_bad();
        test_select();
        test_words();
        return test_end();
}
