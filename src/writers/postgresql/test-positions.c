/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Texts of PostgreSQL: read right, and refused where they are none
 */

#include <errno.h>
#include "util/macro.h"
#include "util/test.h"
#include "writers/postgresql/positions.h"

static void test_lsn(void) {
        static const char *const bad[] = {
                "", "/", "16", "16/", "/1", "16/B374D848 ", "123456789/0", "0/123456789", "g/0"
        };
        Lsn lsn = 7;
        char text[LSN_SIZE];

        expect_int("a position", lsn_parse("16/B374D848", &lsn), 0);
        expect_int("its high half", lsn >> 32, 0x16);
        expect_str("and back", lsn_format(lsn, text), "16/B374D848");
        expect_int("the greatest", lsn_parse("FFFFFFFF/FFFFFFFF", &lsn), 0);
        lsn = 7;
        FOREACH_ELEMENT (p, bad)
                expect_int(*p, lsn_parse(*p, &lsn), -EINVAL);
        expect_int("what was there stays", lsn, 7);
}

static void test_segments(void) {
        static const struct {
                const char *label;
                uint64_t from, to, size, first, last;
        } cases[] = {
                { "within one", 0x1000028, 0x1000100, 16 << 20, 1, 1 },
                { "to the end of one", 0x1000028, 0x2000000, 16 << 20, 1, 1 },
                { "one byte more", 0x1000028, 0x2000001, 16 << 20, 1, 2 },
                { "from the start of one", 0x2000000, 0x2000000, 16 << 20, 2, 2 },
                { "backwards", 0x3000000, 0x1000000, 16 << 20, 3, 3 },
                { "of another size", 0x500000, 0x700000, 1 << 20, 5, 6 },
        };
        char name[SEGMENT_NAME_SIZE];

        FOREACH_ELEMENT (c, cases) {
                SegmentRange range = segment_range(c->from, c->to, c->size);

                expect_int(c->label, range.first, c->first);
                expect_int(c->label, range.last, c->last);
        }
        segment_name(1, 1, 16 << 20, name);
        expect_str("the first segment", name, "000000010000000000000001");
        segment_name(0x1f, 0x105, 16 << 20, name);
        expect_str("256 of them are one file number", name, "0000001F0000000100000005");
        segment_name(2, 0x1005, 1 << 20, name);
        expect_str("4096 of the small ones", name, "000000020000000100000005");
        expect_true("it is a name", segment_is_name(name));
        expect_true("a history is none", !segment_is_name("00000002.history"));
        expect_true("nor is a part", !segment_is_name("000000020000000100000005.partial"));
}

static void test_stamp(void) {
        static const char *const bad[] = { "",
                                           "postgresql",
                                           "postgresql 1 1",
                                           "postgresql x 1 0/0",
                                           "postgresql 1 1 0",
                                           "postgresql 1 1 0/0 more",
                                           "mariadb 1 1 0/0" };
        Stamp stamp = { .system_id = "7312345678901234567", .timeline = 3, .lsn = 0x1500000028 }, again;
        char text[STAMP_SIZE];

        stamp_format(&stamp, text);
        expect_str("a stamp", text, "postgresql 7312345678901234567 3 15/28");
        expect_int("is read", stamp_parse(text, &again), 0);
        expect_true("as it was", strcmp(again.system_id, stamp.system_id) == 0 && again.timeline == 3 &&
                                         again.lsn == stamp.lsn);
        FOREACH_ELEMENT (p, bad)
                expect_int(*p, stamp_parse(*p, &again), -EINVAL);
}

