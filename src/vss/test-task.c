/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: what files of tasks say, and their timers
 */

#include "util/clock.h"
#include "util/test.h"
#include "vss/task-units.h"

#define HEAD "[Task]\nSource=/srv\nRepository=/r\nPasswordFile=/p\n"

static int parse(Task *task, const char *text) {
        ConfError error = {};
        Conf *conf = NULL;
        int r = conf_parse(text, strlen(text), &error, &conf);

        return r < 0 ? r : task_parse(task, "docs", "/etc/docs.conf", conf);
}

static void test_whole(void) {
        static const char text[] =
                "# everything\n"
                "[Task]\n"
                "Description=The 100% of it\n"
                "Source=/srv\nSource=/home/a b\nSource=writer:SQLite\nSource=writer:PostgreSQL/cluster/db\n"
                "Source=writer:Redis:/x\n"
                "Exclude=*.o\nExclude=/srv/tmp\nExcludeWriter=System\n"
                "Repository=sftp:host:/r\nPasswordCommand=/usr/bin/pass show backup\nSftpCommand=ssh host "
                "-s sftp\n"
                "KeyringSec=1h\nVss=required\nType=differential\nProvider=Btrfs\nRequire="
                "application\nWaitSec=90\n"
                "ReadTimeoutSec=30\nTag=daily\nTag=disk\nHostname=server\nCompression=better\n"
                "PreCommand=/bin/sync -f \"/a b\"\nPostCommand=/bin/true\nCommandLimitSec=5min\n"
                "KeepLast=3\nKeepDaily=7\nKeepWithin=30d\nKeepTag=keep\n"
                "[Plan]\n"
                "Full=Sun 02:00\nIncremental=Mon..Sat 02:00\nIncremental=Mon..Sat 14:00\nLog=*:0/15\n"
                "JitterSec=10min\nRunMissed=no\n";
        _cleanup_task_ Task task = {};
        const RepositoryBackupOptions *backup = &task.backup;

        expect_int("it is read", parse(&task, text), 0);
        expect_int("without a mistake", task.n_mistakes, 0);
        for (size_t i = 0; i < task.n_mistakes; i++)
                printf("# %u: %s\n", task.mistakes[i].line, task.mistakes[i].message);
        expect_true("paths",
                    backup->backup.paths.n == 2 && strcmp(backup->backup.paths.items[1], "/home/a b") == 0);
        expect_int("writers", backup->backup.writers.n, 3);
        expect_str("one as a whole", backup->backup.writers.items[0], "SQLite");
        expect_str("a component", backup->backup.writers.items[1], "PostgreSQL:/cluster/db");
        expect_str("in the other way of writing", backup->backup.writers.items[2], "Redis:/x");
        expect_true("excludes", backup->excludes.n == 2 && backup->backup.excluded.n == 1);
        expect_str("repository", backup->repo.repository, "sftp:host:/r");
        expect_str("password", backup->repo.password_command, "/usr/bin/pass show backup");
        expect_true("numbers",
                    backup->repo.keyring == 3600 && backup->backup.wait == 90 && backup->read_timeout == 30);
        expect_str("save option", backup->vss, "required");
        expect_int("type", backup->backup.type, VSS_BT_DIFFERENTIAL);
        expect_int("context", backup->backup.context, VSS_CTX_BACKUP);
        expect_str("level", backup->backup.require, "application");
        expect_str("task", backup->task, "docs");
        expect_true("command", task.pre && strcmp(task.pre[2], "/a b") == 0 && !task.pre[3]);
        expect_int("limit", task.command_limit_usec, 300 * USEC_PER_SEC);
        expect_true("rules", task.retention.rules.last == 3 && task.retention.rules.daily == 7 &&
                                     task.retention.rules.within_days == 30 &&
                                     strcmp(task.retention.rules.tags[0], "keep") == 0 &&
                                     !task.retention.rules.tags[1]);
        expect_int("schedules", task.n_schedules, 4);
        expect_true("missed runs", !task.run_missed);
        expect_true("types", task_has_type(&task, VSS_BT_LOG) && !task_has_type(&task, VSS_BT_COPY));
}

static void test_timers(void) {
        _cleanup_task_ Task task = {};
        _cleanup_(freep) char *name = NULL, *text = NULL, *other = NULL;

        expect_int("a task",
                   parse(&task, HEAD "Description=50%\n[Plan]\nFull=Sun 02:00\nFull=daily\nCopy=monthly\n"
                                     "JitterSec=90\n"),
                   0);
        name = task_timer_name("docs", VSS_BT_FULL);
        text = task_timer_text(&task, VSS_BT_FULL);
        other = task_timer_text(&task, VSS_BT_COPY);
        expect_str("its unit", name, "linuxvss-task@docs.full.timer");
        expect_true("its times",
                    text && strstr(text, "\nOnCalendar=\nOnCalendar=Sun 02:00\nOnCalendar=daily\n"));
        expect_true("and no other's",
                    text && !strstr(text, "monthly") && other && strstr(other, "OnCalendar=monthly\n"));
        expect_true("what was missed is made up for", text && strstr(text, "\nPersistent=yes\n"));
        expect_true("not all at once", text && strstr(text, "\nRandomizedDelaySec=90000ms\n"));
        expect_true("specifiers are none", text && strstr(text, "Description=50%% (full backup)\n"));
}

