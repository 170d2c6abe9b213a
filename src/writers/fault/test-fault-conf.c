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
                         "[Events]\nFreeze=fail E_WRITERERROR_RETRYABLE come back later\n"
                         "PrepareForSnapshot=slow "
                         "2000\nThaw=hang\nAbort=crash\nPostSnapshot=stop\nIdentify=lie\n"
                         "BackupComplete=veto\n",
                         &error, &conf),
                   0);
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