static void test_pid_file(void) {
        PidFile file = { .pid = 7 };

        expect_int(
                "one that is served",
                pid_file_parse(
                        "1234\n/srv/data\n1700000000\n5433\n/run/sockets\nlocalhost\n  123 456\nready   \n",
                        &file),
                0);
        expect_int("its process", file.pid, 1234);
        expect_int("its port", file.port, 5433);
        expect_str("its sockets", file.socket_dir, "/run/sockets");
        expect_true("it is ready", file.ready && !file.stopping);
        expect_int("one that starts", pid_file_parse("1234\n/srv/data\n1700000000\n", &file), 0);
        expect_true("has no port yet, and is not ready",
                    file.port == 0 && !file.ready && !file.socket_dir[0]);
        expect_int("a standby", pid_file_parse("12\n/d\n1\n2\n\n\n\nstandby \n", &file), 0);
        expect_true("is ready, as one", file.ready && file.standby);
        expect_int("alone", pid_file_parse("-12\n/d\n1\n", &file), 0);
        expect_int("is a process, too", file.pid, 12);
        expect_int("an empty one", pid_file_parse("", &file), -EBADMSG);
        expect_int("a relative one", pid_file_parse("12\ndata\n", &file), -EBADMSG);
        expect_int("no process", pid_file_parse("x\n/data\n", &file), -EBADMSG);
}

#define CONTROL_HEAD                                                  \
        "pg_control version number:            1300\n"                \
        "Database system identifier:           7312345678901234567\n" \
        "Database cluster state:               in production\n"       \
        "Latest checkpoint location:           0/3000060\n"           \
        "Latest checkpoint's REDO location:    0/3000028\n"           \
        "Latest checkpoint's TimeLineID:       2\n"                   \
        "max_connections setting:              100\n"                 \
        "max_worker_processes setting:         8\n"                   \
        "max_wal_senders setting:              10\n"                  \
        "max_prepared_xacts setting:           5\n"                   \
        "max_locks_per_xact setting:           64\n"                  \
        "Data page checksum version:           1\n"

static void test_control(void) {
        Control control = { 0 };

        expect_int("control data",
                   control_parse(CONTROL_HEAD "Bytes per WAL segment:                16777216\n", &control),
                   0);
        expect_str("the system", control.system_id, "7312345678901234567");
        expect_str("its state", control.state, "in production");
        expect_int("where it starts to replay", control.redo, 0x3000028);
        expect_int("the timeline", control.timeline, 2);
        expect_int("its segments", control.segment_size, 16 << 20);
        expect_int("prepared transactions", control.max_prepared_xacts, 5);
        expect_true("checksums", control.checksums);
        expect_int("without the last line", control_parse(CONTROL_HEAD, &control), -EBADMSG);
        expect_int("a size that is none",
                   control_parse(CONTROL_HEAD "Bytes per WAL segment:  1000000\n", &control), -EBADMSG);
        expect_int("nothing", control_parse("", &control), -EBADMSG);
}

static void test_mode(void) {
        enum { Y = true, N = false };
        static const struct {
                const char *label;
                PgFacts facts;
                PgMode want;
                bool why;
        } cases[] = {
                { "one instant", { Y, Y, Y, N, Y, Y }, PG_ONE_INSTANT, N },
                { "one instant without a connection", { Y, N, Y, N, N, N }, PG_ONE_INSTANT, N },
                { "one instant without flushes", { Y, Y, Y, N, N, Y }, PG_BACKUP, N },
                { "one instant with torn pages", { Y, Y, Y, N, Y, N }, PG_BACKUP, N },
                { "several", { Y, Y, N, N, Y, Y }, PG_BACKUP, N },
                { "several without a connection", { Y, N, N, N, N, N }, PG_NONE, N },
                { "down", { N, N, N, N, N, N }, PG_STOPPED, N },
                { "a log backup", { Y, Y, Y, Y, Y, Y }, PG_LOG, N },
                { "of one that cannot be asked", { Y, N, Y, Y, N, N }, PG_NONE, N },
                { "of one that is down", { N, N, Y, Y, N, N }, PG_NONE, Y },
        };

        FOREACH_ELEMENT (c, cases) {
                const char *why = "untouched";

                expect_str(c->label, pg_mode_name(pg_choose_mode(&c->facts, &why)), pg_mode_name(c->want));
                expect_true(c->label, (why != NULL) == c->why);
        }
}

int main(void) {
        test_lsn();
        test_segments();
        test_stamp();
        test_pid_file();
        test_control();
        test_mode();
        return test_end();
}
