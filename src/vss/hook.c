/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of others that are run beside a backup
 *
 * A command is the leader of a process group of its own, so that all of it ends where the backup is
 * interrupted. What it leaves in the background when it ends by itself goes on.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "vss/hook.h"

#define STATUS_NOT_FOUND 127
#define STATUS_NOT_EXECUTABLE 126
#define NAP_USEC (20 * USEC_PER_MSEC)
#define GRACE_USEC (10 * USEC_PER_SEC)

static void __attribute__((__noreturn__)) run_child(char *const *words, bool quiet, pid_t parent) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        (void)setpgid(0, 0);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || null < 0 ||
            dup2(null, STDIN_FILENO) < 0 || dup2(quiet ? null : STDERR_FILENO, STDOUT_FILENO) < 0 ||
            (quiet && dup2(null, STDERR_FILENO) < 0))
                _exit(STATUS_NOT_EXECUTABLE);
        (void)execv(words[0], words);
        _exit(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}

static bool has_ended(pid_t pid, int *ret_status) {
        int status;
        pid_t r = waitpid(pid, &status, WNOHANG);

        if (r == 0 || (r < 0 && errno == EINTR))
                return false;
        *ret_status = r < 0 ? -errno : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return true;
}

static bool wait_until(pid_t pid, uint64_t deadline, int interrupts, int *ret_status) {
        while (!has_ended(pid, ret_status)) {
                const struct timespec nap = { 0, (long)(NAP_USEC * 1000) };

                if (now_usec() >= deadline || interrupt_count() > interrupts)
                        return false;
                (void)nanosleep(&nap, NULL);
        }
        return true;
}

int hook_run(char *const *words, uint64_t limit_usec, bool quiet) {
        int interrupts = interrupt_count(), status = 0, why;
        pid_t parent = getpid(), pid;

        (void)fflush(NULL);
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_child(words, quiet, parent);
        (void)setpgid(pid, pid); /* whoever comes first */
        if (wait_until(pid, now_usec() + limit_usec, interrupts, &status))
                return status;
        why = interrupt_count() > interrupts ? -EINTR : -ETIME;
        (void)kill(-pid, SIGTERM);
        if (!wait_until(pid, now_usec() + GRACE_USEC, interrupt_count(), &status)) {
                (void)kill(-pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
        } else
                (void)kill(-pid, SIGKILL);
        return why;
}
