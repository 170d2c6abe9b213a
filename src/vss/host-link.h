/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Of host.c: the process that reaches the other machine, and the streams of this one
 */

#include <signal.h>
#include <sys/types.h>
#include "bridge/relay.h"
#include "vss/host.h"

typedef struct HostLink {
        pid_t pid;
        int fd, status;
} HostLink;

#define HOST_LINK_INIT \
        { .fd = -1, .status = -1 }

/* 0 or -errno; a command that is not there ends with 127. */
int host_link_start(const char *const *command, HostLink *ret_link);
/* It ends when its input does; one that does not is made to. Return: its exit status, 128 + signal. Again:
 * the same. */
int host_link_end(HostLink *link);

/* What the verb there reads from and writes to here. */
typedef struct HostStreams {
        uint32_t flags; /* of RUN */
        unsigned columns;
        int fds[STREAM_CHANNEL]; /* that do not wait, where there can be such; -1: what was given is used */
        size_t limits[STREAM_CHANNEL];
} HostStreams;

#define HOST_STREAMS_INIT             \
        {                             \
                .fds = { -1, -1, -1 } \
        }

int host_streams_prepare(HostStreams *streams, const HostRun *run);
void host_streams_open(HostStreams *streams, const HostRun *run, Relay *relay);
void host_streams_clear(HostStreams *streams);

/* For terminals and messages: what controls something becomes '?'. */
void text_make_printable(char *text);
