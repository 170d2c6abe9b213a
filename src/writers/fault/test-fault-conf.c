/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The fault writer's file
 */

#include <string.h>
#include "util/test.h"
#include "writers/fault/fault.h"

static int parse(const char *text, ConfError *error, FaultConf *ret_conf) {
        _cleanup_conf_ Conf *conf = NULL;
        int r = conf_parse(text, strlen(text), error, &conf);

        return r < 0 ? r : fault_conf_from_conf(conf, error, ret_conf);
}

static void test_good(void) {
        FaultConf conf = { 0 };
        ConfError error = { 0 };

        expect_int("a full file is read",
                   parse("[Writer]\nPath=/srv/a\nPath=/srv/b\nUser=games\nLevel=system\nComponents=3\n"
                         "Schema=32\n"
                         "[Events]\nFreeze=fail E_WRITERERROR_RETRYABLE come back later\n"
                         "PrepareForSnapshot=slow "
                         "2000\nThaw=hang\nAbort=crash\nPostSnapshot=stop\nIdentify=lie\n"
                         "BackupComplete=veto\nPreRestore=veto E_WRITERERROR_TIMEOUT 42 in use\n"
                         "PostRestore=veto E_WRITERERROR_TIMEOUT\n"
                         "[Set]\nStamp=a b\nBackupMetadata=c\nPartialFile=big 0:1, 2:3\n"
                         "DifferencedFiles=*.log 17\nRestoreMetadata=d\nRestoreTarget=2\n",
                         &error, &conf),
                   0);
        expect_int("schema", conf.schema, 32);
        expect_int("a veto that is told", conf.actions[FAULT_PRE_RESTORE].code, VSS_E_WRITERERROR_TIMEOUT);
        expect_true("is one", conf.actions[FAULT_PRE_RESTORE].reported &&
                                      !conf.actions[FAULT_BACKUP_COMPLETE].reported);
        expect_int("the application's number", conf.actions[FAULT_PRE_RESTORE].application_code, 42);
        expect_str("and words", conf.actions[FAULT_PRE_RESTORE].text, "in use");
        expect_str("which need not be", conf.actions[FAULT_POST_RESTORE].text, "as its file says");
        expect_str("a stamp", conf.set.stamp, "a b");
        expect_str("metadata", conf.set.backup_metadata, "c");
        expect_str("a partial file", conf.set.partial_file, "big");
        expect_str("its ranges", conf.set.ranges, "0:1, 2:3");
        expect_str("differenced files", conf.set.differenced, "*.log");
        expect_int("their date", (int64_t)conf.set.modified_after_usec, 17);
        expect_str("metadata for the restore", conf.set.restore_metadata, "d");
        expect_int("its target", (int64_t)conf.set.restore_target, VSS_RT_ALTERNATE);
        expect_int("paths", conf.n_paths, 2);
        expect_int("components", conf.n_components, 3);
        expect_int("level", conf.level, VSS_APP_SYSTEM);
        expect_int("a failure's code", conf.actions[FAULT_FREEZE].code, VSS_E_WRITERERROR_RETRYABLE);
        expect_str("and text", conf.actions[FAULT_FREEZE].text, "come back later");
        expect_int("milliseconds", conf.actions[FAULT_PREPARE_SNAPSHOT].milliseconds, 2000);
        expect_int("hang", conf.actions[FAULT_THAW].kind, FAULT_HANG);
        expect_int("crash", conf.actions[FAULT_ABORT].kind, FAULT_CRASH);
        expect_int("stop", conf.actions[FAULT_POST_SNAPSHOT].kind, FAULT_STOP);
        expect_int("lie", conf.actions[FAULT_IDENTIFY].kind, FAULT_LIE);
        expect_int("veto", conf.actions[FAULT_BACKUP_COMPLETE].kind, FAULT_VETO);
        expect_int("nothing", conf.actions[FAULT_BACKUP_SHUTDOWN].kind, FAULT_NONE);
        fault_conf_clear(&conf);
}

static void test_bad(void) {
        static const struct {
                const char *label, *text;
                unsigned line;
        } table[] = {
                { "an event that is none", "[Events]\nFrost=hang\n", 2 },
                { "an action that is none", "[Events]\nFreeze=explode\n", 2 },
                { "a failure that is none", "[Events]\nFreeze=fail S_OK\n", 2 },
                { "no milliseconds", "[Events]\nFreeze=slow\n", 2 },
                { "a veto of no failure", "[Events]\nFreeze=veto S_OK\n", 2 },
                { "an application's number that is none", "[Events]\nFreeze=veto E_WRITERERROR_TIMEOUT x\n",
                  2 },
                { "a partial file without ranges", "[Set]\nPartialFile=big\n", 2 },
                { "differenced files without a date", "[Set]\nDifferencedFiles=*\n", 2 },
                { "no restore target", "[Set]\nRestoreTarget=5\n", 2 },
                { "a setting that is none", "[Set]\nStump=x\n", 2 },
                { "a schema that is none", "[Writer]\nSchema=all\n", 2 },
                { "a relative path", "[Writer]\nPath=srv\n", 2 },
                { "a section that is none", "[Event]\n", 1 },
                { "too many components", "[Writer]\nComponents=100000\n", 2 },
        };

        FOREACH_ELEMENT (row, table) {
                FaultConf conf = { 0 };
                ConfError error = { 0 };

                expect_int(row->label, parse(row->text, &error, &conf), -EBADMSG);
                expect_int("  its line", error.line, row->line);
        }
}

static void test_missing(void) {
        FaultConf conf = { 0 };
        ConfError error = { 0 };

        expect_int("no file is no error", fault_conf_read("/nonexistent/fault.conf", &error, &conf), 0);
        expect_true("and no component", conf.n_paths == 0 && !conf.present);
}

int main(void) {
        test_good();
        test_bad();
        test_missing();
        return test_end();
}