static void test_mistakes(void) {
        static const struct {
                const char *label, *text;
                unsigned line;
                const char *message;
        } rows[] = {
                { "nothing wrong", HEAD, 0, NULL },
                { "an unknown key", HEAD "Sorce=/a\n", 5,
                  "there is no key Sorce; Source was meant, perhaps" },
                { "another one", HEAD "Banana=1\n", 5, "there is no key Banana in section [Task]" },
                { "a key of the other section", HEAD "Full=daily\n", 5, "Full belongs into section [Plan]" },
                { "a key twice", HEAD "Hostname=a\nHostname=b\n", 6, "Hostname stands in line 5 already" },
                { "no value", HEAD "Hostname=\n", 5, "Hostname has no value" },
                { "an unknown section", HEAD "[Keep]\n", 5,
                  "there is no section [Keep]; there are [Task] and [Plan]" },
                { "a section twice", HEAD "[Plan]\nFull=daily\n[Plan]\n", 7, "[Plan] is there already" },
                { "before all sections", "Hostname=a\n" HEAD, 1, "stands before the first section, [Task]" },
                { "no absolute path", HEAD "Source=srv\n", 5,
                  "Source=srv: neither an absolute path nor writer:NAME" },
                { "a writer without a name", HEAD "Source=writer:/x\n", 5,
                  "Source=writer:/x: a writer is named as writer:NAME or writer:NAME/path" },
                { "no save option", HEAD "Vss=on\n", 5, "Vss=on: none of: auto required off" },
                { "a part of one", HEAD "Vss=auto required\n", 5,
                  "Vss=auto required: none of: auto required off" },
                { "no type", HEAD "Type=big\n", 5,
                  "Type=big: no backup type (full, differential, incremental, copy, log)" },
                { "no level", HEAD "Require=best\n", 5,
                  "Require=best: no level (application, group, volume, none)" },
                { "no number", HEAD "KeepLast=few\n", 5, "KeepLast=few: no number above 0" },
                { "nothing is kept", HEAD "KeepLast=0\n", 5, "KeepLast=0: no number above 0" },
                { "no duration", HEAD "KeepWithin=30\n", 5,
                  "KeepWithin=30: no duration like 1y6m, 30d or 12h" },
                { "too long", HEAD "CommandLimitSec=1000h\n", 5,
                  "CommandLimitSec=1000h: no time up to 604800 seconds, like 90 or 5min" },
                { "too short", HEAD "WaitSec=5ms\n", 5, "WaitSec=5ms: less than a second" },
                { "a command without a path", HEAD "PreCommand=sync\n", 5,
                  "PreCommand: the command begins with the absolute path of a program" },
                { "no time", HEAD "[Plan]\nFull=Snu 02:00\n", 6,
                  "Full=Snu 02:00: no time as systemd.time(7) has them, like Sun 02:00 or *:0/15" },
                { "neither yes nor no", HEAD "[Plan]\nFull=daily\nRunMissed=perhaps\n", 7,
                  "RunMissed=perhaps: neither yes nor no" },
                { "no source", "[Task]\nRepository=/r\nPasswordFile=/p\n", 0, "there is no Source" },
                { "no repository", "[Task]\nSource=/a\nPasswordFile=/p\n", 0, "there is no Repository" },
                { "no password", "[Task]\nSource=/a\nRepository=/r\n", 0,
                  "there is neither PasswordFile nor PasswordCommand" },
                { "two", HEAD "PasswordCommand=/bin/x\n", 0,
                  "PasswordFile and PasswordCommand exclude each other" },
                { "writers without shadow copies", HEAD "Source=writer:A\nVss=off\n", 0,
                  "writers take part only in shadow copies, so that Vss=off excludes them" },
                { "logs that stand on nothing", HEAD "[Plan]\nLog=hourly\n", 0,
                  "[Plan] Log needs a full backup to stand on, and there is no Full" },
                { "a relative file", "[Task]\nSource=/a\nRepository=r\nPasswordFile=/p\n", 3,
                  "Repository=r: neither an absolute path nor sftp:HOST:PATH" },
        };

        FOREACH_ELEMENT (row, rows) {
                _cleanup_task_ Task task = {};

                expect_int(row->label, parse(&task, row->text), 0);
                if (!row->message) {
                        expect_int(row->label, task.n_mistakes, 0);
                        continue;
                }
                expect_true(row->label, task.n_mistakes > 0);
                if (task.n_mistakes == 0)
                        continue;
                expect_int(row->label, task.mistakes[0].line, row->line);
                expect_str(row->label, task.mistakes[0].message, row->message);
        }
}

static void test_all_mistakes(void) {
        _cleanup_task_ Task task = {};

        expect_int("many mistakes", parse(&task, "[Task]\nX=1\nSource=a\nVss=b\n"), 0);
        expect_int("are all told", task.n_mistakes, 6);
}

static void test_names(void) {
        expect_true("names", task_name_is_valid("docs") && task_name_is_valid("a-b_C9"));
        expect_true("that are none", !task_name_is_valid("") && !task_name_is_valid("-a") &&
                                             !task_name_is_valid("a/b") && !task_name_is_valid("a:b") &&
                                             !task_name_is_valid("..") && !task_name_is_valid("a b") &&
                                             !task_name_is_valid("a%b"));
}

int main(void) {
        test_whole();
        test_timers();
        test_mistakes();
        test_all_mistakes();
        test_names();
        return test_end();
}
