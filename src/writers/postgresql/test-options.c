/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restore options, and what a backup says of itself: read right, and refused where they are none
 */

#include <errno.h>
#include "util/macro.h"
#include "util/test.h"
#include "writers/postgresql/backup-info.h"
#include "writers/postgresql/options.h"

static void test_options(void) {
        static const char *const bad[] = { "target-time",
                                           "target-time=",
                                           "target=late",
                                           "target-lsn=1",
                                           "target-xid=1x",
                                           "restore-command=rm",
                                           "target-time=a;target-time=b",
                                           "target-time=1;target=immediate",
                                           "archive=maybe",
                                           "target-timeline=x",
                                           "=1" };
        PgOptions options = { .exclusive = true };
        char why[400];

        expect_int("none", pg_options_parse(NULL, &options, why, sizeof(why)), 0);
        expect_true("no target, and the archive",
                    !options.has_target && options.archive && !options.exclusive);
        expect_int(
                "a time",
                pg_options_parse(" target-time = 2026-11-22 12:00:00+00 ;\ntarget-inclusive=no; archive=no;",
                                 &options, why, sizeof(why)),
                0);
        expect_str("as it was", options.target_time, "2026-11-22 12:00:00+00");
        expect_true("a target", options.has_target && options.exclusive && !options.archive);
        FOREACH_ELEMENT (p, bad) {
                why[0] = '\0';
                expect_int(*p, pg_options_parse(*p, &options, why, sizeof(why)), -EINVAL);
                expect_true("it is told", why[0]);
        }
}

static void test_settings(void) {
        static const struct {
                const char *label, *options, *wal, *configured, *want;
        } cases[] = {
                { "nothing", "", NULL, "", "restore_command = 'false'\n" },
                { "a log", "", "pg_wal/x", "",
                  "restore_command = 'cp \"pg_wal/x/%f\" \"%p\" 2>/dev/null'\n" },
                { "a log and an archive", "", "pg_wal/x", "get '%f'",
                  "restore_command = 'cp \"pg_wal/x/%f\" \"%p\" 2>/dev/null || ( get ''%f'' )'\n" },
                { "an archive", "", NULL, "get %f \\", "restore_command = 'get %f \\\\'\n" },
                { "not to be used", "archive=no", NULL, "get", "restore_command = 'false'\n" },
                { "a name with quotes", "target-name=it's", NULL, "", "recovery_target_name = 'it''s'\n" },
                { "up to it", "target-lsn=0/1; target-inclusive=no", NULL, "",
                  "recovery_target_inclusive = 'off'\n" },
                { "at once", "target=immediate", NULL, "", "recovery_target = 'immediate'\n" },
                { "and then", "", NULL, "", "recovery_target_action = 'promote'\n" },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_(freep) char *text = NULL;
                PgOptions options;
                char why[400];

                expect_int(c->label, pg_options_parse(c->options, &options, why, sizeof(why)), 0);
                expect_int(c->label, pg_options_format(&options, c->wal, c->configured, &text), 0);
                expect_true(c->label, text && strstr(text, c->want));
        }
}

static void test_info(void) {
        static const char *const bad[] = {
                "",
                "mode=backup\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\n",
                "linuxvss-postgresql=1\nmode=none\nversion=15\ndata=/d\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=d\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=/d/../e\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=/d/..\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=../15\ndata=/d\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=/d\ntablespace=1\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=/d\nlocation=/x\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=/d\ntablespace=../x\nlocation=/x\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=/d\nlsn=x\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=/d\nbackup-label=\\x\n",
                "linuxvss-postgresql=1\nmode=backup\nversion=15\ndata=/d\nline\n",
        };
        InfoSpace spaces[] = { { (char *)"16385", (char *)"/srv/one" },
                               { (char *)"16386", (char *)"/srv/t w o" } };
        BackupInfo info = {
                .mode = PG_BACKUP,
                .version = "15",
                .system_id = "7312345678901234567",
                .timeline = 2,
                .segment_size = 16 << 20,
                .lsn = 0x3000028,
                .start = 0x3000060,
                .stop = 0x4000000,
                .in_recovery = true,
                .data = (char *)"/srv/data",
                .wal = (char *)"/srv/wal",
                .spaces = spaces,
                .n_spaces = 2,
                .label = (char *)"START WAL LOCATION: 0/3000060\nLABEL: a\\b\n",
        };
        _cleanup_(freep) char *text = NULL, *again = NULL;
        BackupInfo read = { 0 };

        expect_int("it is written", backup_info_format(&info, &text), 0);
        expect_int("and read", backup_info_parse(text, &read), 0);
        expect_str("the label", read.label, info.label);
        expect_int("the end", read.stop, 0x4000000);
        expect_int("its tablespaces", read.n_spaces, 2);
        expect_true("no map", !read.map);
        expect_int("written again", backup_info_format(&read, &again), 0);
        expect_str("it is the same", again, text);
        backup_info_clear(&read);
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                char label[32];

                (void)snprintf(label, sizeof(label), "bad text %zu", i);
                expect_int(label, backup_info_parse(bad[i], &read), -EBADMSG);
        }
        expect_int("what is not known is left out",
                   backup_info_parse("linuxvss-postgresql=1\nmode=stopped\nversion=15\ndata=/d\nlater=x\n",
                                     &read),
                   0);
        backup_info_clear(&read);
}

int main(void) {
        test_options();
        test_settings();
        test_info();
        return test_end();
}
