/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The command of `vss exec` and those of scripts: started, in a view where there is one, given the signals
 * they should get, waited for with all they leave
 */

#include <signal.h>
#include <sys/types.h>
#include "vss/cli.h"
#include "vss/namespace.h"

typedef struct Command {
        Cli *cli;
        char **argv;
        pid_t pid;                        /* 0 before the start and after the end */
        int status;                       /* its exit status, 128 + signal if one ended it */
        bool lost;                        /* the session ended while it ran */
        bool (*is_alive)(void *userdata); /* is the session still there? NULL: there is none to be lost */
        void *userdata;
        sigset_t old_mask;
        int signals; /* signalfd */
} Command;

/* From here on signals are queued for command_wait(), and do not interrupt anything any more.
 * Return: 0 or -errno. */
int command_take_signals(Command *command);
/* As it was before; what came meanwhile and is for this program comes now. */
void command_release_signals(Command *command);
/*
 * command_start() - run the command in @view (NULL: as everybody sees the files), in this working directory
 * Return: EXIT_DONE, or another status after a message; then no process is left.
 */
int command_start(Command *command, const View *view, const int *mount_fds, size_t n_mount_fds);
/* Returns when the command and all its descendants have ended; "status" is set. */
void command_wait(Command *command);
