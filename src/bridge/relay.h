/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One side of a link: streams of this machine on one hand, frames on the other
 *
 * Everything is done by poll(), with buffers that are bounded by the windows; nothing here waits. What is no
 * stream's business (SIGNAL, EXIT, ...) goes to "control".
 */

#include <poll.h>
#include "bridge/frame.h"
#include "util/clock.h"

/* A link of which nothing was heard for so long has gone; who has nothing else to say says so much more
 * often. */
#define RELAY_SILENCE_USEC (30 * USEC_PER_SEC)
#define RELAY_PING_USEC (5 * USEC_PER_SEC)

/* What becomes of a descriptor that is not needed any more. */
typedef enum RelayEnd {
        RELAY_LEAVE,    /* it is somebody else's */
        RELAY_CLOSE,    /* it is closed */
        RELAY_SHUTDOWN, /* a socket for both ways: it is shut down in one, and is somebody else's */
} RelayEnd;

typedef struct RelayStream {
        bool sends, receives; /* what this side may do */
        RelayEnd end;
        int source, sink; /* -1: there is none (any more) */
        bool sink_is_socket;
        size_t sink_limit; /* so much may be written at once without waiting; 0: any */
        Queue pending;     /* for the sink */
        size_t credit;     /* so much may be sent */
        size_t granted;    /* so much may come */
        size_t taken;      /* so much has left "pending", and was not granted anew */
        bool sink_ends;    /* nothing comes any more */
        uint64_t bytes;    /* that came */
} RelayStream;

typedef struct Relay {
        int in, out; /* the link's, which do not wait */
        bool link_is_socket;
        Queue received, sending;
        RelayStream streams[STREAMS];
        uint64_t heard_usec, said_usec;
        uint64_t silence_usec, ping_usec; /* RELAY_SILENCE_USEC, RELAY_PING_USEC */
        bool draining; /* who writes has ended: what sources have is sent, and then they are at their end */
        int (*control)(void *userdata, Frame *frame);
        void *userdata;
} Relay;

void relay_init(Relay *relay, int in, int out);
void relay_clear(Relay *relay);

/* @source is read and sent, what comes is written to @sink; -1: not in this direction. */
void relay_open(Relay *relay, unsigned stream, int source, int sink, RelayEnd end);

/* For poll(): the link, and for each stream its source and its sink. */
#define RELAY_POLLS (2 + 2 * STREAMS)
void relay_prepare(Relay *relay, struct pollfd fds[static RELAY_POLLS]);
/*
 * relay_dispatch() - do what poll() said can be done
 * Return: 0; -ENOTCONN when the link is at its end, -ETIMEDOUT when nothing came for too long, -EBADMSG for
 * frames that are none, -ENOMEM; what "control" has returned.
 */
int relay_dispatch(Relay *relay, const struct pollfd fds[static RELAY_POLLS]);
/* How long to wait in poll() at most. */
int relay_timeout_ms(const Relay *relay);

/* Nothing is left to be sent: no source with anything in it, nothing on its way to the link. */
bool relay_is_drained(const Relay *relay);
/* Nothing is left that has come and was not written. */
bool relay_is_delivered(const Relay *relay);
/* As soon as the link takes it. */
int relay_flush(Relay *relay);
/* Frames of one number. */
int relay_send_number(Relay *relay, FrameType type, uint32_t number);
