/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The verb that a bridge runs: vss, beside it
 */

#include <signal.h>
#include <sys/types.h>
#include "bridge/relay.h"

/* What RUN has said. */
typedef struct VerbRequest {
        uint32_t flags;
        char **words, **variables;
} VerbRequest;

void verb_request_clear(VerbRequest *request);
/* 0, or -EBADMSG for what may not be asked for. */
int verb_request_take(Frame *frame, VerbRequest *ret_request);

/*
 * verb_start() - start it, with its streams in @relay
 * @files: the directory of the caller's files, @password: a file in it; NULL: none
 * Return: its process, or -errno.
 */
pid_t verb_start(const VerbRequest *request, const char *files, const char *password, const sigset_t *mask,
                 Relay *relay);
/* @number for all children there are. Return: is there any? */
bool verb_signal_children(int number);
