/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Redo logs: their headers, the ring, and copies that are completed
 */

#include <sys/mman.h>
#include "util/test.h"
#include "writers/mariadb/redo.h"

#define CAPACITY (UINT64_C(1) << 20)
#define FIRST REDO_START

/* The first bytes of a log of 10.11.19, and its places for checkpoints; everything else was 0. */
static const unsigned char head[] = { 0x50, 0x68, 0x79, 0x73, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x30, 0 };
static const unsigned char slot_1[64] = { 0, 0, 0, 0, 0,    0,    0xae,        0xb8, 0,    0,
                                          0, 0, 0, 0, 0xae, 0xb8, [60] = 0x30, 0x20, 0x86, 0x35 };
static const unsigned char slot_2[64] = { 0, 0, 0, 0, 0,    0,    0xaf,        0x4e, 0,    0,
                                          0, 0, 0, 0, 0xaf, 0x4e, [60] = 0xd2, 0x92, 0x68, 0x7e };

static void make_header(unsigned char bytes[static REDO_START]) {
        memset(bytes, 0, REDO_START);
        memcpy(bytes, head, sizeof(head));
        memcpy(bytes + 4096, slot_1, sizeof(slot_1));
        memcpy(bytes + 8192, slot_2, sizeof(slot_2));
}

static void test_header(void) {
        static unsigned char bytes[REDO_START];
        static RedoHeader header;

        make_header(bytes);
        expect_int("a header", redo_parse_header(bytes, REDO_START + CAPACITY, &header), 0);
        expect_int("its first position", header.first, 12288);
        expect_int("the newest checkpoint", header.checkpoint, 0xaf4e);
        expect_int("its capacity", header.capacity, CAPACITY);
        bytes[8192 + 60] ^= 1;
        expect_int("one that is half written", redo_parse_header(bytes, REDO_START + CAPACITY, &header), 0);
        expect_int("does not count", header.checkpoint, 0xaeb8);
        bytes[4096 + 7] ^= 1;
        expect_int("without any", redo_parse_header(bytes, REDO_START + CAPACITY, &header), -EBADMSG);
        expect_int("nothing is said", header.checkpoint, 0xaeb8);
        make_header(bytes);
        bytes[0] |= 0x80;
        expect_int("an encrypted one", redo_parse_header(bytes, REDO_START + CAPACITY, &header), 0);
        bytes[0] = 0;
        expect_int("one of another format", redo_parse_header(bytes, REDO_START + CAPACITY, &header),
                   -ENOTSUP);
        make_header(bytes);
        expect_int("one that is too small", redo_parse_header(bytes, REDO_START + 512, &header), -EBADMSG);
}

static void test_ring(void) {
        const RedoHeader header = { .first = FIRST, .capacity = CAPACITY };

        expect_int("the first", redo_offset(&header, FIRST), REDO_START);
        expect_int("the last", redo_offset(&header, FIRST + CAPACITY - 1), REDO_START + CAPACITY - 1);
        expect_int("around", redo_offset(&header, FIRST + CAPACITY), REDO_START);
        expect_true("little", redo_has(&header, 5000, 6000));
        expect_true("a whole turn", !redo_has(&header, 5000, 5000 + CAPACITY));
        expect_true("all but the block under way",
                    redo_has(&header, 5000, 5000 + CAPACITY - 2 * REDO_BLOCK));
        expect_true("backwards", !redo_has(&header, 6000, 5000));
}

/* A log: byte p of the ring is of turn @turn until @until, of the one before behind it. */
static int make_log(uint64_t end, int checkpoint) {
        static unsigned char bytes[REDO_START + CAPACITY];
        int fd = memfd_create("log", 0);

        make_header(bytes);
        if (checkpoint == 1)
                bytes[8192 + 60] ^= 1;
        for (uint64_t i = 0; i < CAPACITY; i++)
                bytes[REDO_START + i] = (unsigned char)(FIRST + i < end ? 0x40 + i % 61 : 0xff);
        if (fd < 0 || pwrite(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                abort();
        return fd;
}

static bool has_byte(int fd, uint64_t position, unsigned char want) {
        unsigned char byte;

        return pread(fd, &byte, 1, (off_t)(REDO_START + (position - FIRST) % CAPACITY)) == 1 && byte == want;
}

static void test_complete(void) {
        const uint64_t written = 0x10000, end = 0x20123;
        _cleanup_(closep) int live = make_log(end + 5000, 2), copy = make_log(written, 2),
                              then = make_log(written, 1);
        static RedoHeader header, now;
        struct {
                const char *label;
                uint64_t written, end;
        } stale[] = {
                { "a log that went on too far", written, 0xaeb8 + CAPACITY },
                { "one that went back", written, written - 1 },
                { "a checkpoint that is ahead", 0xa000, 0xb000 },
        };

        /* At Freeze the first checkpoint was the newest. */
        expect_int("at Freeze", redo_read_header(then, &header), 0);
        expect_int("there was another checkpoint", header.checkpoint, 0xaeb8);
        FOREACH_ELEMENT (c, stale)
                expect_int(c->label, redo_complete(&header, c->written, c->end, live, copy), -ESTALE);
        expect_int("the copy has the newer one still", redo_read_header(copy, &now) < 0 ? 0 : now.checkpoint,
                   0xaf4e);

        expect_int("completed", redo_complete(&header, written, end, live, copy), 0);
        expect_int("its header", redo_read_header(copy, &now), 0);
        expect_int("has the checkpoint of Freeze", now.checkpoint, 0xaeb8);
        expect_true("what was there is there",
                    has_byte(copy, written - 1, (unsigned char)(0x40 + (written - 1 - FIRST) % 61)));
        expect_true("what came is there",
                    has_byte(copy, end - 1, (unsigned char)(0x40 + (end - 1 - FIRST) % 61)));
        expect_true("then it ends", has_byte(copy, end, 0));
        expect_true("for good", has_byte(copy, end + 511, 0));
        expect_true("the rest is as it was", has_byte(copy, end + 512, 0xff));
        expect_int("the live log is as it was", redo_read_header(live, &now) < 0 ? 0 : now.checkpoint,
                   0xaf4e);
}

static void test_around(void) {
        const uint64_t written = FIRST + CAPACITY - 100, end = FIRST + CAPACITY + 50;
        _cleanup_(closep) int live = make_log(UINT64_MAX, 2), copy = make_log(written, 2);
        static RedoHeader header;

        (void)redo_read_header(live, &header);
        header.checkpoint = written - 5000;
        expect_int("around the end", redo_complete(&header, written, end, live, copy), 0);
        expect_true("the last of the ring",
                    has_byte(copy, FIRST + CAPACITY - 1, (unsigned char)(0x40 + (CAPACITY - 1) % 61)));
        expect_true("the first", has_byte(copy, FIRST + CAPACITY, 0x40));
        expect_true("the end", has_byte(copy, end, 0));
}

static void test_other_log(void) {
        _cleanup_(closep) int live = make_log(0x20000, 2), copy = make_log(0x10000, 2);
        static RedoHeader header;

        (void)redo_read_header(live, &header);
        header.bytes[9] ^= 1;
        expect_int("another log than at Freeze", redo_complete(&header, 0x10000, 0x20000, live, copy),
                   -ESTALE);
}

int main(void) {
        test_header();
        test_ring();
        test_complete();
        test_around();
        test_other_log();
        return test_end();
}
