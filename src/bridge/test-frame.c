/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: frames, as they are and as a broken peer may send them
 */

#include "bridge/frame.h"
#include "util/test.h"

static void test_round_trip(void) {
        static const char *const words[] = { "exec", "--", "", "a b", NULL };
        Queue queue = {};
        FrameWriter writer = frame_begin(&queue, FRAME_RUN);
        _cleanup_list_ char **list = NULL;
        _cleanup_(freep) char *text = NULL;
        Frame frame = {};

        frame_put_u32(&writer, UINT32_C(0x80000001));
        frame_put_list(&writer, words);
        frame_put_text(&writer, "end");
        expect_int("a frame is whole", frame_end(&writer), 0);
        expect_int("it is there", frame_next(&queue, &frame), 1);
        expect_int("its type", frame.type, FRAME_RUN);
        expect_int("its number", frame_take_u32(&frame), UINT32_C(0x80000001));
        list = frame_take_list(&frame, 4);
        expect_true("its words", list && strcmp(list[0], "exec") == 0 && strcmp(list[2], "") == 0 &&
                                         strcmp(list[3], "a b") == 0 && !list[4]);
        text = frame_take_text(&frame, 3);
        expect_str("its text", text, "end");
        expect_int("nothing else", frame_finish(&frame), 0);
        expect_int("and no other", frame_next(&queue, &frame), 0);
        queue_clear(&queue);
}

/* Every part of a frame is no frame yet, and never read as one. */
static void test_pieces(void) {
        Queue whole = {}, queue = {};
        Frame frame;
        size_t size;
        bool early = false;

        (void)hello_put(&whole, "1.0", "one");
        size = queue_size(&whole);
        for (size_t i = 0; i + 1 < size; i++) {
                (void)queue_add(&queue, queue_data(&whole) + i, 1);
                early |= frame_next(&queue, &frame) != 0;
        }
        expect_true("no part is taken for the whole", !early);
        (void)queue_add(&queue, queue_data(&whole) + size - 1, 1);
        expect_int("with the last byte it is there", frame_next(&queue, &frame), 1);
        queue_clear(&whole);
        queue_clear(&queue);
}

static void test_hostile(void) {
        static const struct {
                const char *label;
                uint8_t bytes[8];
                size_t n;
                int want;
        } rows[] = {
                { "nothing yet", { 1, 0, 0 }, 3, 0 },
                { "no length", { 0, 0, 0, 0, FRAME_PING }, 5, -EBADMSG },
                { "a length of four gigabytes", { 255, 255, 255, 255 }, 4, -EBADMSG },
                { "one byte more than the limit", { 1, 0, 2, 0 }, 4, -EBADMSG },
                { "the limit", { 0, 0, 2, 0 }, 4, 0 },
                { "type 0", { 1, 0, 0, 0, 0 }, 5, -EBADMSG },
                { "a type that is none", { 1, 0, 0, 0, FRAME_TYPES }, 5, -EBADMSG },
                { "a wrong type, told before its end", { 9, 0, 0, 0, 200 }, 5, -EBADMSG },
                { "what a login says", { 'W', 'e', 'l', 'c', 'o', 'm', 'e', '!' }, 8, -EBADMSG },
                { "a ping", { 1, 0, 0, 0, FRAME_PING }, 5, 1 },
        };

        FOREACH_ELEMENT (row, rows) {
                Queue queue = {};
                Frame frame;

                (void)queue_add(&queue, row->bytes, row->n);
                expect_int(row->label, frame_next(&queue, &frame), row->want);
                queue_clear(&queue);
        }
}

static Frame frame_of(const void *data, size_t size) {
        return (Frame){ .type = FRAME_RUN, .p = data, .end = (const uint8_t *)data + size };
}

