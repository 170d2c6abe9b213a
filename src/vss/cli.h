/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What all verbs of the program share: the connection, waiting, output, and how failures are told
 */

#include <linuxvss/requester.h>
#include "util/macro.h"
#include "util/value.h"

/* Exit statuses, in the order of their weight: cli_worse() keeps the heavier of two. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PARTLY = 3 };

typedef struct Cli Cli;

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the usage line */
        const char *summary;   /* for the list of verbs */
        int (*run)(Cli *cli, int argc, char **argv);
} Verb;

/* Of a verb that runs elsewhere, what is for this side if its repository is: here.h. */
typedef struct OwnOptions {
        const char *repository, *password_file, *password_command, *sftp_command;
        bool repeated; /* one of them is there twice */
} OwnOptions;

struct Cli {
        const Verb *verb;
        vss_service *service;
        bool json;          /* --json */
        bool json_stderr;   /* standard output belongs to the command that is run */
        bool json_lines;    /* the answer is one of several JSON lines: each document is on one */
        bool service_lost;  /* the last failure was that the service went away */
        bool copies_lost;   /* ... or that shadow copies were lost */
        bool has_parent;    /* another process of this program tells that it was interrupted */
        const char *script; /* the script that is run, and its line: failures name them; NULL: none */
        unsigned line;
        vss_value *errors; /* with a script or a task: where failures are collected for its answer, instead
                              of being one */
        vss_value *noted;  /* a list where they are collected besides; NULL: nobody wants them */
        const char *host;  /* --host: where the verb is to run; NULL: here */
        const char *host_command; /* --host-command */
        const char **words; /* the verb and its words without these two, NULL at the end; NULL: not wanted */
        OwnOptions own;
};

DEFINE_CLEANUP(vss_async *, vss_async_free)
DEFINE_CLEANUP(vss_session *, vss_session_release)

#define _cleanup_async_ _cleanup_(vss_async_freep)

/* Connects when that has not been done. Return: EXIT_DONE, or EXIT_FAILED after a message. */
int cli_connect(Cli *cli);

/*
 * cli_wait() - wait for an operation, showing @step and what the service reports meanwhile
 * A signal that ends the program cancels the operation first; a second one does not wait for that.
 * @ret_result: a copy of the answer, NULL where it has none; may be NULL itself
 * Return: VSS_S_OK, VSS_S_ASYNC_CANCELLED, the failure, or with a result VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED.
 */
vss_result cli_wait(Cli *cli, vss_async *async, const char *step, vss_value **ret_result);

/* Waits whatever signals come, a minute at most: for what has to be done at the end. Return: VSS_S_OK, or the failure. */
vss_result cli_wait_at_end(vss_async *async);

/* The failure of a call, with what the service says about it. Return: the exit status. */
int cli_fail(Cli *cli, vss_result result);
/* A failure of our own. @culprit may be NULL. Return: EXIT_FAILED. */
int cli_error(Cli *cli, vss_result result, const char *culprit, const char *format, ...) _printf_(4, 5);
/* With something better to do about it than what is right for the result in general. */
int cli_error_remedy(Cli *cli, vss_result result, const char *culprit, const char *remedy,
                     const char *format, ...) _printf_(5, 6);
int cli_out_of_memory(Cli *cli);
/* Wrong usage. Return: EXIT_USAGE. */
int cli_usage(Cli *cli, const char *format, ...) _printf_(2, 3);
/* One line on standard error. */
void cli_note(const char *format, ...) _printf_(1, 2);

/* @value as JSON, on one line where that is asked for. Return: EXIT_DONE, or EXIT_FAILED after a message. */
int cli_print_json(Cli *cli, const vss_value *value, bool one_line);
/* Flushes standard output: what could not be written is a failure. */
int cli_finish(Cli *cli, int status);

/*
 * Signals that end the program: noted, and looked at between steps
 */
void interrupt_install(void);
/* The number of the signal that came, 0 if none did. */
int interrupt_pending(void);
int interrupt_count(void);
