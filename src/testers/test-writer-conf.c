/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the test writer's file
 */

#include "testers/writer-conf.h"
#include "util/test.h"

static int parse(const char *text, ConfError *error, TestWriterConf *ret_conf) {
        Conf *conf = NULL;
        int r = conf_parse(text, strlen(text), error, &conf);

        return r < 0 ? r : test_writer_conf_from_conf(conf, error, ret_conf);
}

static const char whole[] = "[Writer]\n"
                            "Usage=system-service\n"
                            "Level=back-end\n"
                            "Schema=copy, timestamped incremental\n"
                            "Seed=7\n"
                            "DeleteFiles=yes\n"
                            "[RestoreMethod]\n"
                            "Method=if-can-replace\n"
                            "WriterRestore=if-replace-fails\n"
                            "[Mapping]\n"
                            "Path=/srv/a\nFilespec=*\nRecursive=yes\nAlternatePath=/srv/b\n"
                            "[Exclude]\n"
                            "Path=/srv/a\nFilespec=*.tmp\n"
                            "[ExcludeFromSnapshot]\n"
                            "Path=/srv/a\nFilespec=*.cache\n"
                            "[Component]\n"
                            "LogicalPath=one/two\nName=first\nRestoreTarget=directed\n"
                            "[Files]\n"
                            "Path=/srv/a\n"
                            "[Files]\n"
                            "Path=$HOME/b\nFilespec=x?.db\nRecursive=yes\nAlternatePath=/srv/c\nKind=log\n"
                            "BackupRequired=full log\nSnapshotRequired=none\n"
                            "[PartialFile]\n"
                            "Path=/srv/a\nFilespec=big\nRanges=0:5,100:20\n"
                            "[DifferencedFiles]\n"
                            "Path=/srv/a\nFilespec=*\nModifiedAfter=2026-01-31 12:00:00\n"
                            "[DirectedTarget]\n"
                            "Path=/srv/a\nFilespec=big\nDestinationPath=/srv/d\nDestinationFilespec=small\n"
                            "[Component]\n"
                            "Name=second\nSelectable=no\nSelectableForRestore=yes\nType=database\n"
                            "[Dependency]\n"
                            "WriterId=5e700000-0000-4000-8000-000000000001\nName=other\n"
                            "[FailEvent]\n"
                            "Event=Freeze\nFailures=3\n"
                            "[FailEvent]\n"
                            "Event=PostRestore\nRetryable=no\nFailures=0\nMessage=on fire\nVeto=yes\n";

static void test_whole(void) {
        _cleanup_test_writer_conf_ TestWriterConf conf = { 0 };
        ConfError error = { 0 };
        const TestComponent *c;

        expect_int("a whole file", parse(whole, &error, &conf), 0);
        if (*error.message)
                printf("# %u: %s\n", error.line, error.message);
        expect_int("usage", conf.usage, VSS_UT_SYSTEMSERVICE);
        expect_int("level", conf.level, VSS_APP_BACK_END);
        expect_int("schema", conf.schema, VSS_BS_COPY | VSS_BS_TIMESTAMPED | VSS_BS_INCREMENTAL);
        expect_int("seed", (int64_t)conf.seed, 7);
        expect_true("a switch", conf.delete_files && !conf.delete_partial_files && conf.check_includes);
        expect_int("method", conf.method, VSS_RME_RESTORE_IF_CAN_REPLACE);
        expect_int("when it wants to know", conf.writer_restore, VSS_WRE_IF_REPLACE_FAILS);
        expect_int("mappings", (int64_t)conf.n_mappings, 1);
        expect_str("where to", conf.mappings[0].alternate_path, "/srv/b");
        expect_true("recursive", conf.mappings[0].recursive);
        expect_str("an exclusion", conf.excludes[0].filespec, "*.tmp");
        expect_str("one from the shadow copy", conf.snapshot_excludes[0].filespec, "*.cache");

        expect_int("components", (int64_t)conf.n_components, 2);
        c = &conf.components[0];
        expect_str("logical path", c->logical_path, "one/two");
        expect_true("by default it can be selected", c->selectable && !c->selectable_for_restore);
        expect_int("where it is restored to", c->restore_target, VSS_RT_DIRECTED);
        expect_int("file sets", (int64_t)c->n_files, 2);
        expect_str("everything, by default", c->files[0].filespec, "*");
        expect_int("for each kind of backup", c->files[0].backup_required, VSS_FSBT_ALL_BACKUP_REQUIRED);
        expect_str("a path with a variable", c->files[1].path, "$HOME/b");
        expect_str("an alternate path", c->files[1].alternate_path, "/srv/c");
        expect_int("a kind", c->files[1].kind, TEST_LOG);
        expect_int("a mask", c->files[1].backup_required,
                   VSS_FSBT_FULL_BACKUP_REQUIRED | VSS_FSBT_LOG_BACKUP_REQUIRED);
        expect_int("none", c->files[1].snapshot_required, 0);
        expect_str("ranges", c->partial_files[0].ranges, "0:5,100:20");
        expect_int("a time", c->differenced_files[0].modified_after, INT64_C(1769860800000000));
        expect_str("a directed target", c->directed_targets[0].destination_filespec, "small");
        c = &conf.components[1];
        expect_int("the other's sets are its own", (int64_t)(c->n_files + c->n_partial_files), 0);
        expect_int("its type", c->type, VSS_CT_DATABASE);
        expect_str("what it depends on", c->dependencies[0].name, "other");

        expect_int("failures", (int64_t)conf.n_failures, 2);
        expect_int("of which event", conf.failures[0].event, TEST_FREEZE);
        expect_true("retryable by default", conf.failures[0].retryable && conf.failures[0].failures == 3);
        expect_true("or not, and always", !conf.failures[1].retryable && conf.failures[1].failures == 0);
        expect_str("with a word", conf.failures[1].message, "on fire");
}

