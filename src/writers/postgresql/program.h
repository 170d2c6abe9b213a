/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * PostgreSQL's own programs: started without a shell, in the C locale, ended at a deadline
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROGRAM_OUTPUT_MAX 16384u

/* @ret_output (of PROGRAM_OUTPUT_MAX bytes) gets what it wrote, errors too, the end of it if it is long.
 * Return: its exit status, 128 and the signal; -ETIMEDOUT if it was killed at the deadline; a negative
 * errno. */
int program_run(const char *const *argv, uint64_t deadline_usec, char *ret_output);

/* One that goes on. Its output goes to @output_fd. */
int program_start(const char *const *argv, int output_fd, pid_t *ret_pid);
/* Return: the wait status; -ETIMEDOUT while it runs on at the deadline; a negative errno. */
int program_wait(pid_t pid, uint64_t deadline_usec);
/* SIGKILL for it and what it has started, and the end of it. */
void program_kill(pid_t pid);

/* The one line that a server prints for a setting, without what it tells beside it; in place. */
char *program_answer(char *output);
/* What people are told of an output: its last line with something in it, in @text. */
const char *program_last_line(const char *output, char *text, size_t size);
