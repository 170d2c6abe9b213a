/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guardians: one child per application, which runs its commands as its user
 *
 * Above all it lets go: when told to, when the writer has died, when the lease of a freeze is over, and
 * after a Freeze= that failed half way, whatever happens. So it does not die with the writer, but soon after
 * it. The first reply comes unasked, when it has become the application's user; then one for each
 * GuardianOrder.
 */

#include <linuxvss/types.h>
#include "writers/common/child.h"
#include "writers/dropin/dropin.h"

#define GUARDIAN_PREPARE_SECONDS 900u
#define GUARDIAN_LEASE_SECONDS 60u
#define GUARDIAN_OUTPUT_MAX 1024u

enum {
        GUARDIAN_RUN = 1,    /* Prepare=, PostSnapshot=, BackupComplete=, PreRestore=, PostRestore= */
        GUARDIAN_FREEZE = 2, /* Hold= or Freeze= */
        GUARDIAN_THAW =
                3, /* end of Hold=, or Thaw=; also without a freeze before, when its guardian was lost */
};

typedef struct GuardianOrder {
        uint32_t order;
        uint32_t command;  /* RUN: DropInCommand */
        uint32_t limit_ms; /* RUN, FREEZE */
        uint32_t lease_ms; /* FREEZE: from now on */
} GuardianOrder;

typedef struct GuardianReply {
        int32_t code; /* a vss_result */
        char text[GUARDIAN_OUTPUT_MAX + 512];
} GuardianReply;

/* What the commands are told in their environment. */
typedef struct GuardianContext {
        const char *session_id, *set_id, *backup_type;
        const char *volumes;  /* parted by ':' */
        const char *restored; /* NULL: not said */
} GuardianContext;

typedef struct GuardianTask {
        const DropIn *dropin;
        const GuardianContext *context;
} GuardianTask;

/* A child_main_fn. */
int guardian_main(int fd, void *task);

/* command.c: one command of an application, in its own process group */

/* The end of what a command wrote, in one line. */
typedef struct CommandOutput {
        char text[GUARDIAN_OUTPUT_MAX + 1];
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

int command_start(char **argv, char **environment, bool with_input, Command *ret_command);
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