static void test_bad(void) {
        static const struct {
                const char *label, *text, *message;
                unsigned line;
        } table[] = {
                { "a section that is none", "[Writer]\n[Compnent]\n", "no section [Compnent]", 2 },
                { "a key that is none", "[Writer]\nColour=red\n", "[Writer] knows no Colour=", 2 },
                { "a word that is none", "[Writer]\nLevel=top\n", "one of system, back-end", 2 },
                { "a flag that is none", "[Writer]\nSchema=copy colour\n", "knows no \"colour\"", 2 },
                { "a path that is relative", "[Component]\nName=a\n[Files]\nPath=srv\n", "absolute path",
                  4 },
                { "a path that climbs", "[Component]\nName=a\n[Files]\nPath=/srv/../etc\n", "absolute path",
                  4 },
                { "files of no component", "[Files]\nPath=/srv\n", "belongs to a [Component]", 1 },
                { "a component without a name", "\n[Component]\nType=database\n", "wants a Name=", 2 },
                { "a number that is none", "[FailEvent]\nEvent=Thaw\nFailures=-1\n", "is a number", 3 },
                { "an event that is none", "[FailEvent]\nEvent=Melt\n", "one of Identify", 2 },
                { "a time that is none",
                  "[Component]\nName=a\n[DifferencedFiles]\nPath=/a\nFilespec=*\nModifiedAfter=noon\n",
                  "YYYY-MM-DD", 6 },
                { "neither yes nor no", "[Writer]\nDeleteFiles=perhaps\n", "yes or no", 2 },
        };

        FOREACH_ELEMENT (row, table) {
                _cleanup_test_writer_conf_ TestWriterConf conf = { 0 };
                ConfError error = { 0 };

                expect_int(row->label, parse(row->text, &error, &conf), -EBADMSG);
                expect_int("  its line", error.line, row->line);
                if (!expect_true_at(__FILE__, __LINE__, "  says what",
                                    strstr(error.message, row->message) != NULL))
                        printf("# %s\n", error.message);
        }
}

static void test_limit(void) {
        _cleanup_test_writer_conf_ TestWriterConf conf = { 0 };
        char text[TEST_RECORDS_MAX * 40 + 100];
        ConfError error = { 0 };
        size_t n = 0;

        for (unsigned i = 0; i <= TEST_RECORDS_MAX; i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "[Component]\nName=c%u\n", i);
        expect_int("too many components", parse(text, &error, &conf), -E2BIG);
        expect_int("  its line", error.line, TEST_RECORDS_MAX * 2 + 1);
}

int main(void) {
        test_whole();
        test_bad();
        test_limit();
        return test_end();
}
