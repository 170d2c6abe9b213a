/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: two sides of a link, in one process; and one side whose other one is broken
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include "bridge/relay.h"
#include "util/test.h"

#define TURNS_MAX 20000

typedef struct Side {
        Relay relay;
        int signals;
} Side;

static int control(void *userdata, Frame *frame) {
        Side *side = userdata;

        if (frame->type != FRAME_SIGNAL)
                return -EBADMSG;
        side->signals++;
        return 0;
}

static void pair_of(int fds[2]) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
                abort();
}

static void make_sides(Side *near, Side *far) {
        int link[2];

        pair_of(link);
        *near = *far = (Side){};
        relay_init(&near->relay, link[0], link[0]);
        relay_init(&far->relay, link[1], link[1]);
        near->relay.control = far->relay.control = control;
        near->relay.userdata = near;
        far->relay.userdata = far;
}

static void clear_sides(Side *near, Side *far) {
        (void)close(near->relay.in);
        (void)close(far->relay.in);
        relay_clear(&near->relay);
        relay_clear(&far->relay);
}

static int turn(Relay *relay) {
        struct pollfd fds[RELAY_POLLS];

        relay_prepare(relay, fds);
        (void)poll(fds, RELAY_POLLS, 0);
        return relay_dispatch(relay, fds);
}

static int turns(Side *near, Side *far, unsigned n) {
        int r = 0;

        for (unsigned i = 0; r == 0 && i < n; i++) {
                r = turn(&near->relay);
                if (r == 0)
                        r = turn(&far->relay);
        }
        return r;
}

/* What is written here comes out there, all of it and nothing else. */
static void test_stream(void) {
        Side near, far;
        int given[2], taken[2], r = 0;
        size_t sent = 0, came = 0, size = 3 * (size_t)BRIDGE_WINDOW + 12345;
        bool right = true;

        make_sides(&near, &far);
        pair_of(given);
        pair_of(taken);
        relay_open(&near.relay, STREAM_STDIN, given[1], -1, RELAY_CLOSE);
        relay_open(&far.relay, STREAM_STDIN, -1, taken[1], RELAY_CLOSE);
        for (unsigned i = 0; r == 0 && i < TURNS_MAX && came < size; i++) {
                uint8_t out[4096], in[8192];
                ssize_t n;

                for (size_t j = 0; j < sizeof(out); j++)
                        out[j] = (uint8_t)((sent + j) * 31 >> 3);
                n = send(given[0], out, MIN(sizeof(out), size - sent), MSG_NOSIGNAL | MSG_DONTWAIT);
                sent += (size_t)MAX(n, 0);
                r = turns(&near, &far, 1);
                n = recv(taken[0], in, sizeof(in), MSG_DONTWAIT);
                for (ssize_t j = 0; j < n; j++)
                        right = right && in[j] == (uint8_t)((came + (size_t)j) * 31 >> 3);
                came += (size_t)MAX(n, 0);
        }
        expect_int("the link holds", r, 0);
        expect_int("all has come", came, size);
        expect_true("as it was", right);
        (void)close(given[0]);
        expect_int("its end", turns(&near, &far, 10), 0);
        expect_int("comes, too", recv(taken[0], &r, 1, MSG_DONTWAIT), 0);
        (void)close(taken[0]);
        clear_sides(&near, &far);
}

/* A stream that nobody reads stops at its window, and nothing else with it. */
static void test_window(void) {
        Side near, far;
        static const uint8_t block[65536];
        int given[2], taken[2], channel[2], far_channel[2], r = 0;
        size_t sent = 0;

        make_sides(&near, &far);
        pair_of(given);
        pair_of(taken);
        pair_of(channel);
        pair_of(far_channel);
        relay_open(&near.relay, STREAM_STDIN, given[1], -1, RELAY_CLOSE);
        relay_open(&far.relay, STREAM_STDIN, -1, taken[1], RELAY_CLOSE);
        relay_open(&near.relay, STREAM_CHANNEL, channel[1], channel[1], RELAY_SHUTDOWN);
        relay_open(&far.relay, STREAM_CHANNEL, far_channel[1], far_channel[1], RELAY_SHUTDOWN);
        for (unsigned i = 0; r == 0 && i < 2000; i++) {
                ssize_t n = send(given[0], block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);

                sent += (size_t)MAX(n, 0);
                r = turns(&near, &far, 1);
        }
        expect_int("the link holds", r, 0);
        expect_true("more than the window was wanted", sent >= BRIDGE_WINDOW);
        expect_true("but not sent",
                    near.relay.streams[STREAM_STDIN].credit == 0 &&
                            queue_size(&far.relay.streams[STREAM_STDIN].pending) <= BRIDGE_WINDOW);
        (void)send(channel[0], "hello", 5, MSG_NOSIGNAL);
        (void)relay_send_number(&near.relay, FRAME_SIGNAL, SIGINT);
        expect_int("the link still holds", turns(&near, &far, 20), 0);
        expect_int("another stream goes on", recv(far_channel[0], &r, sizeof(r), MSG_DONTWAIT), 4);
        expect_int("and so does a signal", far.signals, 1);
        (void)shutdown(far_channel[0], SHUT_WR);
        expect_int("one way ends", turns(&near, &far, 20), 0);
        expect_int("and that is seen", recv(channel[0], &r, 1, MSG_DONTWAIT), 0);
        (void)send(channel[0], "more", 4, MSG_NOSIGNAL);
        (void)turns(&near, &far, 20);
        expect_int("the other goes on", recv(far_channel[0], &r, 1, MSG_DONTWAIT), 1);
        (void)close(taken[0]);
        expect_int("a reader that goes", turns(&near, &far, 50), 0);
        expect_true("ends who writes", near.relay.streams[STREAM_STDIN].source < 0);
        (void)close(given[0]);
        (void)close(channel[0]);
        (void)close(far_channel[0]);
        clear_sides(&near, &far);
        (void)close(channel[1]);
        (void)close(far_channel[1]);
}

