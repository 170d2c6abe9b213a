/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The command of `vss exec`, and those of scripts
 *
 * This process is the subreaper of all that the command starts, so that the shadow copies are deleted only
 * when nobody reads them any more. Signals are handed on, but not those that the terminal has sent to the
 * whole foreground group: the command has them already. When the command stops, this process stops with it,
 * so that job control works as if it were not there.
 */

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "vss/command.h"
#include "vss/output.h"

#define STATUS_NOT_FOUND 127
#define STATUS_NOT_EXECUTABLE 126
#define POLL_MS 1000
#define CHECK_USEC (2 * USEC_PER_SEC)
#define CHILDREN_MAX 65536u

static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP };

int command_take_signals(Command *command) {
        sigset_t mask;

        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGCHLD);
        FOREACH_ELEMENT (number, forwarded) {
                struct sigaction action;

                if (sigaction(*number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
                        continue;
                (void)sigaddset(&mask, *number);
        }
        if (sigprocmask(SIG_BLOCK, &mask, &command->old_mask) < 0)
                return -errno;
        command->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return command->signals < 0 ? -errno : 0;
}

/* What the child says through the pipe when it cannot become the command. */
typedef struct StartError {
        NamespaceError namespace_error;
        int exec_error;
} StartError;

void command_release_signals(Command *command) {
        if (command->signals < 0)
                return;
        command->signals = (close(command->signals), -1);
        (void)sigprocmask(SIG_SETMASK, &command->old_mask, NULL);
}

static void __attribute__((__noreturn__)) report_and_exit(int fd, const StartError *error) {
        if (write(fd, error, sizeof(*error)) != (ssize_t)sizeof(*error))
                _exit(EXIT_FAILED);
        _exit(error->exec_error == ENOENT ? STATUS_NOT_FOUND
              : error->exec_error         ? STATUS_NOT_EXECUTABLE
                                          : EXIT_FAILED);
}

static void __attribute__((__noreturn__))
run_child(Command *command, const View *view, const int *mount_fds, size_t n_mount_fds,
          const char *directory, pid_t parent, int fd) {
        StartError error = {};

        /* If this program is killed, the shadow copies go away: the command must not go on without them. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILED);
        FOREACH_ELEMENT (number, forwarded) {
                struct sigaction action;

                if (sigaction(*number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
                        (void)signal(*number, SIG_DFL);
        }
        if (view && namespace_enter(view, mount_fds, n_mount_fds, directory, &error.namespace_error) < 0)
                report_and_exit(fd, &error);
        (void)sigprocmask(SIG_SETMASK, &command->old_mask, NULL);
        (void)execvp(command->argv[0], command->argv);
        error.exec_error = errno;
        report_and_exit(fd, &error);
}

static int wait_status(int status) {
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int tell_start_error(Command *command, const StartError *error) {
        const NamespaceError *view = &error->namespace_error;

        if (view->error)
                return cli_error(command->cli, view->error == EPERM ? VSS_E_ACCESSDENIED : VSS_E_UNEXPECTED,
                                 NULL, "the view of the shadow copies cannot be made: %s: %s", view->what,
                                 strerror(view->error));
        (void)cli_error(command->cli, VSS_E_OBJECT_NOT_FOUND, command->argv[0], "%s",
                        error->exec_error == ENOENT ? "there is no such command"
                                                    : strerror(error->exec_error));
        return error->exec_error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

int command_start(Command *command, const View *view, const int *mount_fds, size_t n_mount_fds) {
        _cleanup_(closep) int reader = -1, writer = -1;
        _cleanup_(freep) char *directory = getcwd(NULL, 0);
        StartError error = {};
        pid_t parent = getpid();
        ssize_t n;
        int fds[2];

        if (!directory || directory[0] != '/')
                return cli_error(command->cli, VSS_E_OBJECT_NOT_FOUND, NULL,
                                 "the working directory cannot be named: %s", strerror(errno));
        if (pipe2(fds, O_CLOEXEC) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return cli_error(command->cli, VSS_E_UNEXPECTED, NULL, "the command cannot be prepared: %s",
                                 strerror(errno));
        reader = fds[0];
        writer = fds[1];

        (void)fflush(NULL);
        command->pid = fork();
        if (command->pid < 0) {
                command->pid = 0;
                return cli_error(command->cli, VSS_E_UNEXPECTED, NULL, "no process can be made: %s",
                                 strerror(errno));
        }
        if (command->pid == 0)
                run_child(command, view, mount_fds, n_mount_fds, directory, parent, writer);

        /* End of file is success: the pipe was closed by the start of the command. */
        writer = (close(writer), -1);
        do
                n = read(reader, &error, sizeof(error));
        while (n < 0 && errno == EINTR);
        if (n == 0)
                return EXIT_DONE;

        (void)waitpid(command->pid, NULL, 0);
        command->pid = 0;
        if (n != (ssize_t)sizeof(error))
                return cli_error(command->cli, VSS_E_UNEXPECTED, NULL, "the command cannot be started");
        return tell_start_error(command, &error);
}

/* When the command itself has ended, what it left behind gets the signals. */
static void signal_children(int number) {
        char path[64];
        _cleanup_(fclosep) FILE *file = NULL;
        int pid;

        (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
        file = fopen(path, "re");
        for (size_t i = 0; file && i < CHILDREN_MAX && fscanf(file, "%d", &pid) == 1; i++)
                (void)kill(pid, number);
}

static void forward_signals(Command *command) {
        struct signalfd_siginfo info;

        while (read(command->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
                bool from_terminal = info.ssi_code == SI_KERNEL,
                     from_command = command->pid > 0 && info.ssi_pid == (uint32_t)command->pid;

                if (info.ssi_signo == SIGCHLD || from_terminal || from_command)
                        continue;
                if (command->pid > 0)
                        (void)kill(command->pid, (int)info.ssi_signo);
                else
                        signal_children((int)info.ssi_signo);
        }
}

/* Takes in everybody that has ended. Return: is anybody left? */
static bool reap(Command *command) {
        for (;;) {
                int status;
                pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);

                if (pid < 0)
                        return errno != ECHILD;
                if (pid == 0)
                        return true;
                if (WIFSTOPPED(status)) {
                        if (pid == command->pid)
                                (void)raise(SIGSTOP);
                        continue;
                }
                if (pid == command->pid) {
                        command->status = wait_status(status);
                        command->pid = 0;
                }
        }
}

/*
 * Whatever comes from the bus may be the news that the service has died; that the session was aborted by
 * somebody is not told at all.
 */
static void watch_session(Command *command, bool bus_spoke, uint64_t *checked_usec) {
        uint64_t now = now_usec();

        if (command->lost || !command->is_alive || (!bus_spoke && now - *checked_usec < CHECK_USEC))
                return;
        *checked_usec = now;
        if (vss_service_process(command->cli->service) >= 0 && command->is_alive(command->userdata))
                return;
        command->lost = true;
        cli_note("THE SHADOW COPIES ARE LOST while the command is running: their storage is full or gone, "
                 "the "
                 "service went away, or the session was aborted");
        cli_note("what the command reads from now on may not be what it was promised");
}

void command_wait(Command *command) {
        uint64_t checked = now_usec();
        bool told = false;

        while (reap(command)) {
                struct pollfd fds[] = {
                        { .fd = command->signals, .events = POLLIN },
                        { .fd = command->lost || !command->is_alive ? -1
                                                                    : vss_service_fd(command->cli->service),
                          .events = POLLIN },
                };

                if (command->pid == 0 && !told) {
                        told = true;
                        if (output_is_terminal(STDERR_FILENO))
                                cli_note("waiting for processes that the command has left behind");
                }
                (void)poll(fds, ELEMENTS(fds), POLL_MS);
                forward_signals(command);
                watch_session(command, fds[1].revents != 0, &checked);
        }
}
