/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * --host with a repository on this side: "here:LOCATION"
 *
 * The verb runs on the other machine, and finds the repository at the end of a socket. A child of this
 * program serves it (repository/serve.h): it outlives this one, however that ends, so that the locks of the
 * verb are taken away.
 */

#include <sys/types.h>
#include "vss/cli.h"

typedef struct Here {
        int fd;         /* for the verb's channel; -1: the repository is not on this side */
        char *password; /* for the verb */
        pid_t child;
        struct Backend *backend; /* the child's; its processes are ours */
} Here;

#define HERE_INIT \
        { .fd = -1 }

/* Is it a verb that may have a repository on this side? Its options have to be read, then. */
bool here_knows(const Verb *verb);

/*
 * here_begin() - serve the repository of the command line, if it is on this side
 * cli->words are afterwards what the verb there is to get. Return: EXIT_DONE, or another status after a
 * message.
 */
int here_begin(Cli *cli, Here *ret_here);
/* The verb has ended. Waits for what is still written. */
void here_end(Here *here);