static void put_stream(Queue *queue, FrameType type, unsigned stream, const void *data, size_t size) {
        FrameWriter writer = frame_begin(queue, type);

        frame_put_u8(&writer, (uint8_t)stream);
        frame_put_bytes(&writer, data, size);
        (void)frame_end(&writer);
}

/* What a side says that does not keep to the rules ends the link. */
static void test_hostile(void) {
        static const uint8_t large[4] = { 0, 0, 0, 1 }, nothing[4], zeros[FRAME_DATA_MAX];
        static const struct {
                const char *label;
                FrameType type;
                unsigned stream;
                const uint8_t *data;
                size_t size, times;
                int want;
        } rows[] = {
                { "data for a stream that takes it", FRAME_DATA, STREAM_STDIN, zeros, 10, 1, 0 },
                { "a stream that is none", FRAME_DATA, STREAMS, zeros, 1, 1, -EBADMSG },
                { "data for a stream of the other way", FRAME_DATA, STREAM_STDOUT, zeros, 1, 1, -EBADMSG },
                { "data for a stream that is not open", FRAME_DATA, STREAM_CHANNEL, zeros, 1, 1, -EBADMSG },
                { "the end of one that is not open", FRAME_END, STREAM_CHANNEL, NULL, 0, 1, -EBADMSG },
                { "the end", FRAME_END, STREAM_STDIN, NULL, 0, 1, 0 },
                { "the end twice", FRAME_END, STREAM_STDIN, NULL, 0, 2, -EBADMSG },
                { "the end with something behind", FRAME_END, STREAM_STDIN, zeros, 1, 1, -EBADMSG },
                { "a window larger than there is", FRAME_WINDOW, STREAM_STDOUT, large, 4, 1, -EBADMSG },
                { "a window of nothing", FRAME_WINDOW, STREAM_STDOUT, nothing, 4, 1, -EBADMSG },
                { "a window for the wrong side", FRAME_WINDOW, STREAM_STDIN, large, 4, 1, -EBADMSG },
                { "half a window", FRAME_WINDOW, STREAM_STDOUT, large, 2, 1, -EBADMSG },
                { "close of what is sent", FRAME_CLOSE, STREAM_STDOUT, NULL, 0, 1, 0 },
                { "close of what is not", FRAME_CLOSE, STREAM_STDIN, NULL, 0, 1, -EBADMSG },
                { "more data than the window", FRAME_DATA, STREAM_STDIN, zeros, FRAME_DATA_MAX,
                  BRIDGE_WINDOW / FRAME_DATA_MAX + 1, -EBADMSG },
                { "a frame of others", FRAME_EXIT, 0, NULL, 0, 1, -EBADMSG },
        };

        FOREACH_ELEMENT (row, rows) {
                Side near, far;
                int input[2], output[2], r = 0;

                make_sides(&near, &far);
                pair_of(input);
                pair_of(output);
                relay_open(&near.relay, STREAM_STDIN, -1, input[1], RELAY_CLOSE);
                relay_open(&near.relay, STREAM_STDOUT, output[1], -1, RELAY_CLOSE);
                for (size_t i = 0; i < row->times; i++)
                        put_stream(&far.relay.sending, row->type, row->stream, row->data, row->size);
                for (unsigned i = 0; r == 0 && i < 1000; i++) {
                        (void)relay_flush(&far.relay);
                        r = turn(&near.relay);
                }
                expect_int(row->label, r, row->want);
                (void)close(input[0]);
                (void)close(output[0]);
                clear_sides(&near, &far);
        }
}

static void test_ends(void) {
        Side near, far;

        make_sides(&near, &far);
        (void)close(far.relay.in);
        far.relay.in = -1;
        expect_int("a link that is closed", turn(&near.relay), -ENOTCONN);
        clear_sides(&near, &far);

        make_sides(&near, &far);
        near.relay.said_usec -= RELAY_PING_USEC + 1;
        expect_int("who is silent pings", turns(&near, &far, 2), 0);
        expect_true("and is heard", now_usec() - far.relay.heard_usec < RELAY_PING_USEC);
        far.relay.heard_usec -= RELAY_SILENCE_USEC + USEC_PER_SEC;
        expect_int("a link that says nothing for too long", turn(&far.relay), -ETIMEDOUT);
        clear_sides(&near, &far);
}

int main(void) {
        (void)signal(SIGPIPE, SIG_IGN);
        test_stream();
        test_window();
        test_hostile();
        test_ends();
        return test_end();
}
