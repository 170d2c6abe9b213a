/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Binary logs, restore options, and what the checker and the log of a server say
 */

#include <fcntl.h>
#include <sys/stat.h>
#include "util/test.h"
#include "writers/mariadb/logs.h"
#include "writers/mariadb/restore.h"

static void test_names(void) {
        LogName name = { "untouched", 0 };
        unsigned long position = 0;
        char file[64];

        expect_int("a name", log_parse_name("mysql-bin.000042", &name), 0);
        expect_str("its base", name.base, "mysql-bin");
        expect_int("its number", name.number, 42);
        expect_int("with dots", log_parse_name("db.example.000007", &name), 0);
        expect_str("the last one parts", name.base, "db.example");
        expect_int("the index", log_parse_name("bin.index", &name), -EINVAL);
        expect_int("a path", log_parse_name("../bin.000001", &name), -EINVAL);
        expect_int("no number", log_parse_name("bin.", &name), -EINVAL);
        expect_str("leaves it as it was", name.base, "db.example");

        expect_int("a stamp", log_parse_stamp("bin.000003:1234", file, sizeof(file), &position), 0);
        expect_str("its file", file, "bin.000003");
        expect_int("its position", position, 1234);
        expect_int("without a position", log_parse_stamp("bin.000003", file, sizeof(file), &position),
                   -EINVAL);
        expect_int("with another", log_parse_stamp("bin.000003:12x", file, sizeof(file), &position),
                   -EINVAL);
        expect_int("of no log", log_parse_stamp("passwd:12", file, sizeof(file), &position), -EINVAL);
        expect_int("empty", log_parse_stamp("", file, sizeof(file), &position), -EINVAL);
}

static void test_list(void) {
        static const char *const files[] = { "bin.000009", "bin.000010",   "bin.index",
                                             "bin.000011", "relay.000010", "bin.1000000" };
        char directory[] = "/tmp/vss-test-logs-XXXXXX", path[128];
        Options names = { 0 };

        if (!mkdtemp(directory))
                abort();
        FOREACH_ELEMENT (file, files) {
                (void)snprintf(path, sizeof(path), "%s/%s", directory, *file);
                (void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        }
        expect_int("from one on", log_list(directory, "bin", 10, 0, &names), 0);
        expect_int("all of it", names.n, 3);
        expect_str("the first", names.n == 3 ? names.items[0] : NULL, "bin.000010");
        expect_str("the last, by its number", names.n == 3 ? names.items[2] : NULL, "bin.1000000");
        options_clear(&names);
        expect_int("up to one", log_list(directory, "bin", 9, 10, &names), 0);
        expect_int("no more", names.n, 2);
        options_clear(&names);
        FOREACH_ELEMENT (file, files) {
                (void)snprintf(path, sizeof(path), "%s/%s", directory, *file);
                (void)unlink(path);
        }
        (void)rmdir(directory);
        expect_int("of a directory that is gone", log_list(directory, "bin", 9, 10, &names), -ENOENT);
}

static void test_options(void) {
        static const char options[] =
                "stop-datetime=2026-11-22 10:00:00; new-server ;binlogs=/srv/logs\nstop-position=77";
        char value[32] = "untouched";

        expect_true("one with blanks", restore_parse_option(options, "stop-datetime", value, sizeof(value)));
        expect_str("its value", value, "2026-11-22 10:00:00");
        expect_true("one without a value",
                    restore_parse_option(options, "new-server", value, sizeof(value)));
        expect_str("has none", value, "");
        expect_true("the last", restore_parse_option(options, "stop-position", value, sizeof(value)));
        expect_str("its value", value, "77");
        expect_true("a part of a name", !restore_parse_option(options, "stop", value, sizeof(value)));
        expect_true("one that is too long", !restore_parse_option(options, "binlogs", value, 5));
        expect_true("nothing", !restore_parse_option("", "binlogs", value, sizeof(value)));
}

static void test_checker(void) {
        char why[256] = "untouched";

        expect_true("nothing wrong", !check_find_complaint("", why, sizeof(why)));
        expect_true("notes", !check_find_complaint(
                                     "sys.host_summary\n"
                                     "note     : The storage engine for the table doesn't support check\n",
                                     why, sizeof(why)));
        expect_str("say nothing", why, "untouched");
        expect_true("an error", check_find_complaint("bank.good                 OK\n"
                                                     "bank.bad\n"
                                                     "Warning  : InnoDB: Index k is marked as corrupted\n"
                                                     "error    : Corrupt\n",
                                                     why, sizeof(why)));
        expect_str("with its table", why, "bank.bad: error    : Corrupt");
        expect_true("an operation that failed",
                    check_find_complaint("bank.gone\nstatus   : Operation failed\n", why, sizeof(why)));
        expect_str("with its table", why, "bank.gone: status   : Operation failed");

        expect_true("a log without errors",
                    !check_find_error("[Note] InnoDB: Starting crash recovery\n", why, sizeof(why)));
        expect_true("one with",
                    check_find_error("[Note] a\n2026 0 [ERROR] InnoDB: Page is in the future!\n[Note] b\n",
                                     why, sizeof(why)));
        expect_str("that line", why, "2026 0 [ERROR] InnoDB: Page is in the future!");
}

int main(void) {
        test_names();
        test_list();
        test_options();
        test_checker();
        return test_end();
}