static void test_payloads(void) {
        Frame frame = frame_of("\4\0\0\0abc", 7);

        expect_true("a text that is cut off", !frame_take_text(&frame, 100) && frame_finish(&frame) < 0);
        frame = frame_of("\3\0\0\0a\0c", 7);
        expect_true("a zero byte inside", !frame_take_text(&frame, 100));
        frame = frame_of("\3\0\0\0abc", 7);
        expect_true("a text beyond its limit", !frame_take_text(&frame, 2));
        frame = frame_of("\377\377\377\377", 4);
        expect_true("a list of four billion words", !frame_take_list(&frame, UINT32_MAX));
        frame = frame_of("\2\0\0\0\0\0\0\0\0\0\0\0", 12);
        expect_true("a list beyond its limit", !frame_take_list(&frame, 1));
        frame = frame_of("\1\0\0\0\0\0\0\0x", 9);
        frame_list_free(frame_take_list(&frame, 1));
        expect_int("what is left is told", frame_finish(&frame), -EBADMSG);
        frame = frame_of("", 0);
        expect_true("nothing there", frame_take_u8(&frame) == 0 && frame.failed);
}

static void test_hello(void) {
        Queue queue = {};
        Frame frame;
        Hello hello = {};

        (void)hello_put(&queue, "1.2", "one");
        (void)frame_next(&queue, &frame);
        expect_int("a hello", hello_take(&frame, &hello), 0);
        expect_int("its protocol", hello.protocol, BRIDGE_PROTOCOL);
        expect_str("its version", hello.version, "1.2");
        expect_str("its machine", hello.machine, "one");
        hello_clear(&hello);

        /* Of a later protocol, with more behind: its beginning is what it is now. */
        frame = frame_of("vss-brdg\7\0\0\0\3\0\0\0"
                         "9.9"
                         "\3\0\0\0"
                         "two"
                         "more",
                         30);
        frame.type = FRAME_HELLO;
        expect_int("a hello of later", hello_take(&frame, &hello), 0);
        expect_int("its protocol is told", hello.protocol, 7);
        hello_clear(&hello);
        frame = frame_of("vss-brdx\1\0\0\0\3\0\0\0"
                         "9.9"
                         "\3\0\0\0"
                         "two",
                         26);
        frame.type = FRAME_HELLO;
        expect_int("another magic", hello_take(&frame, &hello), -EBADMSG);
        queue_clear(&queue);
}

static void test_limits(void) {
        Queue queue = {};
        _cleanup_(freep) char *large = calloc(1, FRAME_MAX + 1);
        FrameWriter writer;
        Frame frame;

        (void)hello_put(&queue, "1", "one");
        writer = frame_begin(&queue, FRAME_DATA);
        frame_put_bytes(&writer, large, FRAME_MAX);
        expect_int("a frame that is too large", frame_end(&writer), -E2BIG);
        expect_int("leaves the one before it", frame_next(&queue, &frame), 1);
        expect_int("and nothing behind", frame_next(&queue, &frame), 0);
        writer = frame_begin(&queue, FRAME_DATA);
        frame_put_bytes(&writer, large, FRAME_MAX - 1);
        expect_int("the largest", frame_end(&writer), 0);
        expect_int("can be read", frame_next(&queue, &frame), 1);
        queue_clear(&queue);
}

static void test_names(void) {
        static const char *const good[] = { "bcd.xml", "a", "Manifest 1", "x@y+z-1" };
        static const char *const bad[] = { "", ".", "..", ".x", "a/b", "/", "a\nb", "a\033b", "\xc3\xa4" };
        static const char *const variables[] = { "TERM=xterm", "LC_ALL=", "LANG=C.UTF-8", "COLUMNS=80" };
        static const char *const others[] = {
                "PATH=/tmp", "LD_PRELOAD=x",        "LANG", "TERMX=1", "LC_A/B=1",
                "LANG=a\nb", "VSS_PASSWORD_FILE=/x"
        };

        FOREACH_ELEMENT (name, good)
                expect_true("a name of a file", bridge_file_name_is_valid(*name));
        FOREACH_ELEMENT (name, bad)
                expect_true("no name of a file", !bridge_file_name_is_valid(*name));
        FOREACH_ELEMENT (variable, variables)
                expect_true("a variable for a verb", bridge_variable_is_valid(*variable));
        FOREACH_ELEMENT (variable, others)
                expect_true("none for a verb", !bridge_variable_is_valid(*variable));
}

int main(void) {
        test_round_trip();
        test_pieces();
        test_hostile();
        test_payloads();
        test_hello();
        test_limits();
        test_names();
        return test_end();
}
