/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verbs on other machines: vss-bridge there, reached by ssh, and its frames (bridge/frame.h)
 */

#include "vss/cli.h"

/* A file for the verb there: in a directory of its own, gone when the verb has ended. */
typedef struct HostFile {
        const char *name; /* no path: letters, digits, "._-+@" and blanks, not "." at the beginning */
        const void *data;
        size_t size;
} HostFile;

/* In words: the directory of the files. */
#define HOST_FILES "{files}"

/* What the verb finds in its environment with "channel_fd": the number of a socket. */
#define HOST_CHANNEL_VARIABLE "VSS_CHANNEL_FD"

typedef struct HostRun {
        const char *host; /* [USER@]HOST, or what else ssh knows: a name of its configuration, ssh://... */
        const char *command; /* instead of ssh, words as of conf_words(); NULL: $VSS_HOST_COMMAND, or ssh */
        char **argv;         /* the verb and its words, NULL at the end */
        const HostFile *files;
        size_t n_files;
        /* -1: ours. They are only borrowed, and left open. */
        int stdin_fd, stdout_fd, stderr_fd;
        /* -1: none. A stream socket; its other end is the caller's, and may be served by another thread.
         * What the verb does to its socket (data, shutdown, close) is seen there, and the other way round.
         * It is shut down when the verb has ended or the link has dropped: who serves it reads the end. */
        int channel_fd;
        const char *password; /* NULL: none. The verb finds it by VSS_PASSWORD_FILE. */
} HostRun;

#define HOST_RUN_INIT \
        { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .channel_fd = -1 }

/*
 * host_run() - run a verb on another machine, as if it ran here
 * Signals that end this program (interrupt_install()) go to the verb, whose end is waited for; after the
 * third, or when the link drops, it is ended there and this returns. It blocks; one at a time in each
 * process.
 * @ret_status: the exit status of the verb, 128 + the signal that ended it
 * Return: EXIT_DONE when the verb has run, or another status after a message.
 */
int host_run(Cli *cli, const HostRun *run, int *ret_status);

/* Is it a name that may be handed to ssh? Not empty, no "-" at its beginning, no blanks or control
 * characters. */
bool host_is_valid(const char *host);
