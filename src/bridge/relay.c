/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One side of a link
 */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "bridge/relay.h"
#include "config.h"

/* With so much on its way nothing more is read from sources. */
#define SENDING_MAX (256u * 1024)
#define RECEIVE_SIZE (128u * 1024)
/* Window is given back in pieces not too small. */
#define GRANT_SIZE (BRIDGE_WINDOW / 8)
#define STREAM_HEAD (FRAME_HEAD + 1)

enum { POLL_IN, POLL_OUT, POLL_SOURCES, POLL_SINKS = POLL_SOURCES + STREAMS };

static bool is_socket(int fd) {
        struct stat st;

        return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Tests do not wait half a minute each time. */
static void shorten_silence(Relay *relay) {
#if LINUXVSS_TEST_HOOKS
        const char *text = getenv("LINUXVSS_LINK_SILENCE");
        unsigned long seconds = text ? strtoul(text, NULL, 10) : 0;

        if (seconds == 0)
                return;
        relay->silence_usec = seconds * USEC_PER_SEC;
        relay->ping_usec = relay->silence_usec / 6;
#endif
}

void relay_init(Relay *relay, int in, int out) {
        *relay = (Relay){ .in = in, .out = out, .link_is_socket = is_socket(out) };
        relay->heard_usec = relay->said_usec = now_usec();
        relay->silence_usec = RELAY_SILENCE_USEC;
        relay->ping_usec = RELAY_PING_USEC;
        shorten_silence(relay);
        FOREACH_ELEMENT (stream, relay->streams)
                *stream = (RelayStream){ .source = -1, .sink = -1 };
}

void relay_open(Relay *relay, unsigned stream, int source, int sink, RelayEnd end) {
        relay->streams[stream] = (RelayStream){
                .sends = source >= 0,
                .receives = sink >= 0,
                .end = end,
                .source = source,
                .sink = sink,
                .sink_is_socket = is_socket(sink),
                .credit = BRIDGE_WINDOW,
                .granted = BRIDGE_WINDOW,
        };
}

static void end_source(RelayStream *stream) {
        if (stream->source < 0)
                return;
        if (stream->end == RELAY_CLOSE)
                (void)close(stream->source);
        else if (stream->end == RELAY_SHUTDOWN)
                (void)shutdown(stream->source, SHUT_RD);
        stream->source = -1;
}

static void end_sink(RelayStream *stream) {
        queue_clear(&stream->pending);
        if (stream->sink < 0)
                return;
        if (stream->end == RELAY_CLOSE)
                (void)close(stream->sink);
        else if (stream->end == RELAY_SHUTDOWN)
                (void)shutdown(stream->sink, SHUT_WR);
        stream->sink = -1;
}

void relay_clear(Relay *relay) {
        FOREACH_ELEMENT (stream, relay->streams) {
                end_source(stream);
                end_sink(stream);
        }
        queue_clear(&relay->received);
        queue_clear(&relay->sending);
}

static int send_stream(Relay *relay, FrameType type, unsigned stream) {
        FrameWriter writer = frame_begin(&relay->sending, type);

        frame_put_u8(&writer, (uint8_t)stream);
        return frame_end(&writer);
}

int relay_send_number(Relay *relay, FrameType type, uint32_t number) {
        FrameWriter writer = frame_begin(&relay->sending, type);

        if (type == FRAME_SIGNAL)
                frame_put_u8(&writer, (uint8_t)number);
        else
                frame_put_u32(&writer, number);
        return frame_end(&writer);
}

/* ---- from sources to the link ---- */

static bool may_read(const Relay *relay, const RelayStream *stream) {
        return stream->source >= 0 && stream->credit > 0 && queue_size(&relay->sending) < SENDING_MAX;
}

/* Straight into its frame. Return: 0, 1 when nothing was there, -errno. */
static int read_source(Relay *relay, unsigned index) {
        RelayStream *stream = &relay->streams[index];
        size_t size = MIN((size_t)FRAME_DATA_MAX, stream->credit);
        uint8_t *room = queue_room(&relay->sending, STREAM_HEAD + size);
        ssize_t n;
        uint32_t length;

        if (!room)
                return -ENOMEM;
        n = read(stream->source, room + STREAM_HEAD, size);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 1;
        if (n <= 0) {
                /* What cannot be read any more is at its end. */
                end_source(stream);
                return send_stream(relay, FRAME_END, index);
        }
        length = (uint32_t)n + 2;
        for (unsigned i = 0; i < 4; i++)
                room[i] = (uint8_t)(length >> (8 * i));
        room[4] = FRAME_DATA;
        room[5] = (uint8_t)index;
        queue_added(&relay->sending, STREAM_HEAD + (size_t)n);
        stream->credit -= (size_t)n;
        return 0;
}

/* Whoever wrote has ended: what is there is all there is. */
static int drain_sources(Relay *relay) {
        for (unsigned i = 0; i < STREAMS; i++) {
                RelayStream *stream = &relay->streams[i];
                int r = 0;

                while (r == 0 && may_read(relay, stream))
                        r = read_source(relay, i);
                if (r < 0)
                        return r;
                if (r == 1) {
                        end_source(stream);
                        r = send_stream(relay, FRAME_END, i);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int relay_flush(Relay *relay) {
        while (queue_size(&relay->sending) > 0) {
                ssize_t n = relay->link_is_socket
                                    ? send(relay->out, queue_data(&relay->sending),
                                           queue_size(&relay->sending), MSG_NOSIGNAL | MSG_DONTWAIT)
                                    : write(relay->out, queue_data(&relay->sending),
                                            queue_size(&relay->sending));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN                         ? 0
                               : errno == EPIPE || errno == ECONNRESET ? -ENOTCONN
                                                                       : -errno;
                queue_taken(&relay->sending, (size_t)n);
                relay->said_usec = now_usec();
        }
        return 0;
}

/* ---- from the link to sinks ---- */

static int grant(Relay *relay, unsigned index) {
        RelayStream *stream = &relay->streams[index];
        FrameWriter writer;

        if (stream->taken < GRANT_SIZE)
                return 0;
        writer = frame_begin(&relay->sending, FRAME_WINDOW);
        frame_put_u8(&writer, (uint8_t)index);
        frame_put_u32(&writer, (uint32_t)stream->taken);
        stream->granted += stream->taken;
        stream->taken = 0;
        return frame_end(&writer);
}

/* Nobody reads what comes for it: what is on its way is dropped. */
static int refuse_more(Relay *relay, unsigned index) {
        end_sink(&relay->streams[index]);
        return send_stream(relay, FRAME_CLOSE, index);
}

static ssize_t write_some(const RelayStream *stream, const uint8_t *data, size_t size) {
        if (stream->sink_limit > 0)
                size = MIN(size, stream->sink_limit);
        return stream->sink_is_socket ? send(stream->sink, data, size, MSG_NOSIGNAL | MSG_DONTWAIT)
                                      : write(stream->sink, data, size);
}

/* Return: how much has gone, -1 when nobody reads any more. */
static ssize_t deliver(const RelayStream *stream, const uint8_t *data, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = write_some(stream, data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n < 0)
                        return -1;
                done += (size_t)n;
                /* More might have to wait: poll() says when. */
                if (stream->sink_limit > 0)
                        break;
        }
        return (ssize_t)done;
}

static int write_sink(Relay *relay, unsigned index) {
        RelayStream *stream = &relay->streams[index];
        ssize_t n = deliver(stream, queue_data(&stream->pending), queue_size(&stream->pending));

        if (n < 0)
                return refuse_more(relay, index);
        queue_taken(&stream->pending, (size_t)n);
        stream->taken += (size_t)n;
        if (queue_size(&stream->pending) == 0 && stream->sink_ends)
                end_sink(stream);
        return stream->sink_ends ? 0 : grant(relay, index);
}

static int take_data(Relay *relay, unsigned index, Frame *frame) {
        RelayStream *stream = &relay->streams[index];
        size_t size;
        const uint8_t *data = frame_take_rest(frame, &size);
        ssize_t n = 0;

        if (!stream->receives || stream->sink_ends || size > stream->granted)
                return -EBADMSG;
        stream->granted -= size;
        stream->bytes += size;
        if (stream->sink < 0) {
                stream->taken += size;
                return grant(relay, index);
        }
        if (queue_size(&stream->pending) == 0 && stream->sink_limit == 0)
                n = deliver(stream, data, size);
        if (n < 0)
                return refuse_more(relay, index);
        stream->taken += (size_t)n;
        if ((size_t)n < size && queue_add(&stream->pending, data + n, size - (size_t)n) < 0)
                return -ENOMEM;
        return grant(relay, index);
}

static int take_end(Relay *relay, unsigned index) {
        RelayStream *stream = &relay->streams[index];

        if (!stream->receives || stream->sink_ends)
                return -EBADMSG;
        stream->sink_ends = true;
        if (queue_size(&stream->pending) == 0)
                end_sink(stream);
        return 0;
}

static int take_window(RelayStream *stream, uint32_t more) {
        if (!stream->sends || more == 0 || more > BRIDGE_WINDOW - stream->credit)
                return -EBADMSG;
        stream->credit += more;
        return 0;
}

static int take_frame(Relay *relay, Frame *frame) {
        unsigned index;

        if (frame->type == FRAME_PING)
                return frame_finish(frame);
        if (frame->type != FRAME_DATA && frame->type != FRAME_END && frame->type != FRAME_CLOSE &&
            frame->type != FRAME_WINDOW)
                return relay->control(relay->userdata, frame);
        index = frame_take_u8(frame);
        if (frame->failed || index >= STREAMS)
                return -EBADMSG;
        if (frame->type == FRAME_DATA)
                return take_data(relay, index, frame);
        if (frame->type == FRAME_WINDOW) {
                uint32_t more = frame_take_u32(frame);

                return frame_finish(frame) ?: take_window(&relay->streams[index], more);
        }
        if (frame_finish(frame) < 0)
                return -EBADMSG;
        if (frame->type == FRAME_END)
                return take_end(relay, index);
        if (!relay->streams[index].sends)
                return -EBADMSG;
        end_source(&relay->streams[index]);
        return 0;
}

static int take_frames(Relay *relay) {
        Frame frame;
        int r;

        while ((r = frame_next(&relay->received, &frame)) > 0) {
                r = take_frame(relay, &frame);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_link(Relay *relay) {
        uint8_t *room = queue_room(&relay->received, RECEIVE_SIZE);
        ssize_t n;

        if (!room)
                return -ENOMEM;
        n = read(relay->in, room, RECEIVE_SIZE);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0)
                return n == 0 || errno == ECONNRESET ? -ENOTCONN : -errno;
        relay->heard_usec = now_usec();
        queue_added(&relay->received, (size_t)n);
        return take_frames(relay);
}

/* ---- poll ---- */

void relay_prepare(Relay *relay, struct pollfd fds[static RELAY_POLLS]) {
        fds[POLL_IN] = (struct pollfd){ .fd = relay->in, .events = POLLIN };
        fds[POLL_OUT] = (struct pollfd){ .fd = queue_size(&relay->sending) > 0 ? relay->out : -1,
                                         .events = POLLOUT };
        for (unsigned i = 0; i < STREAMS; i++) {
                const RelayStream *stream = &relay->streams[i];

                fds[POLL_SOURCES + i] = (struct pollfd){ .fd = may_read(relay, stream) ? stream->source : -1,
                                                         .events = POLLIN };
                fds[POLL_SINKS + i] = (struct pollfd){ .fd = queue_size(&stream->pending) > 0 ? stream->sink
                                                                                              : -1,
                                                       .events = POLLOUT };
        }
}

static int keep_alive(Relay *relay) {
        uint64_t now = now_usec();
        FrameWriter writer;

        if (now - relay->heard_usec > relay->silence_usec)
                return -ETIMEDOUT;
        if (now - relay->said_usec < relay->ping_usec || queue_size(&relay->sending) > 0)
                return 0;
        relay->said_usec = now;
        writer = frame_begin(&relay->sending, FRAME_PING);
        return frame_end(&writer);
}

int relay_dispatch(Relay *relay, const struct pollfd fds[static RELAY_POLLS]) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < STREAMS; i++)
                if (fds[POLL_SINKS + i].fd >= 0 && fds[POLL_SINKS + i].revents &&
                    relay->streams[i].sink >= 0)
                        r = write_sink(relay, i);
        if (r >= 0 && fds[POLL_IN].fd >= 0 && fds[POLL_IN].revents)
                r = read_link(relay);
        for (unsigned i = 0; r >= 0 && i < STREAMS; i++)
                if (fds[POLL_SOURCES + i].fd >= 0 && fds[POLL_SOURCES + i].revents &&
                    may_read(relay, &relay->streams[i]))
                        r = read_source(relay, i);
        if (r >= 0 && relay->draining)
                r = drain_sources(relay);
        if (r >= 0)
                r = keep_alive(relay);
        return r < 0 ? r : relay_flush(relay);
}

int relay_timeout_ms(const Relay *relay) {
        uint64_t now = now_usec(), silent = relay->heard_usec + relay->silence_usec,
                 ping = relay->said_usec + relay->ping_usec,
                 next = queue_size(&relay->sending) > 0 ? silent : MIN(silent, ping);

        return next <= now ? 1 : (int)((next - now) / USEC_PER_MSEC) + 1;
}

bool relay_is_drained(const Relay *relay) {
        FOREACH_ELEMENT (stream, relay->streams)
                if (stream->source >= 0)
                        return false;
        return queue_size(&relay->sending) == 0;
}

bool relay_is_delivered(const Relay *relay) {
        FOREACH_ELEMENT (stream, relay->streams)
                if (queue_size(&stream->pending) > 0)
                        return false;
        return true;
}
