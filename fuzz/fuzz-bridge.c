/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: what comes over the link between vss and vss-bridge, on both sides of it
 *
 * The first byte chooses the side. Whatever comes, the windows hold: nothing is kept beyond them.
 */

#include <fcntl.h>
#include <sys/socket.h>
#include "bridge/relay.h"
#include "fuzz.h"

static void take_run(Frame *frame) {
        _cleanup_list_ char **words = NULL, **variables = NULL;

        (void)frame_take_u32(frame);
        words = frame_take_list(frame, BRIDGE_WORDS_MAX);
        variables = frame_take_list(frame, BRIDGE_VARIABLES_MAX);
        if (frame_finish(frame) < 0)
                return;
        fuzz_require(words && variables);
        for (size_t i = 0; words[i]; i++)
                fuzz_require(i < BRIDGE_WORDS_MAX && strlen(words[i]) <= FRAME_MAX);
        for (size_t i = 0; variables[i]; i++)
                if (bridge_variable_is_valid(variables[i]))
                        fuzz_require(strchr(variables[i], '=') && strncmp(variables[i], "LD_", 3) != 0 &&
                                     strncmp(variables[i], "PATH=", 5) != 0);
}

static int control(void *userdata, Frame *frame) {
        Hello hello = {};
        _cleanup_(freep) char *text = NULL;

        fuzz_require(frame->end >= frame->p && (size_t)(frame->end - frame->p) < FRAME_MAX);
        switch (frame->type) {
        case FRAME_HELLO:
                if (hello_take(frame, &hello) == 0)
                        fuzz_require(hello.version && hello.machine);
                hello_clear(&hello);
                break;
        case FRAME_RUN:
                take_run(frame);
                break;
        case FRAME_FILE:
                text = frame_take_text(frame, BRIDGE_NAME_MAX);
                if (text && bridge_file_name_is_valid(text))
                        fuzz_require(!strchr(text, '/') && text[0] != '.' &&
                                     strlen(text) <= BRIDGE_NAME_MAX);
                break;
        case FRAME_FAIL:
                text = frame_take_text(frame, BRIDGE_TEXT_MAX);
                break;
        default:
                (void)frame_take_u32(frame);
        }
        return 0;
}

static void check(const Relay *relay) {
        FOREACH_ELEMENT (stream, relay->streams)
                fuzz_require(
                        queue_size(&stream->pending) <= BRIDGE_WINDOW && stream->credit <= BRIDGE_WINDOW &&
                        stream->granted + stream->taken + queue_size(&stream->pending) <= BRIDGE_WINDOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        int link[2], null, r = 0;
        Relay relay;

        if (size < 1 || size > FUZZ_SIZE_MAX)
                return 0;
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, link) < 0)
                abort();
        relay_init(&relay, link[0], link[0]);
        relay.control = control;
        if (data[0] & 1) {
                relay_open(&relay, STREAM_STDIN, -1, null, RELAY_LEAVE);
                relay_open(&relay, STREAM_STDOUT, null, -1, RELAY_LEAVE);
        } else {
                relay_open(&relay, STREAM_STDOUT, -1, null, RELAY_LEAVE);
                relay_open(&relay, STREAM_STDERR, -1, null, RELAY_LEAVE);
        }
        relay_open(&relay, STREAM_CHANNEL, null, null, RELAY_LEAVE);
        if (send(link[1], data + 1, size - 1, MSG_NOSIGNAL) < 0)
                r = -1;
        (void)shutdown(link[1], SHUT_WR);
        for (unsigned i = 0; r == 0 && i < 100; i++) {
                struct pollfd fds[RELAY_POLLS];

                relay_prepare(&relay, fds);
                (void)poll(fds, RELAY_POLLS, 0);
                r = relay_dispatch(&relay, fds);
                check(&relay);
        }
        relay_clear(&relay);
        (void)close(link[0]);
        (void)close(link[1]);
        (void)close(null);
        return 0;
}
