/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How far a backup, a restore or a verification has come
 *
 * On a terminal it is one line that is written over again and again; elsewhere a line each 30 s, or as often
 * as $VSS_PROGRESS_SECONDS says (0: never); with --json objects of type "status", one a line, each second.
 * The last line with --json is the answer, of type "summary". What is short shows nothing.
 */

#include "vss/cli.h"

/* What is shown. */
typedef struct ProgressView {
        const char *step; /* "backup", "restoring"; never NULL */
        const char *noun; /* of what is counted; NULL: "files" */
        uint64_t files, bytes;
        uint64_t files_expected, bytes_expected; /* 0: not known */
        uint64_t elapsed_usec;
        uint64_t rate;                /* bytes a second; 0: not known yet */
        int64_t left_usec;            /* -1: not known */
        const char *component, *path; /* what it is at; NULL or "": nothing */
} ProgressView;

/* How much of @view fits on @width columns; text from outside is made fit for a terminal. Allocated; NULL
 * without memory. Width 0: all of it, without a component and a path. */
char *progress_line(const ProgressView *view, size_t width);
/* The object of type "status". */
vss_value *progress_value(const ProgressView *view);

/* Speed over the last seconds, so that it follows what goes on and does not jump. */
#define RATE_SAMPLES 16u
typedef struct Rate {
        struct {
                uint64_t usec, done;
        } samples[RATE_SAMPLES];
        size_t n, next;
} Rate;
/* Samples that come too soon after the last one are passed over. */
void rate_add(Rate *rate, uint64_t at_usec, uint64_t done);
/* A second; 0: not known. */
uint64_t rate_now(const Rate *rate);
/* Until @expected are done; -1: not known. */
int64_t rate_left_usec(const Rate *rate, uint64_t done, uint64_t expected);

typedef struct Progress {
        Cli *cli;
        ProgressView view;
        Rate bytes, files;
        uint64_t since, shown;
        uint64_t interval_usec; /* of lines; 0: none */
        int kind;
} Progress;

/* @step: borrowed. */
void progress_begin(Progress *progress, Cli *cli, const char *step);
/* What there will be, once it is known, from a parent's totals or a scan. */
void progress_expect(Progress *progress, uint64_t files, uint64_t bytes);
/* What goes on now; counts go on. */
void progress_step(Progress *progress, const char *step);
/* Shows it if it is time to. Return: true if a signal has come and the work should end. */
bool progress_update(Progress *progress, uint64_t files, uint64_t bytes, const char *component,
                     const char *path);
/* Takes what is shown away. */
void progress_end(Progress *progress);
/* The answer, with --json: "type" becomes "summary", and it stands on one line if lines of status came
 * before. Return: EXIT_DONE, or EXIT_FAILED after a message. */
int progress_answer(Progress *progress, vss_value *answer);
