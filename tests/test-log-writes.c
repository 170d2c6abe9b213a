/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the replayer: logs made by hand, whole, cut off and hostile
 */

#include <endian.h>
#include <sys/mman.h>

#include "log-writes.h"
#include "util/macro.h"
#include "util/test.h"

#define DISK_SIZE (64u * 1024)

typedef struct Made {
        int fd;
        uint64_t at, n, sector;
} Made;

static void put(int fd, uint64_t at, uint64_t value) {
        value = htole64(value);
        if (pwrite(fd, &value, sizeof(value), (off_t)at) != sizeof(value))
                abort();
}

static Made make_log(uint32_t sector) {
        Made log = { .fd = memfd_create("log", MFD_CLOEXEC), .at = sector, .sector = sector };

        if (log.fd < 0 || ftruncate(log.fd, 1 << 20) < 0)
                abort();
        put(log.fd, 0, LOG_WRITES_MAGIC);
        put(log.fd, 8, LOG_WRITES_VERSION);
        put(log.fd, 24, sector);
        return log;
}

/* @fill: the byte of the data. */
static void make_entry(Made *log, uint64_t sector, uint64_t n, uint64_t flags, const char *mark, int fill) {
        char data[4096];

        put(log->fd, log->at, sector);
        put(log->fd, log->at + 8, n);
        put(log->fd, log->at + 16, flags);
        put(log->fd, log->at + 24, strlen(mark));
        if (pwrite(log->fd, mark, strlen(mark), (off_t)log->at + 32) != (ssize_t)strlen(mark))
                abort();
        log->at += log->sector;
        memset(data, fill, sizeof(data));
        for (uint64_t i = 0; !(flags & LOG_WRITES_DISCARD) && i < n; i++, log->at += log->sector)
                if (pwrite(log->fd, data, log->sector, (off_t)log->at) != (ssize_t)log->sector)
                        abort();
        put(log->fd, 16, ++log->n);
}

static int byte_at(int disk, uint64_t at) {
        uint8_t byte = 0;

        return pread(disk, &byte, 1, (off_t)at) == 1 ? byte : -1;
}

static void test_replay(uint32_t sector) {
        _cleanup_(closep) int disk = memfd_create("disk", MFD_CLOEXEC);
        Made made = make_log(sector);
        unsigned points = 0;
        LogWritesEntry entry;
        LogWrites log;

        make_entry(&made, 1, 2, 0, "", 'a');
        make_entry(&made, 2, 1, LOG_WRITES_FUA | LOG_WRITES_METADATA, "", 'b');
        make_entry(&made, UINT64_C(0xffffffffffff72de), 0, LOG_WRITES_FLUSH, "", 0);
        make_entry(&made, 0, 0, LOG_WRITES_MARK, "cut made", 0);
        make_entry(&made, 1, 1, LOG_WRITES_DISCARD, "", 0);
        expect_int("a disk", ftruncate(disk, DISK_SIZE), 0);
        expect_int("a log", log_writes_open(made.fd, 1 << 20, &log), 0);
        expect_int("five entries", (int64_t)log.n_entries, 5);
        for (unsigned i = 1; i <= 5; i++) {
                expect_int("next", log_writes_next(&log, &entry), 1);
                expect_int("its number", (int64_t)entry.number, i);
                points += log_writes_is_point(&entry);
                expect_int("is done again", log_writes_apply(&log, &entry, disk, DISK_SIZE), 0);
                expect_int("first sector", byte_at(disk, 0), 0);
                expect_int("second sector", byte_at(disk, 2 * sector - 1), i < 5 ? 'a' : 0);
                expect_int("third sector", byte_at(disk, 2 * sector), i == 1 ? 'a' : 'b');
                expect_int("fourth sector", byte_at(disk, 3 * sector), 0);
                expect_str("mark", entry.mark, i == 4 ? "cut made" : "");
        }
        expect_int("its end", log_writes_next(&log, &entry), 0);
        expect_int("three points", points, 3);
        (void)close(made.fd);
}

/* One field each. */
static void test_hostile(void) {
        static const struct {
                const char *label;
                unsigned at;
                uint64_t value;
                bool opens;
                int next, apply;
        } cases[] = {
                { "as it should be", 1 << 19, 0, true, 1, 0 },
                { "another magic", 0, 1, false, 0, 0 },
                { "another version", 8, 2, false, 0, 0 },
                { "more entries than the log has room for", 16, 2048, false, 0, 0 },
                { "more entries than there are numbers", 16, UINT64_MAX, false, 0, 0 },
                { "sectors of no bytes", 24, 0, false, 0, 0 },
                { "sectors of 513 bytes", 24, 513, false, 0, 0 },
                { "sectors of a gigabyte", 24, 1 << 30, false, 0, 0 },
                { "a place beyond the disk", 512, 1 << 20, true, 1, -ERANGE },
                { "a place beyond all disks", 512, UINT64_MAX, true, -EBADMSG, 0 },
                { "an end beyond the disk", 512, DISK_SIZE / 512, true, 1, -ERANGE },
                { "data beyond the log", 520, 4096, true, -EBADMSG, 0 },
                { "data that wraps", 520, UINT64_MAX / 512, true, -EBADMSG, 0 },
                { "a text longer than its sector", 536, 481, true, -EBADMSG, 0 },
                { "a text without end", 536, UINT64_MAX, true, -EBADMSG, 0 },
        };

        FOREACH_ELEMENT (c, cases) {
                _cleanup_(closep) int disk = memfd_create("disk", MFD_CLOEXEC);
                Made made = make_log(512);
                LogWritesEntry entry = { 0 };
                LogWrites log;

                make_entry(&made, 1, 1, LOG_WRITES_FUA, "", 'a');
                put(made.fd, c->at, c->value);
                expect_int(c->label, ftruncate(disk, DISK_SIZE), 0);
                if (log_writes_open(made.fd, 1 << 20, &log) < 0) {
                        expect_true("is no log", !c->opens);
                } else {
                        expect_true("is a log", c->opens);
                        expect_int("its entry", log_writes_next(&log, &entry), c->next);
                        if (c->next > 0)
                                expect_int("done again", log_writes_apply(&log, &entry, disk, DISK_SIZE),
                                           c->apply);
                        expect_int("the disk before it", byte_at(disk, 0), 0);
                }
                (void)close(made.fd);
        }
}

static void test_cut_off(void) {
        Made made = make_log(512);
        LogWritesEntry entry;
        LogWrites log;

        make_entry(&made, 1, 4, 0, "", 'a');
        expect_int("no bytes at all", log_writes_open(made.fd, 0, &log), -EBADMSG);
        expect_int("a superblock alone, which speaks of an entry", log_writes_open(made.fd, 512, &log),
                   -EBADMSG);
        expect_int("cut off within the data", log_writes_open(made.fd, 1024 + 512, &log), 0);
        expect_int("has no entry", log_writes_next(&log, &entry), -EBADMSG);
        expect_int("a log that says more than its file has", log_writes_open(made.fd, 2 << 20, &log), 0);
        expect_int("has what is there", log_writes_next(&log, &entry), 1);
        (void)close(made.fd);
}

int main(void) {
        test_replay(512);
        test_replay(4096);
        test_hostile();
        test_cut_off();
        return test_end();
}
