/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The process that reads and stores, as the other one sees it
 */

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "vss/archiver.h"
#include "vss/channel.h"

#define END_USEC (60 * USEC_PER_SEC)
#define KILLED_USEC (3 * USEC_PER_SEC)
#define POLL_MS 20

int archiver_start(Cli *cli, const ArchiverJob *job, Archiver *ret_archiver) {
        int ours = -1, theirs = -1, r = channel_pair(&ours, &theirs);
        pid_t pid;

        (void)fflush(NULL);
        pid = r < 0 ? -1 : fork();
        if (pid < 0) {
                r = r < 0 ? r : -errno;
                closep(&ours);
                closep(&theirs);
                return cli_error(cli, VSS_E_UNEXPECTED, NULL, "no process can be made: %s", strerror(-r));
        }
        if (pid == 0) {
                (void)close(ours);
                archiver_main(cli, job, theirs);
        }
        (void)close(theirs);
        *ret_archiver = (Archiver){ .pid = pid, .fd = ours };
        return EXIT_DONE;
}

/* Return: has it ended? */
static bool wait_until(Archiver *archiver, uint64_t until, bool impatient) {
        for (;;) {
                pid_t pid = waitpid(archiver->pid, NULL, WNOHANG);

                if (pid == archiver->pid || (pid < 0 && errno == ECHILD))
                        return true;
                if (now_usec() > until || (impatient && interrupt_count() > 1))
                        return false;
                (void)poll(NULL, 0, POLL_MS);
        }
}

void archiver_stop(Archiver *archiver) {
        if (archiver->pid <= 0)
                return;
        /* It takes our going for an order to end; but for that it listens only once it is ready. */
        closep(&archiver->fd);
        if (!archiver->ready && !archiver->done)
                (void)kill(archiver->pid, SIGTERM);
        if (!wait_until(archiver, now_usec() + (archiver->done ? KILLED_USEC : END_USEC), true)) {
                (void)kill(archiver->pid, SIGKILL);
                (void)wait_until(archiver, now_usec() + (archiver->done ? 0 : KILLED_USEC), false);
        }
        archiver->pid = 0;
}
