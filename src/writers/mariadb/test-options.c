/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Options, versions, processes and metadata of servers
 */

#include "util/test.h"
#include "writers/mariadb/process.h"
#include "writers/mariadb/writer.h"

static void test_get(void) {
        static const char text[] =
                "--datadir=/a\n--socket=/run/a\n--data_dir=/no\n--loose-innodb_log_group_home_dir=/log\n"
                "--datadir\n/b\n--skip-networking\n";
        static const char called_with[] = "--defaults-file=/x\0--user=u\0--defaults-group-suffix=.s";
        Options options = { 0 }, defaults = { 0 };

        expect_int("lines", options_split(&options, text, sizeof(text) - 1, '\n'), 0);
        expect_int("are words", options.n, 7);
        expect_str("the last one counts", options_get(&options, "datadir"), "/b");
        expect_str("with - and _ the same", options_get(&options, "innodb-log-group-home-dir"), "/log");
        expect_str("without a value", options_get(&options, "skip-networking"), "");
        expect_str("what is not there", options_get(&options, "dat"), NULL);
        expect_str("a longer name is another", options_get(&options, "socket-x"), NULL);
        options_clear(&options);

        (void)options_split(&options, called_with, sizeof(called_with) - 1, '\0');
        expect_int("defaults", options_get_defaults(&options, &defaults), 0);
        expect_int("are two", defaults.n, 2);
        expect_str("in their order", defaults.n == 2 ? defaults.items[0] : NULL, "--defaults-file=/x");
        expect_str("with their values", defaults.n == 2 ? defaults.items[1] : NULL,
                   "--defaults-group-suffix=.s");
        options_clear(&options);
        options_clear(&defaults);
}

static void test_versions(void) {
        static const struct {
                const char *version;
                enum ServerKind kind;
                const char *series;
        } cases[] = {
                { "10.11.19-MariaDB-0+deb12u1-log", SERVER_MARIADB, "10.11" },
                { "10.4.1-MariaDB", SERVER_MARIADB, "10.4" },
                { "10.4.0-MariaDB", SERVER_UNSUPPORTED, "10.4" },
                { "10.3.39-MariaDB", SERVER_UNSUPPORTED, "10.3" },
                { "11.4.2-MariaDB-ubu2404", SERVER_MARIADB, "11.4" },
                { "8.0.36-0ubuntu0.22.04.1", SERVER_MYSQL, "8.0" },
                { "9.1.0", SERVER_MYSQL, "9.1" },
                { "5.7.44-log", SERVER_UNSUPPORTED, "5.7" },
                { "", SERVER_UNSUPPORTED, "0.0" },
        };

        FOREACH_ELEMENT (c, cases) {
                char series[SERIES_SIZE];

                expect_int(c->version, server_kind(c->version), c->kind);
                server_series(c->version, series);
                expect_str("its series", series, c->series);
        }
}

static void test_replica_statements(void) {
        expect_str("MariaDB's", server_replica_statement("10.11.19-MariaDB"), "SHOW ALL SLAVES STATUS");
        expect_str("MySQL before 8.0.22", server_replica_statement("8.0.21"), "SHOW SLAVE STATUS");
        expect_str("MySQL 8.0.22", server_replica_statement("8.0.22-log"), "SHOW REPLICA STATUS");
        expect_str("MySQL 8.4", server_replica_statement("8.4.0"), "SHOW REPLICA STATUS");
        expect_str("MySQL 9", server_replica_statement("9.1.0"), "SHOW REPLICA STATUS");
}

static void test_data_files(void) {
        char name[64] = "untouched";

        expect_true("one", data_file_name("ibdata1:12M:autoextend", 0, name, sizeof(name)));
        expect_str("its name", name, "ibdata1");
        expect_true("no second", !data_file_name("ibdata1:12M:autoextend", 1, name, sizeof(name)));
        expect_true("two", data_file_name("a:1M;/srv/b:2M:autoextend", 1, name, sizeof(name)));
        expect_str("its name", name, "/srv/b");
        expect_true("none", !data_file_name("", 0, name, sizeof(name)));
}

static void test_process(void) {
        static const char table[] =
                "Num       RefCount Protocol Flags    Type St Inode Path\n"
                "00000000d2efb07b: 00000003 00000000 00000000 0001 03 2611 /run/connected\n"
                "00000000ca2f2d9d: 00000002 00000000 00010000 0001 01 26113258 /run/my sqld/s.sock\n"
                "00000000ca2f2d9e: 00000002 00000000 00010000 0001 01 26113259 @abstract\n";
        char text[128] = "";

        expect_true("a socket that listens", process_parse_socket(table, "26113258", text, sizeof(text)));
        expect_str("its path", text, "/run/my sqld/s.sock");
        expect_true("not one that is connected", !process_parse_socket(table, "2611", text, sizeof(text)));
        expect_true("nor one without a path", !process_parse_socket(table, "26113259", text, sizeof(text)));
        process_parse_unit("0::/system.slice/system-mariadb.slice/mariadb@a.service\n", text, sizeof(text));
        expect_str("a unit", text, "mariadb@a.service");
        process_parse_unit("0::/user.slice/session-1.scope\n", text, sizeof(text));
        expect_str("none", text, "");
}

static void test_metadata(void) {
        static const Instance instance = { .pid = 1 };
        static Hold hold = { .instance = &instance,
                             .one_instant = true,
                             .position = { .binlog_file = "bin.000007",
                                           .binlog_position = "4",
                                           .gtid_binlog = "0-1-9,1-1-2" } };
        char text[1024], value[32], stamp[64];

        metadata_write(&hold, text, sizeof(text));
        expect_true("a position", metadata_get(text, "gtid-binlog-pos", value, sizeof(value)));
        expect_str("comes back", value, "0-1-9,1-1-2");
        expect_true("what is empty is left out",
                    !metadata_get(text, "gtid-slave-pos", value, sizeof(value)));
        expect_true("a part of a name is none", !metadata_get(text, "gtid", value, sizeof(value)));
        metadata_stamp(&hold, stamp, sizeof(stamp));
        expect_str("the stamp", stamp, "bin.000007:4");
}

int main(void) {
        test_get();
        test_versions();
        test_replica_statements();
        test_data_files();
        test_process();
        test_metadata();
        return test_end();
}
