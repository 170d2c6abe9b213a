/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One command: started without a shell, in its own process group; its output kept, ended with all its
 * processes
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/macro.h"

#define COMMAND_OUTPUT_MAX 1024u
#define COMMAND_WORDS_MAX 64u

/* The end of what a command wrote, in one line. */
typedef struct CommandOutput {
        char text[COMMAND_OUTPUT_MAX + 1];
        size_t n;
        bool ready; /* a line that is just READY was seen */
        char line[8];
        size_t n_line; /* of the line under way; more than fits: not READY */
} CommandOutput;

typedef struct Command {
        pid_t pid; /* 0: none */
        int pidfd;
        int input;  /* its standard input; -1: /dev/null */
        int output; /* its standard output and error */
        CommandOutput out;
} Command;

#define COMMAND_NULL ((Command){ .pidfd = -1, .input = -1, .output = -1 })

void command_output_add(CommandOutput *out, const char *data, size_t n);
/* The text, fit for the bus. */
const char *command_output_text(CommandOutput *out);

/* @output_fd: its standard output; -1: kept with its standard error. */
int command_start(char **argv, char **environment, bool with_input, int output_fd, Command *ret_command);
/* Read what is there, without waiting. */
void command_drain(Command *command);
/*
 * command_wait() - wait for the end of a command
 * @leave_fd:    stop waiting when the other side of this socket has gone; -1: never
 * @until_ready: READY is enough
 * Return: 0 when it ended (wait status in @ret_status), 1 when it is READY, -ETIMEDOUT, -EPIPE for
 * @leave_fd.
 */
int command_wait(Command *command, uint64_t deadline_usec, int leave_fd, bool until_ready, int *ret_status);
void command_signal(const Command *command, int signal);
/* Kill all that is left of its process group, reap it and close. */
void command_clear(Command *command);

/*
 * command_run() - run a program to its end, with a clean environment
 * @argv:       ended by NULL; the first is an absolute path, or looked for where programs of the system are
 * @output_fd:  as above
 * @ret_text:   the end of what was kept, fit for the bus; also on failure
 * Return: its exit status, 128 and more if a signal ended it; -ENOENT: there is no such program; -ETIMEDOUT:
 * it was killed at @deadline_usec; or a negative errno.
 */
int command_run(const char *const *argv, int output_fd, uint64_t deadline_usec,
                char ret_text[static COMMAND_OUTPUT_MAX + 1]);
