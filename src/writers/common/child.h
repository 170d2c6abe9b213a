/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Children of a broker
 *
 * A broker runs as root and touches nobody's files itself: it forks a child that becomes the owner of what
 * it touches, and talks to it over a socket pair (SOCK_SEQPACKET, descriptor CHILD_FD in the child). What
 * may hang (a file system, the name service, a lock) hangs in the child, and the broker waits with a
 * deadline and kills by process descriptor. The child's end of the socket reads end of file when the broker
 * is gone.
 *
 * Functions return 0 or a negative errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/macro.h"

#define CHILD_FD 3

typedef struct Child {
        pid_t pid; /* 0: none */
        int pidfd;
        int fd; /* the broker's end */
} Child;

#define CHILD_NULL ((Child){ .pidfd = -1, .fd = -1 })

/* Runs in the child, with default signals and no descriptor but the standard ones (on /dev/null) and
 * CHILD_FD. Return: the exit status. */
typedef int (*child_main_fn)(int fd, void *userdata);

int child_start(child_main_fn child_main, void *userdata, Child *ret_child);
/* Kill and reap, whatever state it is in. */
void child_kill(Child *child);
/* Let go of the socket and leave it to its own end; reaped when another child is started. */
void child_leave(Child *child);
/* Let go of the socket, wait for the end until @deadline_usec, then kill and reap.
 * Return: the wait status; -ETIMEDOUT if it had to be killed. */
int child_end(Child *child, uint64_t deadline_usec);
/* -EAGAIN when @deadline_usec passes first, -EPIPE when the other side has gone; else the size of the
 * message. */
ssize_t child_receive(int fd, void *buffer, size_t size, uint64_t deadline_usec);
int child_send(int fd, const void *message, size_t size);

/* In the child: give up root for good. @name (may be NULL) brings the supplementary groups along. */
int child_become(uid_t uid, gid_t gid, const char *name);
/* In the child, after child_become() (a change of user resets it): die with the broker. */
int child_die_with_parent(pid_t parent);

#define POLL_MAX 512u
/* Which of @fds (POLL_MAX at most) can be read (or has ended) first; @fds may have -1. -EAGAIN when the
 * deadline passes. */
int poll_any(const int *fds, size_t n, uint64_t deadline_usec, bool *ret_ready);

/* For the bus and for people: valid UTF-8 without control characters. */
bool text_is_clean(const char *text);
